"""Runs on file systems that lack something: links (FAT), locks (NFS without a lock service), the right to write."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pipelines.cache.cache import Cache
from pipelines.cli import main
from tests.pipeline.conftest import REPOSITORY, Tiny
from tests.pipeline.drawn import drawn


@pytest.fixture
def tiny(tmp_path) -> Tiny:
    return Tiny(tmp_path, "process")


def refusing(number: int):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    return refuse


def test_without_links_a_run_has_no_latest_and_says_so(tiny, monkeypatch, capsys):
    monkeypatch.setattr(Path, "symlink_to", refusing(errno.EPERM))
    assert tiny.run() == tiny.run() == 0
    assert f"Without {tiny.runs / 'latest'}: this file system has no links." in capsys.readouterr().err
    first, second = sorted(path for path in tiny.runs.iterdir() if path.is_dir())
    assert (first / "report" / "report").exists() and (second / "report" / "task.json").exists()
    assert {path.name for path in tiny.runs.iterdir()} == {first.name, second.name, "cache.sqlite", ".lock"}


def test_without_locks_a_run_goes_on_without_its_cache_and_says_so(tiny, monkeypatch, capsys):
    monkeypatch.setattr(fcntl, "lockf", refusing(errno.ENOLCK))
    monkeypatch.setattr(fcntl, "flock", refusing(errno.ENOLCK))
    for flags in ((), ("--no-cache",)):
        assert tiny.run(*flags) == 0
        said = capsys.readouterr().err
        assert f"Without a lock: {tiny.runs / '.lock'} (No locks available); forget nobody while a run" in said
        assert f"Without the cache: {tiny.runs / 'cache.sqlite'} (No locks available)" in said
        assert set(tiny.states().values()) == {"succeeded"}
    assert not (tiny.runs / "cache.sqlite").exists()


def test_a_cache_that_cannot_be_opened_is_deleted_by_who_forgets(tmp_path, monkeypatch):
    Cache(tmp_path, lambda executor, names: "")
    with closing(sqlite3.connect(tmp_path / "cache.sqlite")) as cache, cache:
        cache.execute("INSERT INTO content VALUES (?, 1, 1, 1, 1, 'x')", (b"/photos/Ada/1.jpg",))
    monkeypatch.setattr(fcntl, "lockf", refusing(errno.ENOLCK))
    Cache(tmp_path, lambda executor, names: "").forget("Ada", [])
    assert not (tmp_path / "cache.sqlite").exists()


def test_without_locks_somebody_is_forgotten_all_the_same(tmp_path, monkeypatch, capsys):
    drawn(tmp_path / "runs" / "1" / "extract" / "faces", "ada lovelace", "bob")
    for module in ("lockf", "flock"):
        monkeypatch.setattr(fcntl, module, refusing(errno.ENOLCK))
    assert main(["forget", "ada lovelace", "--runs", str(tmp_path / "runs")]) == 0
    said = capsys.readouterr()
    assert "Without a lock" in said.err and "nothing of them is left" in said.out


def test_a_rerun_in_a_runs_folder_that_may_only_be_read_says_so(tiny, powerless, tmp_path):
    assert tiny.run() == 0
    for path in [tiny.runs, *tiny.runs.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    words = ["rerun", "count", "--runs", str(tiny.runs)]
    command = [*powerless, sys.executable, "-m", "pipelines.cli", *words]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "The runs folder cannot be written to." in done.stderr
    done = subprocess.run([*command, "--shell"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("mkdir -p")
