from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from multiprocessing import resource_tracker, util

import pytest

from components.common.errors import FacenetError
from components.extract.workers import Died, Late, in_order
from tests.conftest import REPOSITORY

# `eval` is a function that every process knows, whatever it imports.
KILLED = "__import__('os').kill(__import__('os').getpid(), 9)"


def test_results_come_in_the_order_of_the_tasks():
    tasks = ["__import__('time').sleep(0.3) or 0", *(str(number) for number in range(1, 200))]
    assert list(in_order(eval, tasks, 2, seconds=60)) == list(range(200))


def test_a_killed_process_costs_its_task_only():
    assert list(in_order(eval, ["1", KILLED, "3", "4"], 2, seconds=60)) == [1, Died(-9), 3, 4]


def test_a_process_killed_while_it_sends_its_result_costs_its_task_only(children, tmp_path):
    ready = tmp_path / "ready"
    waited = f"iter(__import__('pathlib').Path({str(ready)!r}).exists, True)"
    large = f"any(__import__('time').sleep(0.01) for _ in {waited}) or bytes(10_000_000)"
    results = in_order(eval, ["1", large], 2, seconds=60)
    assert next(results) == 1
    ready.touch()
    time.sleep(0.5)  # nobody reads: the pipe is full long before all is sent
    for process in children():
        process.kill()
    assert list(results) == [Died(-9)]


def test_a_process_that_hangs_costs_its_task_only():
    sleeping, stopped = "__import__('time').sleep(600)", KILLED.replace("9)", "19)")
    assert list(in_order(eval, [sleeping, "2", stopped, "4"], 2, seconds=2)) == [Late(2), 2, Late(2), 4]


def test_processes_that_keep_dying_end_the_work_with_a_message():
    with pytest.raises(FacenetError, match="keep dying"):
        list(in_order(eval, [KILLED] * 12, 2, seconds=60))


def test_no_process_is_left_when_the_caller_stops_early(children):
    results = in_order(eval, ["1"] * 5000, 2, seconds=60)
    assert next(results) == 1
    results.close()
    assert not children()


def test_no_task_is_no_work():
    assert list(in_order(eval, [], 3, seconds=60)) == []


@pytest.mark.parametrize(("number", "stop"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_signal_while_a_process_starts_is_answered_by_the_caller_alone(number, stop, children, monkeypatch, capfd):
    """The system may give it to any thread: in Python, the main one answers it, and may be in the middle of a start."""
    resource_tracker.ensure_running()
    launch, pids, done = util.spawnv_passfds, [], threading.Event()

    def launch_and_signal(*given):
        pids.append(launch(*given))
        os.kill(os.getpid(), number)
        time.sleep(0.2)  # until another thread has it
        return pids[-1]

    monkeypatch.setattr(util, "spawnv_passfds", launch_and_signal)
    former = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    threading.Thread(target=done.wait).start()
    try:
        with pytest.raises(stop):
            list(in_order(eval, ["1", "2"], 2, seconds=60))
    finally:
        signal.signal(signal.SIGTERM, former)
        done.set()
    gc.collect()  # closes the pipes of a process whose start was cut off
    for process in children():
        process.join()
    for pid in pids:
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)
    assert capfd.readouterr().err == ""


ENDS_MEANWHILE = """
import threading, time
from multiprocessing import resource_tracker, util
from components.extract.workers import in_order

resource_tracker.ensure_running()
launch, begun = util.spawnv_passfds, threading.Event()

def slowly(*given):
    pid = launch(*given)
    begun.set()
    time.sleep(0.5)  # the process waits for what it is to do
    return pid

util.spawnv_passfds = slowly
threading.Thread(target=lambda: next(in_order(len, [""], 1, 60)), daemon=True).start()
begun.wait(10)
"""


def test_a_process_that_starts_while_the_program_ends_does_not_complain():
    ended = subprocess.run(
        [sys.executable, "-c", ENDS_MEANWHILE], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
