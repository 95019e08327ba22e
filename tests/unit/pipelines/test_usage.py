"""Processor time and memory of a task, as a process with workers and as a container."""

import sys
from pathlib import Path

import pytest

from pipelines.local import containers, processes
from pipelines.local.processes import Ended, Invocation
from pipelines.plan.tasks import Container

MEGABYTES = 2**20
# Holds 150 MB; a worker that it waits for holds 100 MB more. Each works for 0.3 s of a processor.
WORK = """
import subprocess, sys, time
held = b"x" * (int(sys.argv[1]) * 2**20)
worker = None
if len(sys.argv) > 2:
    worker = subprocess.Popen([sys.executable, "-c", sys.argv[3], sys.argv[2]])
while time.process_time() < 0.3:
    pass
time.sleep(1.2)
if worker:
    worker.wait()
"""


def invocation(folder: Path, *command: str, image: str = "") -> Invocation:
    return Invocation(f"usage-{folder.name}", Container(command, {}, image), command, folder, (), folder / "log.txt")


def check(ended: Ended) -> None:
    assert ended.exit_code == 0
    assert ended.cpu_seconds is not None
    assert 0.5 <= ended.cpu_seconds < 60  # the system counts in ticks
    assert ended.peak_bytes is not None
    assert 250 * MEGABYTES <= ended.peak_bytes < 500 * MEGABYTES


def test_a_process_and_its_workers(tmp_path):
    back_end = processes.back_end(tmp_path, print)
    check(back_end.execute(invocation(tmp_path, sys.executable, "-c", WORK, "150", "100", WORK)))


@pytest.mark.docker
def test_a_container(tmp_path):
    back_end = containers.back_end(print)
    command = ("python", "-c", WORK, "150", "100", WORK)
    check(back_end.execute(invocation(tmp_path, *command, image="python:3.13-slim")))


def test_a_command_that_cannot_be_started_took_nothing_known(tmp_path):
    ended = processes.back_end(tmp_path, print).execute(invocation(tmp_path, "no-such-command"))
    assert ended == Ended(127)  # as a shell says it
