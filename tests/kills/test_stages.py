"""Stages and the other commands that write results: the former one or the new one is there."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from components.collect.__main__ import main as collect
from components.common.errors import UsageError
from components.embed.__main__ import main as embed
from components.evaluate.__main__ import main as evaluate
from components.extract.__main__ import main as extract
from components.sample.__main__ import main as sample
from components.verify.cluster import main as cluster
from components.verify.enroll import main as enroll
from components.verify.gallery import open_gallery
from pipelines.cli import main as facenet
from pipelines.compile import main as compile_

# What tells of a result, apart from pages and times.
_WHOLE = ("*.parquet", "*.jpg", "metrics.json", "*.yaml")


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


@pytest.fixture
def words(request, in_processes, datasets, sample_photos, tmp_path) -> Callable[[str, Path], list[object]]:
    """The flags of a command, with one setting or another."""
    shutil.copytree(sample_photos / "person-00000", tmp_path / "photos" / "person-00000")
    tflite = min(in_processes.glob("export/model/*.tflite"))
    given = {
        sample: (["--identities", "2", "--photos", "2"], ["--seed", "1", "2"]),
        extract: (["-i", tmp_path / "photos", "--workers", "1"], ["--margin", "0.25", "0.5"]),
        collect: (["-i", in_processes / "extract/faces"], ["--min_examples", "2", "1"]),
        embed: (["--faces", in_processes / "collect/faces", "-c", tflite], ["-i", *datasets]),
        evaluate: (["-i", in_processes / "embed/embeddings"], ["--folds", "2", "3"]),
        cluster: ([tmp_path / "photos", "-c", tflite], ["--threshold", "1.0", "0.0001"]),
        compile_: ([], ["--workspace", "5Gi", "6Gi"]),
    }
    fixed, (flag, *values) = given[request.param]

    def told(value: str, folder: Path) -> list[str]:
        place = folder / ("result.yaml" if request.param is compile_ else "result")
        cards = ["--html", folder / "card.html"] * (request.param in (extract, collect, embed, evaluate))
        return [*map(str, fixed), "-o", str(place), *map(str, cards), flag, str(value)]

    told.command, told.values = request.param, values
    return told


COMMANDS = [sample, extract, collect, embed, evaluate, cluster, compile_]
NAMES = ["result", "result-rejects", "result-dropped", "result.yaml"]


CASES = [
    pytest.param(command, again, id=f"{command.__module__.split('.')[1].replace('verify', 'cluster')}-{when}")
    for command in COMMANDS
    for again, when in ((False, "first"), (True, "again"))
    # Photos of other settings are not replaced; compiling takes seconds and is one file.
    if not (command in (sample, compile_) and again)
]


@pytest.mark.kill
@pytest.mark.parametrize(("words", "is_replaced"), CASES, indirect=["words"])
def test_a_stage_leaves_the_former_result_or_the_new_one(kills, words, is_replaced, tmp_path):
    former, new = {}, {}
    kills.begin(None)
    kills.undisturbed(words.command, words(words.values[0], kills.folder))
    start = tmp_path / "start"
    kills.folder.rename(start)
    former = content(start)
    kills.begin(None)
    kills.undisturbed(words.command, words(words.values[1], kills.folder))
    new = content(kills.folder)
    assert former and new and former != new
    allowed = [results(former if is_replaced else {}, NAMES), results(new, NAMES)]

    def check() -> None:
        for found, *whole in zip(results(content(kills.folder), NAMES), *allowed, strict=True):
            assert found in whole
        kills.undisturbed(words.command, words(words.values[1], kills.folder))
        assert content(kills.folder) == new

    command = words(words.values[1], kills.folder)
    kills.at_every_point(start if is_replaced else None, check, words.command, command)


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
