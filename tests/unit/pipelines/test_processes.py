"""What a task prints."""

import sys
from pathlib import Path

from pipelines.local import processes
from pipelines.local.processes import Invocation
from pipelines.plan.tasks import Container

LINES = 10_000
TALKATIVE = f"for number in range({LINES}): print('a line, and together they are more than a pipe holds')"


def nobody_reads_on(line: str) -> None:
    raise BrokenPipeError


def test_a_task_ends_and_its_log_is_whole_when_nobody_reads_on(tmp_path: Path) -> None:
    command, log = (sys.executable, "-c", TALKATIVE), tmp_path / "log.txt"
    task = Invocation("talkative", Container(command, {}, ""), command, tmp_path, (), log)
    assert processes.back_end(tmp_path, nobody_reads_on).execute(task).exit_code == 0
    assert len(log.read_text().splitlines()) == LINES
