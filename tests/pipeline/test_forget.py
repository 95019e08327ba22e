"""A person is erased from everything that a run left, and from nothing of anybody else."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.collect.__main__ import main as collect
from components.common.crops import decoded, faces_of
from components.common.manifest import DATASET, DROPPED, EMBEDDINGS, FACES, PAIRS, REJECTS, read, write
from components.common.shard import Shard
from pipelines.cli import main
from pipelines.erase import erase as erasing
from pipelines.local.cache import Cache
from pipelines.local.record import read_task

PLACES = {
    "extract/faces": FACES,
    "extract/rejects": REJECTS,
    "collect/faces": FACES,
    "collect/dataset": DATASET,
    "collect/dropped": DROPPED,
    "embed/embeddings": EMBEDDINGS,
    "evaluate/report/pairs": PAIRS,
}


@pytest.fixture
def runs(in_processes, tmp_path) -> Path:
    """A runs folder of one run, another one that took over its dataset, and faces that were made by hand."""
    shutil.copytree(in_processes.parent, tmp_path / "runs", symlinks=True)
    (tmp_path / "runs" / "20000101-000000-000").mkdir()
    shutil.copy(in_processes / "run.json", tmp_path / "runs" / "20000101-000000-000")
    (tmp_path / "runs" / "20000101-000000-000" / "collect").mkdir()
    link = tmp_path / "runs" / "20000101-000000-000" / "collect" / "dataset"
    link.symlink_to(f"../../{in_processes.name}/collect/dataset")
    (link.parent / "card").write_text("a card with faces")
    shutil.copytree(in_processes / "extract" / "faces", tmp_path / "runs" / "by-hand" / "extract" / "faces")
    return tmp_path / "runs"


@pytest.fixture
def name(in_processes) -> str:
    """Somebody whose pairs were scored."""
    faces = read(in_processes / "collect" / "dataset", DATASET)
    return next(row["identity"] for row in faces.to_pylist() if row["split"] == "test")


def tables(run: Path) -> dict[str, list[dict]]:
    return {place: read(run / place, kind).to_pylist() for place, kind in PLACES.items()}


def without(name: str, before: dict[str, list[dict]]) -> dict[str, list[dict]]:
    """What the manifests should hold then, but for where faces lie."""
    theirs = {row["face_id"] for row in before["extract/faces"] if row["identity"] == name}
    kept = {}
    for place, rows in before.items():
        kept[place] = [
            {key: value for key, value in row.items() if key not in ("part", "row")}
            for row in rows
            if row.get("identity") != name and not theirs & {row.get("face_id_a"), row.get("face_id_b")}
        ]
    return kept


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}


def test_a_dry_run_lists_and_leaves_everything(runs, in_processes, name, capsys):
    before = files(runs)
    assert main(["forget", name, "--runs", str(runs), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert f"{name}, 4 faces in 3 runs" in said and "would be erased" in said
    for place in ("extract/faces", "collect/dataset", "embed/embeddings", "evaluate/report/pairs"):
        assert f"rows  {runs / in_processes.name / place}\n" in said
    assert files(runs) == before


def test_a_forgotten_person_is_nowhere_and_everybody_else_is_as_before(runs, in_processes, name, capsys):
    run = runs / in_processes.name
    before = tables(run)
    theirs = [row for row in before["extract/faces"] if row["identity"] == name]
    (run / "extract" / ".faces.killed.partial").mkdir()
    (run / "extract" / ".faces.killed.partial" / "part-00000.parquet").write_bytes(theirs[0]["image"])
    (run / "extract" / "log.txt").write_text(f"one line\nnot followed: {name}/loop\n")
    with closing(sqlite3.connect(runs / "cache.sqlite")) as cache, cache:
        cache.execute("INSERT INTO content VALUES (?, 1, 1, 1, 1, 'x')", (f"/photos/{name}/1.jpg".encode(),))
    assert main(["forget", name, "--runs", str(runs), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["runs"]
    assert said["faces"] == 4 and said["rows"]["pairs"] > 0

    known = [name.encode(), *(row["image"] for row in theirs), *(row["face_id"].encode() for row in theirs)]
    held = [path for path, content in files(runs).items() if any(one in content for one in known)]
    assert not held
    after = tables(run)
    assert without(name, after) == without(name, before) == without("nobody", after)
    for card in ("extract/card", "embed/card", "evaluate/report/report.html", "mine-and-train/training/card.html"):
        assert b"asked to be forgotten" in (run / card).read_bytes()
    assert b"asked to be forgotten" in (runs / "20000101-000000-000" / "collect" / "card").read_bytes()
    assert not list(run.glob("mine-and-train/training/events/*.png"))
    assert (run / "extract" / "log.txt").read_text() == "one line\n(erased)\n"
    (noted,) = json.loads((runs / "forgotten.json").read_text())
    assert noted["runs"] == ["20000101-000000-000", in_processes.name, "by-hand"] and noted["rows"]["faces"] == 12

    # The others' pictures are still those of the same people, and records tell the truth.
    rows, faces = read(run / "collect" / "dataset", DATASET), faces_of(run / "collect" / "dataset", ())
    assert len(decoded(rows, faces, 32)) == len(before["collect/dataset"]) - 4
    cache = Cache(runs, lambda executor, names: "")
    for task in ("extract", "collect", "embed", "evaluate"):
        record = read_task(runs, in_processes.name, task)
        assert cache.whole(record) and cache.answer(record.cache_key) is None
    assert main(["forget", name, "--runs", str(runs)]) == 2
    assert "Nobody of this name" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["extract/faces", "evaluate/report/pairs"])
def test_a_manifest_that_a_killed_process_was_replacing_is_put_back_not_cleared(runs, in_processes, name, place):
    """On a file system where two folders cannot change places; between the two renamings."""
    run = runs / in_processes.name
    before = tables(run)
    folder = run / place
    aside = folder.parent / f".{folder.name}.killed.former"
    aside.mkdir()
    folder.rename(aside / folder.name)
    assert main(["forget", name, "--runs", str(runs)]) == 0
    assert without("nobody", tables(run)) == without(name, before) and not aside.exists()


STEPS = ("_rewrite", "_point_anew", "write_file", "_clear_logs", "_correct_records", "_noted")


@pytest.mark.parametrize("step", STEPS)
def test_forgetting_that_was_cut_off_goes_on(runs, in_processes, name, step, monkeypatch):
    """Cut off in its middle: after the first call of a step."""
    run = runs / in_processes.name
    before = tables(run)
    real, calls = getattr(erasing, step), []

    def cut_off(*arguments):
        calls.append(real(*arguments))
        if step != "write_file" or len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(erasing, step, cut_off)
    assert main(["forget", name, "--runs", str(runs)]) == 130
    monkeypatch.undo()
    other = next(row["identity"] for row in before["collect/dataset"] if row["identity"] != name)
    if step != "_noted":
        assert main(["forget", other, "--runs", str(runs)]) == 1  # not before the first one is done
    assert main(["forget", name, "--runs", str(runs)]) == 0
    assert without("nobody", tables(run)) == without(name, before)
    assert not (runs / ".forgetting.json").exists()
    rows = read(run / "collect" / "dataset", DATASET)
    assert decoded(rows, faces_of(run / "collect" / "dataset", ()), 32).dtype == np.uint8


def test_a_run_that_is_going_on_is_waited_for_and_a_name_is_no_path(runs, in_processes, name, capsys):
    from pipelines.local.record import RUNNING, alive, read_run, write_run

    record = read_run(runs, in_processes.name)
    record.state = RUNNING
    write_run(runs, record)
    with alive(runs, in_processes.name):
        assert main(["forget", name, "--runs", str(runs)]) == 2
    assert "going on" in capsys.readouterr().err
    for wrong in ("", "..", "a/b"):
        assert main(["forget", wrong, "--runs", str(runs)]) == 2


def test_a_name_is_forgotten_in_both_of_unicodes_forms(faces, tmp_path):
    nfc, nfd = "Zo\u00eb", "Zoe\u0308"
    runs, run = tmp_path / "runs", tmp_path / "runs" / "1"
    rows = read(faces, FACES).slice(0, 3)
    rows = rows.set_column(rows.schema.get_field_index("identity"), "identity", [[nfc, nfd, "Zoe"]])
    write(run / "extract" / "faces", FACES, rows, {"margin": 0.25, "alignment": "none"})
    rejects = [dict.fromkeys(REJECTS.schema.names, "x") | {"photo_path": f"{name}/1.jpg"} for name in (nfc, nfd, "Zoe")]
    write(run / "extract" / "rejects", REJECTS, pa.Table.from_pylist(rejects, schema=REJECTS.schema))
    (run / "extract" / "log.txt").write_text(f"{nfd}/loop\nZoe/loop\n")
    Cache(runs, lambda executor, names: "")
    with closing(sqlite3.connect(runs / "cache.sqlite")) as cache, cache:
        paths = [(f"/photos/{name}/1.jpg".encode(),) for name in (nfc, nfd, "Zoe")]
        cache.executemany("INSERT INTO content VALUES (?, 1, 1, 1, 1, 'x')", paths)
    assert main(["forget", nfd, "--runs", str(runs)]) == 0
    assert read(run / "extract" / "faces", FACES)["identity"].to_pylist() == ["Zoe"]
    assert read(run / "extract" / "rejects", REJECTS)["photo_path"].to_pylist() == ["Zoe/1.jpg"]
    assert (run / "extract" / "log.txt").read_text() == "(erased)\nZoe/loop\n"
    with closing(sqlite3.connect(runs / "cache.sqlite")) as cache:
        assert cache.execute("SELECT path FROM content").fetchall() == paths[2:]


def test_a_kind_of_manifest_that_is_not_known_is_no_reason_to_skip_it(faces, tmp_path, capsys):
    shutil.copytree(faces, tmp_path / "runs" / "1" / "extract" / "faces")
    somebody = read(faces, FACES)["identity"][0].as_py()
    later = replace(REJECTS, name="landmarks")
    write(tmp_path / "runs" / "1" / "extract" / "landmarks", later, REJECTS.schema.empty_table())
    assert main(["forget", somebody, "--runs", str(tmp_path / "runs")]) == 2
    said = capsys.readouterr().err
    assert "nobody knows whom it holds" in said and "a landmarks manifest, which this version" in said
    assert somebody in read(tmp_path / "runs" / "1" / "extract" / "faces", FACES)["identity"].to_pylist()


def test_of_faces_in_shards_the_others_are_found_again(in_processes, name, tmp_path):
    """A dataset points through the files of all shards: those after the person's shard do not move."""
    run = tmp_path / "runs" / "1"
    whole = read(in_processes / "extract" / "faces", FACES)
    cuts = [whole.slice(0, 50), whole.slice(50)]
    for number, rows in enumerate(cuts, start=1):
        said = {"margin": 0.25, "alignment": "none"}
        write(run / f"extract-{number}" / "faces", FACES, rows, said, Shard(number, 2))
    faces = [str(run / f"extract-{number}" / "faces") for number in (2, 1)]
    assert collect(["-i", *faces, "-o", str(run / "collect" / "dataset")]) == 0
    before = read(run / "collect" / "dataset", DATASET)
    assert main(["forget", name, "--runs", str(tmp_path / "runs")]) == 0
    after = read(run / "collect" / "dataset", DATASET)
    assert after["face_id"].to_pylist() == [row["face_id"] for row in before.to_pylist() if row["identity"] != name]
    assert len(decoded(after, faces_of(run / "collect" / "dataset", ()), 32)) == len(after)  # compares the ids
