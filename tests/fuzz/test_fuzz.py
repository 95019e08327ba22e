"""A short run of the fuzzer in every suite; a long one: `make fuzz`."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from components.common.errors import FacenetError
from components.verify import gallery
from pipelines.look import preview
from tests.fuzz.targets import TARGETS

REPOSITORY = Path(__file__).resolve().parents[2]


def test_damaged_files_of_every_kind_are_read_or_refused_by_name(in_processes, tmp_path):
    words = [str(in_processes), "--cases", "12", "--seconds", "0.5", "--finds", str(tmp_path / "finds")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" 0 finds\n") == sum(not target.heavy for target in TARGETS.values())


def test_what_a_process_dies_of_is_found(in_processes, tmp_path):
    """A reader that ends its process, one that takes for ever, one that wants all memory, and one with a traceback."""
    check = (
        "import ctypes, sys, time; from tests.fuzz import __main__ as fuzz\n"
        "fuzz.SECONDS = 1\n"
        "def seeds(run): yield b'x'\n"
        "reads = {'died': lambda data, _: ctypes.string_at(0), 'hung': lambda data, _: time.sleep(9),\n"
        "         'greedy': lambda data, _: bytes(2**33), 'raised': lambda data, _: [][0]}\n"
        "fuzz.TARGETS.clear()\n"
        "fuzz.TARGETS.update({name: fuzz.Target(seeds, read) for name, read in reads.items()})\n"
        "sys.exit(fuzz.main())"
    )
    words = [str(in_processes), "--cases", "1", "--finds", str(tmp_path / "finds")]
    done = subprocess.run(
        [sys.executable, "-c", check, *words], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    for reason in ("SIGSEGV", "SIGALRM", "MemoryError", "IndexError"):
        assert reason in done.stdout
    assert len(list((tmp_path / "finds").iterdir())) == 4


def _npz(header):
    """A file of arrays, of which one has another header."""
    array, packed = io.BytesIO(), io.BytesIO()
    np.save(array, np.zeros(3, np.uint8))
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("record.json.npy", array.getvalue().replace(b"}  ", header, 1))
    return packed.getvalue()


def _zip(place, value):
    """A zip file with another byte in its list of members: at 4 the version it takes, at 6 flags, at 8 how."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("record.json.npy", b"x")
    content = bytearray(packed.getvalue())
    content[content.index(b"PK\1\2") + 2 + place] = value
    return bytes(content)


# What the fuzzer found: each ended with a traceback once.
FOUND = {
    "crop": [b"", b"\xff\xd8\xff", b"%!PS-Adobe-3.0 EPSF-3.0\n"],
    "record of a manifest": [
        b"[" * 100_000,
        b'{"manifest": "faces", "schema_version": 1, "about": {}, "shard": 3}',
        b'{"manifest": "faces", "schema_version": 1, "about": {}, "shard": "11111"}',
        b'{"manifest": "faces", "schema_version": 1, "about": {}, "shard": [1, 1]}',
        b'{"manifest": "faces", "schema_version": 1, "about": {"margin": NaN, "alignment": 1}, "shard": [1, 1]}',
    ],
    "preprocessing": [b'{"image_size": "x", "crop": {"margin": 0.25, "alignment": "none"}}', b"[]"],
    "specification": [b"[" * 100_000, b"[]"],
    "pairs file": [b"9" * 5000, "²".encode()],
    "recipe": [b"[" * 100_000],
    "pipeline": [b"[" * 100_000],
    "executor input": [b"[" * 100_000, b"[]", b'{"outputs": {"outputFile": "\\u0000", "artifacts": {}}}'],
    "executor output": [b"[" * 100_000],
    "report": [b"[" * 100_000],
    "former report": [b"[" * 100_000],
    "record of a run": [b"[" * 100_000],
    "state of a training": [b"", b"PK", _zip(4, 255), _zip(6, 1), _zip(8, 99), _npz(b"} (")],
}


@pytest.mark.parametrize(("name", "content"), [(name, content) for name in FOUND for content in FOUND[name]])
def test_what_was_found_stays_mended(name, content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FacenetError) as caught:
        TARGETS[name].read(content, tmp_path)
    assert len(str(caught.value)) < 2000


# Versions, numbers and switches that are of another kind: to Python true is 1, and 1 is true.
KINDS = {
    "record of a manifest": {"schema_version": True},
    "specification": {"format": True},
    "preprocessing": {"image_size": True, "flip_averaging": 1},
    "former report": {"schema_version": True, "auc": True},
    "record of a run": {"schema_version": True, "seconds": True},
    "report": {"val_at_far": [{"far": 0.1, "threshold": True, "val": 0.5}]},
}


@pytest.mark.parametrize(("name", "key"), [(name, key) for name in KINDS for key in KINDS[name]])
def test_true_is_no_number_and_a_number_is_not_true(name, key, in_processes, tmp_path):
    record = json.loads(next(TARGETS[name].seeds(in_processes)))
    with pytest.raises(FacenetError):
        TARGETS[name].read(json.dumps(record | {key: KINDS[name][key]}).encode(), tmp_path)


def test_a_table_whose_columns_have_no_names_cannot_be_looked_at(in_processes, tmp_path):
    content = next(TARGETS["table to look at"].seeds(in_processes)).replace(b"face_id", b"face\xffid")
    (tmp_path / "part-00000.parquet").write_bytes(content)
    assert isinstance(preview._table([tmp_path / "part-00000.parquet"], "", 0, 9), preview.Nothing)


def test_the_best_of_an_export_is_one_of_its_files(tmp_path):
    TARGETS["export that left one"].read(json.dumps({"best": "x" * 5000}).encode(), tmp_path)


def test_a_gallery_that_says_nothing_sensible_of_its_network_is_refused(tmp_path):
    path = tmp_path / "gallery.db"
    content = next(TARGETS["gallery"].seeds(tmp_path))
    path.write_bytes(content)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript("PRAGMA ignore_check_constraints = 1; UPDATE model SET embedding_size = -1")
    with pytest.raises(FacenetError, match="damaged"), gallery.open_gallery(path):
        pass
