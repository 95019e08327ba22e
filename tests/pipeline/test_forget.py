"""A person is erased from everything that a run left, and from nothing of anybody else."""

from __future__ import annotations

import gzip
import html
import io
import json
import os
import shutil
import sqlite3
import unicodedata
import zipfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.collect.__main__ import main as collect
from components.common.crops import decode_crops, faces_of
from components.common.errors import UsageError
from components.common.manifest import (
    DATASET,
    DROPPED,
    EMBEDDINGS,
    FACES,
    MANIFESTS,
    PAIRS,
    REJECTS,
    Manifest,
    kind_of,
    parts,
    read,
    write,
)
from components.common.shard import Shard
from components.model.embeddings import write_embeddings
from pipelines.cache.cache import Cache
from pipelines.cli import main
from pipelines.erase import erase as erasing
from pipelines.erase.mentions import mentions
from pipelines.records.files import read_task, write_task
from pipelines.records.record import TaskRecord
from tests.answers import problems
from tests.conftest import REPOSITORY
from tests.pipeline.drawn import drawn
from tests.pipeline.traces import files_with, traces

ANSWERS = json.loads((REPOSITORY / "pipelines/erase/answers.schema.json").read_text())["$defs"]


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


def manifests(run: Path) -> dict[str, Manifest]:
    """The kind of every manifest of a run, by where it lies; there is one of each kind at least."""
    files = sorted(run.glob("**/part-00000.parquet"))
    kinds = {file.parent.relative_to(run).as_posix(): kind_of(file) for file in files}
    assert {kind.name for kind in kinds.values()} == set(MANIFESTS)
    return kinds


def tables(run: Path) -> dict[str, list[dict]]:
    """The rows of every manifest of a run, by where it lies."""
    return {place: read(run / place, kind).to_pylist() for place, kind in manifests(run).items()}


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


LEFT_BY_THE_KILLED = (
    "RUN/extract/.faces.killed.partial/part-00000.parquet",
    "RUN/mine-and-train/training/.state.npz.killed.partial",
    "RUN/mine-and-train/training/.card.html.killed.partial",
    "RUN/mine-and-train/training/events/.names.tsv.killed.partial",
    "RUN/evaluate/report/.pairs.killed.former/pairs/part-00000.parquet",
    "RUN/evaluate/report/.pairs.killed.partial/.report.killed.former/report/part-00000.parquet",
    "by-hand/extract/deeper/still/.faces.killed.partial",
    ".dataset.killed.partial/part-00000.parquet",
    "..forgetting.json.killed.partial",
    ".forgotten.json.killed.partial",
)


def test_a_dry_run_lists_and_leaves_everything(runs, in_processes, name, capsys):
    before = files(runs)
    assert main(["forget", name, "--runs", str(runs), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert f"{name}, 4 faces in 3 runs" in said and "would be erased" in said
    for place in ("extract/faces", "collect/dataset", "embed/embeddings", "evaluate/report/pairs"):
        assert f"rows  {runs / in_processes.name / place}\n" in said
    assert main(["forget", name, "--runs", str(runs), "--dry-run", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert not problems(listed, ANSWERS["forget"], ANSWERS)
    assert sorted(listed["runs"]) == sorted(ANSWERS["runs"]["required"])
    assert files(runs) == before


def test_a_forgotten_person_is_nowhere_and_everybody_else_is_as_before(runs, in_processes, name, capsys):
    run = runs / in_processes.name
    before = tables(run)
    theirs = [row for row in before["extract/faces"] if row["identity"] == name]
    for place in LEFT_BY_THE_KILLED:
        left = runs / place.replace("RUN", run.name)
        left.parent.mkdir(parents=True, exist_ok=True)
        left.write_bytes(f"{theirs[0]['face_id']} of {name}".encode() + theirs[0]["image"])
    failed = read_task(runs, run.name, "export")
    failed.message = f"the photo {name}/1.jpg cannot be read"
    write_task(runs, run.name, failed)
    (runs / "20000101-000000-000" / "extract").mkdir()
    (runs / "20000101-000000-000" / "extract" / "log.txt").write_text(f"no manifest came of {name}/2.jpg\n")
    (run / "extract" / "log.txt").write_text(f"one line\nnot followed: {name}/loop\n")
    with closing(sqlite3.connect(runs / "cache.sqlite")) as cache, cache:
        cache.execute("INSERT INTO content VALUES (?, 1, 1, 1, 1, 'x')", (f"/photos/{name}/1.jpg".encode(),))
    corrections = runs.parent / "corrections.json"
    face = {"photo": "1.jpg", "sha256": theirs[0]["photo_sha256"], "box": theirs[0]["box"]}
    others = [{**face, "sha256": letter} for letter in "ab"]
    corrections.write_text(json.dumps({"version": 1, "same": [], "different": [[face, *others]]}))
    assert main(["forget", name, "--runs", str(runs), "--json", "--corrections", str(corrections)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert json.loads(corrections.read_text())["different"] == [others] and answer["corrections"]["faces"] == 1
    said = answer["runs"]
    assert not problems(answer, ANSWERS["forget"], ANSWERS) and said.keys() == ANSWERS["runs"]["properties"].keys()
    assert said["faces"] == 4 and said["rows"]["pairs"] > 0

    assert said["left"] == said["given"] == said["packed"] == said["shared"] == []
    assert said["searched"] == len(files(runs)) - said["pages"]
    assert not files_with(runs, traces(name, [row["face_id"] for row in theirs], [row["image"] for row in theirs]))
    assert read_task(runs, run.name, "export").message == "(erased)"
    after = tables(run)
    assert without(name, after) == without(name, before) == without("nobody", after)
    for card in ("extract/card", "embed/card", "evaluate/report/report.html", "mine-and-train/training/card.html"):
        assert b"asked to be forgotten" in (run / card).read_bytes()
    assert b"asked to be forgotten" in (runs / "20000101-000000-000" / "collect" / "card").read_bytes()
    assert not list(run.glob("mine-and-train/training/events/*.png"))
    assert (run / "extract" / "log.txt").read_text() == "one line\n(erased)\n"
    (noted,) = json.loads((runs / "forgotten.json").read_text())
    assert noted["runs"] == ["20000101-000000-000", in_processes.name, "by-hand"]
    of_faces = [row for rows in before.values() for row in rows if "image" in row]
    assert noted["rows"]["faces"] == 4 + sum(row["identity"] == name for row in of_faces)  # 4 of them by hand

    # The others' pictures are still those of the same people, and records tell the truth.
    rows, faces = read(run / "collect" / "dataset", DATASET), faces_of(run / "collect" / "dataset", ())
    assert len(decode_crops(rows, faces, 32)) == len(before["collect/dataset"]) - 4
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


STEPS = ("_rewrite", "_point_anew", "write_file", "_clear_logs", "_correct_records", "_add_record")


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
    if step != "_add_record":
        assert main(["forget", other, "--runs", str(runs)]) == 1  # not before the first one is done
    assert main(["forget", name, "--runs", str(runs)]) == 0
    assert without("nobody", tables(run)) == without(name, before)
    assert not (runs / ".forgetting.json").exists()
    rows = read(run / "collect" / "dataset", DATASET)
    assert decode_crops(rows, faces_of(run / "collect" / "dataset", ()), 32).dtype == np.uint8


def test_a_run_that_is_going_on_is_waited_for_and_a_name_is_no_path(runs, in_processes, name, capsys):
    from pipelines.records.alive import alive
    from pipelines.records.files import read_run, write_run
    from pipelines.records.record import RUNNING

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
    assert len(decode_crops(after, faces_of(run / "collect" / "dataset", ()), 32)) == len(after)  # compares the ids


def test_a_stranger_is_forgotten_by_their_photo_and_all_of_them_by_their_folder(faces, tmp_path, capsys):
    run, (one, other, *_) = tmp_path / "1", sorted(set(read(faces, FACES)["identity"].to_pylist()))
    shutil.copytree(faces, run / "faces")
    assert collect(["-i", str(run / "faces"), "-o", str(run / "dataset"), "--unnamed", one]) == 0
    rows = read(run / "dataset", DATASET)
    vectors = np.eye(len(rows), dtype=np.float32)
    write_embeddings(run / "embeddings", rows, vectors, "ab" * 32)
    photos = [path for path in rows["photo_path"].to_pylist() if path.startswith(f"{one}/")]
    log = run / "extract" / "log.txt"
    log.parent.mkdir()
    log.write_text(f"{photos[0]} is small\n{photos[1]} is small\n")
    Cache(tmp_path, lambda executor, names: "")
    with closing(sqlite3.connect(tmp_path / "cache.sqlite")) as cache, cache:
        paths = [(f"/photos/{photo}".encode(),) for photo in (photos[0], photos[1], f"{other}/1.jpg")]
        cache.executemany("INSERT INTO content VALUES (?, 1, 1, 1, 1, 'x')", paths)

    def left() -> list[list[str]]:
        """The photos of strangers in each manifest, and those that the cache knows."""
        kinds = {"faces": FACES, "dataset": DATASET, "embeddings": EMBEDDINGS}
        known = [read(run / place, kind)["photo_path"].to_pylist() for place, kind in kinds.items()]
        with closing(sqlite3.connect(tmp_path / "cache.sqlite")) as cache:
            known.append([path.decode()[8:] for (path,) in cache.execute("SELECT path FROM content")])
        return [[path for path in each if path.startswith(f"{one}/")] for each in known]

    assert main(["forget", photos[0], "--runs", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "1 faces in 1 runs" in said and "nothing of them is left" in said and "Remove the photo" in said
    assert left() == [photos[1:]] * 3 + [photos[1:2]]
    assert log.read_text() == f"(erased)\n{photos[1]} is small\n"
    assert main(["forget", one, "--runs", str(tmp_path)]) == 0
    assert "nothing of them is left" in capsys.readouterr().out
    assert left() == [[]] * 4
    assert len(decode_crops(read(run / "dataset", DATASET), (run / "faces",), 8)) == len(rows) - len(photos)


def test_a_former_result_whose_place_is_empty_is_put_back(tmp_path):
    """Somebody was killed between the two renames by which a result replaces a former one."""
    faces, aside = drawn(tmp_path / "1" / "extract" / "faces", NAME, "Bob"), tmp_path / "1" / "extract"
    (aside / ".faces.killed.former").mkdir()
    faces.rename(aside / ".faces.killed.former" / "faces")
    (aside / ".faces.killed.partial").mkdir()
    assert main(["forget", NAME, "--runs", str(tmp_path)]) == 0
    assert set(read(faces, FACES)["identity"].to_pylist()) == {"Bob"}
    assert [path.name for path in aside.iterdir()] == ["faces"]


NAME = "Zo\u00eb O'Brien & S\u00f6hne"
NFD = unicodedata.normalize("NFD", NAME)


def test_words_about_others_that_name_the_person_are_erased(tmp_path, capsys):
    drawn(tmp_path / "1" / "extract" / "faces", NAME, "Bob")
    details = [f"{NAME}/1.jpg = Bob/1.jpg", f"Bob/1.jpg = {NFD}/1.jpg", f"x{NAME}x", "same as Bob/1.jpg"]
    dropped = [dict.fromkeys(DROPPED.schema.names, "Bob") | {"detail": detail} for detail in details]
    write(tmp_path / "2" / "dropped", DROPPED, pa.Table.from_pylist(dropped, schema=DROPPED.schema))
    pairs = [dict.fromkeys(PAIRS.schema.names, 0) | {"same": False, "face_id_a": "a", "face_id_b": "b", "slice": each}
             for each in (f"with {NAME}", "without", None)]  # fmt: skip
    write(tmp_path / "2" / "report" / "pairs", PAIRS, pa.Table.from_pylist(pairs, schema=PAIRS.schema))
    assert main(["forget", NAME, "--runs", str(tmp_path)]) == 0
    assert read(tmp_path / "2" / "dropped", DROPPED)["detail"].to_pylist() == ["(erased)", "(erased)", *details[2:]]
    assert read(tmp_path / "2" / "report" / "pairs", PAIRS)["slice"].to_pylist() == ["(erased)", "without", None]
    assert "nothing of them is left" in capsys.readouterr().out


def gallery_of(name: str) -> bytes:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT)")
        database.execute("INSERT INTO person (name) VALUES (?)", (name,))
        database.commit()
        return database.serialize()


def table_of(name: str) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.table({"who": [["Bob"], [name]]}), content, compression="zstd")
    return content.getvalue()


def called_faces(table: pa.Table) -> bytes:
    """Another table that says of itself that it is a faces manifest."""
    content = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({"facenet": json.dumps({"manifest": "faces"})}), content)
    return content.getvalue()


FOREIGN = {
    "notes.txt": lambda name, row: f"{NFD} called".encode(),
    "listing.json": lambda name, row: json.dumps({name: []}).encode(),
    "page.htm": lambda name, row: html.escape(name).encode(),
    "address.txt": lambda name, row: quote(f"photos/{name}", safe="").encode(),
    "ids.csv": lambda name, row: f"{'0' * 40},{row['face_id']}".encode(),
    "crop.jpg": lambda name, row: row["image"],
    "table.parquet": lambda name, row: table_of(name),
    "damaged.parquet": lambda name, row: table_of("Bob")[:50],
    "without.parquet": lambda name, row: called_faces(pa.table({"who": ["Bob"]})),
    "nulls.parquet": lambda name, row: called_faces(pa.table({"face_id": [None], "identity": ["Bob"]})),
    "gallery.db": lambda name, row: gallery_of(name),
    "array.npz": lambda name, row: zipped({"names.npy": name}),
    f"{NFD}.png": lambda name, row: b"",
    f"crops/{NFD}/1.png": lambda name, row: b"",
}


def zipped(members: dict[str, str], how: int = zipfile.ZIP_STORED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", how) as archive:
        for member, text in members.items():
            archive.writestr(member, f"\0{text}")
    return content.getvalue()


@pytest.mark.parametrize("place", FOREIGN)
def test_what_nobody_of_us_wrote_and_names_the_person_is_named(place, tmp_path, capsys):
    faces = drawn(tmp_path / "1" / "extract" / "faces", NAME, "Bob")
    row = read(faces, FACES).to_pylist()[0]
    file = tmp_path / "1" / "by-hand" / place
    file.parent.mkdir(parents=True)
    file.write_bytes(FOREIGN[place](NAME, row))
    assert main(["forget", NAME, "--runs", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "is left in the runs folder" in said.err and str(file.parent) in said.err and "see below" in said.out
    assert set(read(faces, FACES)["identity"].to_pylist()) == {"Bob"} and not (tmp_path / ".forgetting.json").exists()
    shutil.rmtree(tmp_path / "1" / "by-hand")
    assert main(["forget", NAME, "--runs", str(tmp_path)]) == 2
    assert "Nobody of this name" in capsys.readouterr().err


def test_what_is_packed_or_given_or_under_another_name_too_is_said(tmp_path, capsys):
    faces = drawn(tmp_path / "1" / "extract" / "faces", NAME, "Bob")
    rows = read(faces, FACES).to_pylist()
    rows.append(rows[0] | {"identity": "Eve", "photo_path": "Eve/1.jpg"})
    write(faces, FACES, pa.Table.from_pylist(rows, schema=FACES.schema), {"margin": 0.25, "alignment": "none"})
    for place, content in {
        "logs.gz": gzip.compress(NAME.encode()),
        "all.zip": zipped({"1": NAME}, zipfile.ZIP_DEFLATED),
        "run.json": json.dumps({"photos": f"/home/{NAME}/photos"}).encode(),
        "other.bin": b"\0" + NAME[:5].encode(),
    }.items():
        (tmp_path / "1" / place).write_bytes(content)
    assert main(["forget", NAME, "--runs", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"given to a run: {tmp_path / '1' / 'run.json'}" in said and "nothing of them is left" in said
    assert f"packed: {tmp_path / '1' / 'all.zip'}, {tmp_path / '1' / 'logs.gz'}" in said
    assert "The same picture stays under other names: Eve" in said


@pytest.mark.parametrize("name", ["extract", "faces", "components", "1"])
def test_what_is_called_as_a_task_the_code_or_a_layer_is_not_taken_for_a_person(name, tmp_path, capsys):
    faces = drawn(tmp_path / "run" / "extract" / "faces", name, "Bob")
    made = {"path": "run/extract/faces", "kind": "", "sha256": "", "metadata": {}, "on_disk": True}
    write_task(tmp_path, "run", TaskRecord("extract", "extract", outputs={"faces": made}))
    (tmp_path / "run" / "facenet.tflite").write_bytes(b"\0network/1/add")
    Cache(tmp_path, lambda executor, names: "")
    with closing(sqlite3.connect(tmp_path / "cache.sqlite")) as cache, cache:
        cache.execute("INSERT INTO imports VALUES ('/facenet/components/stage.py', 1, 1, 1, 1, '')")
    assert main(["forget", name, "--runs", str(tmp_path)]) == 0
    assert "nothing of them is left" in capsys.readouterr().out
    assert set(read(faces, FACES)["identity"].to_pylist()) == {"Bob"}


def test_somebody_else_in_whose_name_it_stands_is_not_meant(tmp_path, capsys):
    drawn(tmp_path / "1" / "extract" / "faces", "Ann", "Bob")
    others = tmp_path / "2" / "extract"
    drawn(others / "faces", "Ann Lee", "Mary Ann", "O'Ann", "Annabel")
    (others / "card").write_text("<h2>Ann Lee</h2> Mary Ann/1.jpg, O&#x27;Ann")
    (others / "log.txt").write_text("Ann Lee/1.jpg\nMary Ann/1.jpg beside Ann/1.jpg\n")
    before = files(tmp_path / "2")
    assert main(["forget", "Ann", "--runs", str(tmp_path)]) == 0
    assert "nothing of them is left" in capsys.readouterr().out
    assert files(tmp_path / "2") == before | {str(others / "log.txt"): b"Ann Lee/1.jpg\n(erased)\n"}
    assert main(["forget", "Ann", "--runs", str(tmp_path)]) == 2  # nobody of this name


def unlike_declared(rows: pa.Table) -> pa.Table:
    """Boxes of three numbers, as another program may write them."""
    boxes = pa.chunked_array([pa.array([box[:3] for box in rows["box"].to_pylist()], pa.list_(pa.int32()))])
    return rows.set_column(rows.schema.get_field_index("box"), "box", boxes)


@pytest.mark.parametrize("damage", ["boxes", "bytes"])
def test_what_cannot_be_read_is_named_before_anything_is_erased(damage, tmp_path, capsys):
    faces, other = (drawn(tmp_path / run / "extract" / "faces", NAME, "Bob") for run in "12")
    part = other / "part-00000.parquet"
    if damage == "boxes":
        pq.write_table(unlike_declared(pq.read_table(part)), part)
    else:
        content = part.read_bytes()
        part.write_bytes(content[:4] + bytes(1000) + content[1004:])
    before = files(tmp_path)
    assert main(["forget", NAME, "--runs", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "nobody knows whom it holds" in said and str(other) in said
    assert files(tmp_path) == before | {str(tmp_path / name): b"" for name in (".lock", ".forgetting.lock")}
    shutil.rmtree(tmp_path / "2")
    assert main(["forget", NAME, "--runs", str(tmp_path)]) == 0
    assert set(read(faces, FACES)["identity"].to_pylist()) == {"Bob"}


def test_forgetting_that_was_cut_off_goes_on_when_a_run_was_removed_meanwhile(tmp_path, monkeypatch):
    faces, other = (drawn(tmp_path / run / "extract" / "faces", NAME, "Bob") for run in "12")

    def cut_off(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(erasing, "_rewrite", cut_off)
    assert main(["forget", NAME, "--runs", str(tmp_path)]) == 130
    monkeypatch.undo()
    shutil.rmtree(other.parent.parent)
    assert main(["forget", NAME, "--runs", str(tmp_path)]) == 0
    assert set(read(faces, FACES)["identity"].to_pylist()) == {"Bob"}


def test_a_log_that_is_a_pipe_is_not_waited_for(tmp_path):
    faces = drawn(tmp_path / "1" / "extract" / "faces", NAME, "Bob")
    os.mkfifo(tmp_path / "1" / "extract" / "log.txt")
    assert main(["forget", NAME, "--runs", str(tmp_path)]) == 0
    assert set(read(faces, FACES)["identity"].to_pylist()) == {"Bob"}


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [("Ada", "Ada/1.jpg", True), ("Ada", "Canada", False), ("Ada", "Adam/1.jpg", False), ("Ada", "Ada_0001", True),
     ("person-1", "person-10", False), ("001", "loss 0.001", False), ("001", "001/2", True), ("001", "001.5", False),
     ("erased", "(erased)", False), ("a\nb", "a\\nb", True), ("Ada", '"\\nAda"', True), ("Ada", "%2FAda%2F", True),
     ("a\\b\x1b", "in a\\b\\x1b/1.jpg", True), ("\u200d\u200e", "in \u200d\\u200e/1.jpg", True)],
)  # fmt: skip
def test_a_name_is_found_as_a_word_or_a_part_of_a_path(name, text, named):
    assert mentions(name)(text) is named


def test_where_there_are_no_links_a_run_is_known_by_what_its_tasks_read(in_processes, name, tmp_path):
    """FAT has none: the rerun of a training has a card with faces, and no other trace of whose."""
    runs = tmp_path / "runs"
    shutil.copytree(in_processes.parent, runs, symlinks=True)
    again = runs / "20990101-000000-000" / "mine-and-train"
    (again / "training").mkdir(parents=True)
    shutil.copy(in_processes / "mine-and-train" / "task.json", again)
    (again / "training" / "card.html").write_text("a card with faces")
    assert main(["forget", name, "--runs", str(runs)]) == 0
    assert "asked to be forgotten" in (again / "training" / "card.html").read_text()


@pytest.mark.parametrize("note", [".forgetting.json", "forgotten.json"])
def test_a_damaged_note_is_said_before_anything_is_erased(runs, in_processes, capsys, note):
    before = {path: path.read_bytes() for path in runs.rglob("*.parquet")}
    (runs / note).write_text('{"name_sha')
    person = read(runs / in_processes.name / "collect/dataset", DATASET)["identity"][0].as_py()
    assert main(["forget", person, "--runs", str(runs)]) == 1
    assert "note of who was forgotten is damaged" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in runs.rglob("*.parquet")} == before


def test_a_part_that_is_a_pipe_is_named_and_not_waited_for(runs, in_processes, capsys):
    part = min((runs / in_processes.name).glob("collect/dataset/*.parquet"))
    part.unlink()
    os.mkfifo(part)
    assert main(["forget", "Ada", "--runs", str(runs)]) == 2
    assert f"A part of a manifest is no file.\nReceived: {part}" in capsys.readouterr().err
    with pytest.raises(UsageError, match="A part of the dataset manifest is no file"):
        parts(part.parent, DATASET)
