"""What several tasks say at once reaches the terminal line by line; what a command runs, in either runner."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest

from components.specification.code import names_in
from pipelines.compile import DEFAULT_OUTPUT
from pipelines.compiled import ir
from pipelines.launch import _image_program, _process_program
from pipelines.plan.tasks import Container
from tests.stages import TASKS

STAGES = [task for task in ir.read(DEFAULT_OUTPUT).tasks if isinstance(task.executor, Container)]

TWO_AT_ONCE = """
import sys, threading
from pipelines.launch import print_line
sys.setswitchinterval(1e-6)
def speak(name):
    for _ in range(2000):
        print_line(f"{name} asleep")
threads = [threading.Thread(target=speak, args=(name,)) for name in "ab"]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_lines_of_tasks_that_run_at_once_stay_lines():
    done = subprocess.run([sys.executable, "-c", TWO_AT_ONCE], capture_output=True, text=True, check=True)
    assert Counter(done.stdout.split("\n")) == {"a asleep": 2000, "b asleep": 2000, "": 1}


@pytest.mark.parametrize("task", STAGES, ids=lambda task: task.name)
def test_a_container_and_a_process_of_the_same_versions_answer_each_other(task, monkeypatch):
    """The tests run in an environment of the locked versions."""
    monkeypatch.setattr(os, "environ", {"PATH": os.environ["PATH"], "TF_CPP_MIN_LOG_LEVEL": "3"})
    process, image = _process_program(task.executor, names_in), _image_program(task.executor, TASKS[task.name])
    assert process.identity == image.identity
    assert process.files
    assert not image.files, "an image keeps what it was built of"
    monkeypatch.setitem(os.environ, "ONEDNN_MAX_CPU_ISA", "AVX2")
    assert _process_program(task.executor, names_in).identity != image.identity
