"""A runner that alone is killed, while its tasks go on: what it leaves does not disturb the next one.

tests/kills has every point at which it may be killed together with its tasks.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path

from tests.pipeline.conftest import Tiny

KILLS = 4


def test_a_killed_runner_leaves_records_that_can_be_read_and_the_next_run_is_right(tmp_path):
    tiny = Tiny(tmp_path, "process")
    started = time.monotonic()
    with tiny.start("--set", "factor=2") as process:
        assert process.wait() == 0
    seconds = time.monotonic() - started
    assert tiny.reported() == "<p>10"
    chance = random.Random(0)
    for number in range(KILLS):
        with tiny.start("--set", f"factor={number + 3}") as process:
            with suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(seconds / 2, seconds))
            process.kill()
        for file in [*tiny.runs.glob("*/run.json"), *tiny.runs.glob("*/*/task.json")]:
            assert json.loads(file.read_text()), file
        with closing(sqlite3.connect(tiny.runs / "cache.sqlite")) as cache:
            assert cache.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for number in range(KILLS):
        assert tiny.run("--set", f"factor={number + 3}") == 0
        assert tiny.reported() == f"<p>{5 * (number + 3)}"
        assert set(tiny.states().values()) <= {"succeeded", "cached"}


def test_after_its_runner_was_killed_a_task_goes_on_from_what_it_left(tmp_path):
    tiny = Tiny(tmp_path, "process")
    with tiny.start(SLEEP="1") as process:
        while "asleep" not in process.stdout.readline():
            assert process.poll() is None
        process.kill()
    (sleeper,) = [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if str(tiny.runs) in path.read_bytes().decode(errors="replace")
    ]
    os.kill(sleeper, signal.SIGKILL)
    assert tiny.states()["count"] == "running"
    assert tiny.run() == 0
    assert "going on with a part" in (tiny.runs / "latest" / "count" / "log.txt").read_text()
    assert tiny.reported() == "<p>15"
