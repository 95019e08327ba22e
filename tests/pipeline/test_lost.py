"""A runner that is killed, as by a machine that runs out of memory, cannot say so: those who look at the run can."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from pipelines.look.history import LOST, runs, tasks
from pipelines.records.record import RUNNING
from tests.pipeline.conftest import in_a_process


def end(mentioned: Path) -> None:
    """Ends the processes whose command mentions a path."""
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(mentioned).encode() in line.read_bytes():
                os.kill(int(line.parent.name), signal.SIGKILL)


@in_a_process
def test_a_run_whose_runner_was_killed_is_lost_and_the_next_goes_on_from_there(tiny, capsys):
    started = tiny.start(SLEEP="1")
    assert any("asleep" in line for line in started.stdout)
    (run,) = runs(tiny.runs)
    assert run.state == RUNNING
    assert [task.state for task in tasks(tiny.runs, run)] == ["succeeded", "running", "pending"]
    started.kill()
    started.wait()
    end(tiny.photos)  # the task, which has outlived its runner
    (run,) = runs(tiny.runs)
    assert run.state == LOST
    assert [task.state for task in tasks(tiny.runs, run)] == ["succeeded", LOST, "pending"]
    assert tiny.run() == 0
    assert "going on with a part" in capsys.readouterr().out
