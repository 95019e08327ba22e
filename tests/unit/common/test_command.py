"""Flags, errors and exit codes, as a person or a container meets them."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.common.atomic import new_directory, write_file
from components.common.command import report_errors, run
from components.common.errors import FacenetError, UsageError
from components.common.executor import write_metrics
from components.specification.images import COMPONENTS
from components.specification.stages import package

REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Settings:
    """A command without flags."""


@pytest.mark.parametrize(("error", "code"), [(UsageError, 2), (FacenetError, 1)])
def test_errors_become_a_message_and_an_exit_code(error, code, capsys):
    def fail(_):
        raise error("It went wrong.", received="this", advice="Do that.")

    assert run(Settings, fail, [], prog="facenet test") == code
    assert capsys.readouterr().err == "facenet test: It went wrong.\nReceived: this\nDo that.\n"


HOSTILE = "a\x1b[31m\u202e\x9bb"


def test_nothing_that_is_printed_steers_the_terminal(capsys):
    def work(_):
        print(f"name {HOSTILE}\n\tnext")
        print(f"name {HOSTILE}", file=sys.stderr)
        raise FacenetError(f"It {HOSTILE} failed.", received=f"{HOSTILE}\nnext line", advice="Do that.")

    assert run(Settings, work, [], prog="facenet test") == 1
    said = capsys.readouterr()
    shown = r"a\x1b[31m\u202e\x9bb"
    assert said.out == f"name {shown}\n\tnext\n"
    failed = f"facenet test: It {shown} failed.\nReceived: {shown}\\nnext line\nDo that.\n"
    assert said.err == f"name {shown}\n{failed}"


def test_who_keeps_a_stream_cannot_close_it(capsys):
    kept = []
    assert report_errors(lambda: kept.append(sys.stderr), prog="facenet test") == 0
    kept[0].close()  # as absl's logging does, when TensorFlow was imported meanwhile
    print("still there", file=sys.stderr)
    assert capsys.readouterr().err == "still there\n"


def test_ctrl_c_exits_with_130(capsys):
    def interrupt():
        raise KeyboardInterrupt

    assert report_errors(interrupt, prog="facenet test") == 130
    assert "Ctrl-C" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are always UTF-8")
def test_names_are_those_on_the_disk_whatever_the_locale(tmp_path):
    (tmp_path / "Zo\u00eb").mkdir()
    (tmp_path / "Zo\u00eb" / "1.jpg").touch()
    show = (
        "import os; from components.common.command import report_errors; "
        "report_errors(lambda: print(ascii(os.listdir())), prog='')"
    )
    # Python's own mending of this locale is turned off: so it is as one of another encoding.
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", show]
    done = subprocess.run(command, env=ascii_only, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "['Zo\\xeb']\n"


def test_a_system_error_is_said_and_not_traced(tmp_path, capsys):
    assert report_errors(lambda: (tmp_path / "none").read_text() and None, prog="facenet test") == 1
    assert str(tmp_path / "none") in capsys.readouterr().err


def test_metrics_are_written_as_kubeflow_reads_them_and_every_output_is_named(tmp_path):
    given = {key: {"artifacts": [{"name": key[0], "uri": f"gs://{key}"}]} for key in ("faces", "metrics")}
    task = {"outputs": {"artifacts": given, "outputFile": str(tmp_path / "deep" / "o")}}
    write_metrics(json.dumps(task), {"accuracy": 1 / 9, "tiny": 2e-7 / 3, "whole": 7.0, "pairs": 123456789})
    written = json.loads((tmp_path / "deep" / "o").read_text())
    numbers = {"accuracy": 0.111111, "tiny": 6.66667e-08, "whole": 7.0, "pairs": 123456789}
    metrics = {"name": "m", "uri": "gs://metrics", "metadata": numbers}
    faces = {"name": "f", "uri": "gs://faces", "metadata": {}}
    assert written == {"artifacts": {"faces": {"artifacts": [faces]}, "metrics": {"artifacts": [metrics]}}}


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"outputs": {"artifacts": {}}}'])
def test_what_is_not_a_task_description_is_refused(text):
    with pytest.raises(UsageError, match="executor_input"):
        write_metrics(text, {"accuracy": 0.9})


@pytest.mark.parametrize("stage", [*COMPONENTS, "sample"])
def test_help_needs_no_heavy_library(stage):
    check = (
        "import sys, contextlib\n"
        "with contextlib.suppress(SystemExit):\n"
        f"    from {package(stage)}.__main__ import main; main(['--help'])\n"
        "heavy = {'tensorflow', 'keras', 'kfp', 'matplotlib', 'pandas', 'sklearn'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: facenet" in done.stdout


def test_output_that_nobody_reads_is_no_error():
    code = "from components.common.command import report_errors; import sys; "
    code += "print_lines = lambda: [print('line', flush=True) for _ in range(100000)] and None; "
    code += "sys.exit(report_errors(print_lines, prog='facenet'))"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    assert process.stdout.readline() == "line\n"
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == ""


def test_a_full_disk_is_named_though_no_file_is(capsys):
    def full():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert report_errors(full, prog="facenet test") == 1
    assert "No space left on device" in capsys.readouterr().err.splitlines()[1]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("result", [write_file, new_directory])
def test_a_place_without_room_for_another_file_is_no_matter_of_rights(number, result, tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(number, os.strerror(number))

    for function in ("mkdtemp", "mkstemp"):
        monkeypatch.setattr(f"tempfile.{function}", full)

    def write():
        with new_directory(tmp_path / "x", []):
            pass

    made = write if result is new_directory else lambda: write_file(tmp_path / "x", "")
    assert report_errors(made, prog="facenet test") == 1
    said = capsys.readouterr().err
    assert os.strerror(number) in said and "for more files" in said and "may write to" not in said


TASK = """
import sys, time
from dataclasses import dataclass
from components.common.command import run

@dataclass(frozen=True)
class Settings:
    pass

def work(settings):
    print("begun", flush=True)
    time.sleep(60)

sys.exit(run(Settings, work, [], prog="task"))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell a process of its parent's death")
def test_a_task_ends_with_its_runner_however_that_ends():
    start = (
        "import os, subprocess, sys\n"
        "env = {**os.environ, 'FACENET_RUNNER': str(os.getpid())}\n"
        "print(subprocess.Popen([sys.executable, '-c', sys.argv[1]], env=env).pid, flush=True)\n"
        "sys.stdin.read()"
    )
    runner = subprocess.Popen(
        [sys.executable, "-c", start, TASK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert {runner.stdout.readline().strip().isdecimal(), runner.stdout.readline().strip()} == {True, "begun"}
    runner.kill()
    assert runner.communicate(timeout=30) == ("", None)  # its output ends when that of the task does


EXHAUSTED = """
import resource, sys
from components.common.command import report_errors
kept = None

def fill(size):
    global kept
    while True:
        kept = (kept, bytes(size))

def call():
    size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    for size in (100_000, 5_000, 400, 100, 20):
        try:
            fill(size)
        except MemoryError:
            pass
    fill(1)

sys.exit(report_errors(call, prog="facenet x"))
"""


def test_where_nothing_at_all_is_left_that_is_still_said():
    done = subprocess.run(
        [sys.executable, "-c", EXHAUSTED], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr[:26]) == (1, "facenet x: Memory ran out;"), done.stderr
