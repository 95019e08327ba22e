"""Stages and the other commands that write results: the former one or the new one is there."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from components.common.errors import UsageError
from components.verify.enroll import main as enroll
from components.verify.gallery import open_gallery
from pipelines.cli import main as facenet
from tests.stages import WORK, Work, main_of

# What tells of a result, apart from pages and times.
_WHOLE = ("*.parquet", "*.jpg", "*.tflite", "metrics.json", "*.yaml")


def content(folder: Path) -> dict[str, bytes]:
    """What readers find of results below a folder: nothing of what is hidden."""
    found = {}
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder).as_posix()
        if not any(part.startswith(".") for part in place.split("/")):
            if path.suffix == ".html":
                assert path.read_text().rstrip().endswith("</html>"), place
            elif path.suffix == ".json":
                assert json.loads(path.read_text()), place
            if path.is_file() and any(path.match(pattern) for pattern in _WHOLE):
                found[place] = path.read_bytes()
    return found


def results(found: dict[str, bytes], names: list[str]) -> list[dict[str, bytes]]:
    """The content of each result: each is replaced on its own."""
    return [{place: data for place, data in found.items() if place.split("/")[0] == name} for name in names]


WITH_CHECKPOINT = WORK["embed"].words.replace("{network}", "{run}/mine-and-train/checkpoint")
COMMANDS = [
    *((stage, work) for stage, work in WORK.items() if stage != "mine-and-train"),  # test_tensorflow.py
    ("embed", replace(WORK["embed"], words=WITH_CHECKPOINT, has_tensorflow=True)),
    ("sample", Work("--identities 2 --photos 2", "--seed 1", "--seed 2")),
    ("cluster", Work("{photos} -c {network}", "--threshold 1.0", "--threshold 0.0001")),
    ("compile", Work("", "--workspace 5Gi", "--workspace 6Gi")),
]
NAMES = ["result", "result-rejects", "result-dropped", "result.yaml"]
CASES = [
    pytest.param(command, work, again, id=f"{command}{'-tensorflow' * work.has_tensorflow}-{when}")
    for command, work in COMMANDS
    for again, when in ((False, "first"), (True, "again"))
    # Photos of other settings are not replaced; what takes seconds is killed in one way only.
    if (not again if command in ("sample", "compile") else again or not work.has_tensorflow)
]


@pytest.mark.kill
@pytest.mark.parametrize(("command", "work", "is_replaced"), CASES)
def test_a_stage_leaves_the_former_result_or_the_new_one(
    kills, command, work, is_replaced, in_processes, sample_photos, tmp_path
):
    shutil.copytree(sample_photos / "person-00000", tmp_path / "photos" / "person-00000")
    network = min(in_processes.glob("export/model/*.tflite"))
    result = kills.folder / ("result.yaml" if command == "compile" else "result")
    flags = work.flags(result, photos=tmp_path / "photos", run=in_processes, network=network)
    flags += ["--html", str(kills.folder / "card.html")] * (command in WORK)
    main, older, newer = main_of(command), [*flags, *work.former.split()], [*flags, *work.new.split()]
    kills.begin(None)
    kills.undisturbed(main, older)
    start = tmp_path / "start"
    kills.folder.rename(start)
    former = content(start)
    kills.begin(None)
    kills.undisturbed(main, newer)
    new = content(kills.folder)
    assert former and new and former != new
    allowed = [results(former if is_replaced else {}, NAMES), results(new, NAMES)]

    def check() -> None:
        for found, *whole in zip(results(content(kills.folder), NAMES), *allowed, strict=True):
            assert found in whole
        kills.undisturbed(main, newer)
        assert content(kills.folder) == new

    at_every_point = kills.copied_at_every_point if work.has_tensorflow else kills.at_every_point
    at_every_point(start if is_replaced else None, check, main, newer)


def people(gallery: Path) -> dict[str, int]:
    """Everybody in a gallery and the number of their faces."""
    if not gallery.exists():
        return {}
    try:
        with open_gallery(gallery) as there:
            found = there.people()
    except UsageError as nobody:
        assert "This gallery is empty" in str(nobody)
        return {}
    return {name: found.person.tolist().count(number) for number, name in enumerate(found.names)}


@pytest.mark.kill
@pytest.mark.parametrize("former", [[], ["person-00000"]], ids=["first", "again"])
def test_a_gallery_has_all_of_the_new_faces_or_none(kills, in_processes, sample_photos, tmp_path, former):
    model = min(in_processes.glob("export/model/*.tflite"))
    start = tmp_path / "start"
    start.mkdir()

    def words(folder: Path, *names: str) -> list[str]:
        photos = tmp_path / "-".join(names)
        for name in names:
            shutil.copytree(sample_photos / name, photos / name, dirs_exist_ok=True)
        return [str(photos), "-g", str(folder / "gallery.db"), "-c", str(model)]

    if former:
        assert enroll(words(start, *former)) == 0
    before = people(start / "gallery.db")
    added = words(kills.folder, "person-00001", "person-00002")
    kills.begin(start)
    kills.undisturbed(enroll, added)
    after = people(kills.folder / "gallery.db")
    assert len(after) == len(before) + 2

    def check() -> None:
        assert people(kills.folder / "gallery.db") in (before, after)
        kills.undisturbed(enroll, added)
        assert people(kills.folder / "gallery.db") == after

    kills.at_every_point(start, check, enroll, added)


def test_a_gallery_forgets_a_person_whole(kills, tmp_path):
    from tests.unit.verify.rows import entries, network

    (tmp_path / "start").mkdir()
    with open_gallery(tmp_path / "start" / "gallery.db", network(), create=True) as gallery:
        gallery.add(entries(40))
    theirs = [entry.embedding.tobytes() for entry in entries(40) if entry.name == "p1"]
    before = people(tmp_path / "start" / "gallery.db")
    after = {name: count for name, count in before.items() if name != "p1"}
    gallery = kills.folder / "gallery.db"
    words = ["forget", "p1", "-g", str(gallery)]

    def check() -> None:
        assert people(gallery) in (before, after)
        facenet(words)
        assert people(gallery) == after
        left = b"".join(path.read_bytes() for path in kills.folder.iterdir())
        assert not any(one in left for one in theirs)
        with closing(sqlite3.connect(gallery)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    kills.at_every_point(tmp_path / "start", check, facenet, words)
