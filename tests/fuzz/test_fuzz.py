"""A short run of the fuzzer in every suite; a long one: `make fuzz`."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from components.common.errors import FacenetError
from components.verify import gallery
from tests.fuzz.targets import TARGETS

REPOSITORY = Path(__file__).resolve().parents[2]


def test_damaged_files_of_every_kind_are_read_or_refused_by_name(in_processes, tmp_path):
    words = [str(in_processes), "--cases", "25", "--seconds", "0.5", "--finds", str(tmp_path / "finds")]
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
    assert done.stdout.count(" 0 finds") == sum(not target.heavy for target in TARGETS.values())


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
    "state of a training": [b"", b"PK"],
}


@pytest.mark.parametrize(("name", "content"), [(name, content) for name in FOUND for content in FOUND[name]])
def test_what_was_found_stays_mended(name, content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FacenetError) as caught:
        TARGETS[name].read(content, tmp_path)
    assert len(str(caught.value)) < 2000


def test_a_gallery_that_says_nothing_sensible_of_its_network_is_refused(tmp_path):
    path = tmp_path / "gallery.db"
    content = next(TARGETS["gallery"].seeds(tmp_path))
    path.write_bytes(content)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript("PRAGMA ignore_check_constraints = 1; UPDATE model SET embedding_size = -1")
    with pytest.raises(FacenetError, match="damaged"), gallery.opened(path):
        pass
