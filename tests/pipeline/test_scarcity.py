"""A full disk, no right to write, no memory: an error with a name, and former results as they were."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from components.common.atomic import write_file
from components.common.command import report_errors
from components.common.errors import FacenetError
from components.common.preprocessing import Crop
from components.embed.network import Network
from components.specification.stages import command
from components.verify.gallery import Enrollment, open_gallery
from pipelines.cli import COMMANDS, main
from tests.pipeline.conftest import REPOSITORY, Tiny
from tests.stages import WORK, main_of


@contextmanager
def mounted(disk: Path, options: str) -> Iterator[Path]:
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a full disk is tested on a small one, which only root may mount")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a megabyte."""
    with mounted(tmp_path / "disk", "size=1m") as disk:
        yield disk


def fill(disk: Path, but: int = 0) -> None:
    """Leaves so many bytes free, or fewer than a page more."""
    status = os.statvfs(disk)
    (disk / "fill").write_bytes(bytes(status.f_bavail * status.f_frsize - but))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def places(in_processes, sample_photos, tmp_path) -> dict[str, Path]:
    """What stages are given: the photos of one person, and all that a run made."""
    shutil.copytree(sample_photos / "person-00000", tmp_path / "photos" / "person-00000")
    network = min(in_processes.glob("export/model/*.tflite"))
    return {"photos": tmp_path / "photos", "run": in_processes, "network": network}


SLOW = [pytest.param(stage, marks=pytest.mark.long) if WORK[stage].has_tensorflow else stage for stage in WORK]


@pytest.mark.parametrize("stage", SLOW)
def test_on_a_full_disk_a_stage_says_so_and_leaves_what_was_there(stage, places, small_disk, capsys):
    work, former = WORK[stage], places["run"] / (WORK[stage].like or WORK[stage].result)
    for file in (path for path in former.rglob("*") if path.is_file()):  # of its own form, whatever its content
        place = small_disk / "result" / file.relative_to(former)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("former")
    before = content(small_disk)
    fill(small_disk)
    assert main_of(stage)([*work.flags(small_disk / "result", **places), *work.former.split()]) == 1
    error = capsys.readouterr().err
    assert "No space left on device" in error and "make room" in error and "Traceback" not in error
    (small_disk / "fill").unlink()
    empty_rejects = {path for path in content(small_disk) if path.startswith("result-")}
    assert {path: data for path, data in content(small_disk).items() if path not in empty_rejects} == before
    assert not list(small_disk.rglob("*.partial"))


def test_a_disk_without_room_for_the_embeddings_of_many_faces_is_full(places, small_disk, monkeypatch, capsys):
    monkeypatch.setattr("components.evaluate.on_disk.MOST_IN_MEMORY", 0)
    fill(small_disk)
    flags = WORK["evaluate"].flags(small_disk / "new" / "report", **places)
    assert main_of("evaluate")(flags) == 1
    error = capsys.readouterr().err
    assert "No space left on device" in error and "make room" in error and "Traceback" not in error
    assert [path.name for path in small_disk.iterdir()] == ["fill"]
    (small_disk / "fill").unlink()
    assert os.statvfs(small_disk).f_bfree >= os.statvfs(small_disk).f_blocks - 1  # nothing is kept by an open file


@pytest.mark.parametrize("files", range(1, 6))
@pytest.mark.parametrize("command", ["collect", "sample", "run"])
def test_a_disk_that_has_no_room_for_another_file_is_full(command, files, faces, tmp_path, capsys):
    with mounted(tmp_path / "disk", f"size=9m,nr_inodes={files}") as disk:
        if command == "run":
            tiny = Tiny(tmp_path, "process")
            tiny.runs = disk / "runs"
            ended = tiny.run()
        elif command == "sample":
            ended = main(["sample", "-o", str(disk / "a" / "sample"), "--identities", "2", "--photos", "2"])
        else:
            ended = main(["collect", "-i", str(faces), "-o", str(disk / "a" / "dataset")])
        said = capsys.readouterr().err
        assert ended == 1
        assert "for more files" in said or "Is the disk full?" in said  # SQLite does not say why it opens no file
        assert "may write to" not in said and "Traceback" not in said


def test_a_run_on_a_full_disk_says_so_and_goes_on_when_there_is_room(small_disk, capsys):
    tiny = Tiny(small_disk, "process")
    assert tiny.run("--set", "factor=1") == 0
    for free in (0, 4096, 8192, 16384, 32768):
        fill(small_disk, free)
        assert tiny.run("--set", f"factor={free + 2}") in (0, 1, 2)
        assert "Traceback" not in capsys.readouterr().err
        (small_disk / "fill").unlink()
        assert tiny.run("--set", "factor=1") == 0  # what was there is whole
        assert tiny.run("--set", f"factor={free + 2}") == 0
        assert tiny.reported() == f"<p>{5 * (free + 2)}"


def test_a_gallery_on_a_full_disk_is_as_it_was(small_disk):
    network = Network(Crop(0.25, "none"), 32, 128, "0" * 64, lambda images, _: images)
    rows = np.eye(128, dtype=np.float32)
    with open_gallery(small_disk / "gallery.db", network, create=True) as gallery:
        gallery.add([Enrollment("Ada", "1", "1.jpg", rows[0])])
    fill(small_disk, 16384)
    many = [Enrollment("Bob", f"b{n}", "2.jpg", rows[n % 128]) for n in range(500)]
    with pytest.raises(FacenetError, match="disk full"), open_gallery(small_disk / "gallery.db", network) as gallery:
        gallery.add(many)
    with open_gallery(small_disk / "gallery.db", network) as gallery:
        assert gallery.people().names == ["Ada"]


@pytest.mark.parametrize(
    "command",
    [["collect", "-i", "{run}/extract/faces", "-o", "{place}/x"], ["run", "-i", "{photos}", "--runs", "{place}/x"]],
)
def test_a_folder_that_may_not_be_written_to_is_named(command, in_processes, sample_photos, powerless, tmp_path):
    place = tmp_path / "locked"
    place.mkdir(mode=0o555)
    words = [word.format(run=in_processes, photos=sample_photos, place=place) for word in command]
    done = subprocess.run(
        [*powerless, sys.executable, "-m", "pipelines.cli", *words],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode in (1, 2)
    assert str(place) in done.stderr and "Permission denied" in done.stderr and "Traceback" not in done.stderr
    assert not list(place.iterdir())


def test_without_memory_a_command_says_so(capsys):
    assert report_errors(lambda: bytearray(2**60) and 0, prog="facenet x") == 1
    assert "facenet x: Memory ran out" in capsys.readouterr().err


# What a stage has already is the machine's business; it gets so many bytes more.
LIMITED = """
import importlib, resource, sys
main = importlib.import_module(sys.argv[1]).main
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (size, size))
sys.exit(main(sys.argv[3:]))
"""
LIMITS = [
    pytest.param(stage, megabytes, marks=marks)
    for stage, work in WORK.items()
    for sizes, marks in zip(work.megabytes, ((), pytest.mark.long), strict=True)
    for megabytes in sizes
]


@pytest.mark.parametrize(("stage", "megabytes"), LIMITS)
def test_a_stage_without_memory_says_so_and_leaves_what_was_there(stage, megabytes, places, tmp_path):
    work = WORK[stage]
    shutil.copytree(places["run"] / (work.like or work.result), tmp_path / "results" / "result")
    min(path for path in (tmp_path / "results").rglob("*") if path.is_file()).write_text("former")
    before = content(tmp_path / "results")
    limited = [sys.executable, "-c", LIMITED, COMMANDS[command(stage)][0], str(megabytes * 2**20)]
    done = subprocess.run(
        [*limited, *work.flags(tmp_path / "results/result", **places), *work.former.split()],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    after = content(tmp_path / "results")
    if done.returncode == 0:
        assert b"former" not in after.values()
    elif done.returncode > 0:
        assert after == before
        # libjpeg calls the picture broken.
        assert "emory" in done.stderr or "broken data stream" in done.stderr
        assert "Traceback" not in done.stderr
    else:  # C++ aborts and TensorFlow crashes where a library does not look whether it got what it asked for
        assert -done.returncode in (signal.SIGABRT, signal.SIGSEGV), done.stderr
        assert {path: data for path, data in after.items() if not path.startswith(".result")} == before


@pytest.mark.parametrize(
    ("runner", "code", "reason"),
    [
        ("process", "import os; os.abort()", "a library crashed (exit code 134), perhaps for want of memory"),
        pytest.param(
            "compose",
            "b'x' * 2**29",
            "killed by the system (exit code 137), perhaps for want of memory",
            marks=pytest.mark.docker,
        ),
    ],
)
def test_a_task_that_memory_ran_out_for_is_said_to_lack_it(runner, code, reason, tmp_path, capsys):
    tiny = Tiny(tmp_path, runner)
    assert tiny.run() == 0
    report = tiny.ir["deploymentSpec"]["executors"]["exec-report"]["container"]
    report |= {"command": ["python", "-c", code], "resources": {"memoryLimit": 0.02}}
    before = content(tiny.runs / tiny.all_runs()[0])
    assert tiny.run() == 1
    assert f"The task report failed: {reason}." in capsys.readouterr().err
    assert content(tiny.runs / tiny.all_runs()[0]) == before
    assert tiny.states() == {"importer": "succeeded", "count": "cached", "report": "failed"}


def test_a_file_that_does_not_fit_is_not_written_at_all(small_disk):
    write_file(small_disk / "record.json", "former")
    fill(small_disk)
    with pytest.raises(OSError, match="No space"):
        write_file(small_disk / "record.json", "x" * 10_000)
    assert (small_disk / "record.json").read_text() == "former"
    assert {path.name for path in small_disk.iterdir()} == {"record.json", "fill"}
