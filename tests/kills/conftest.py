"""Every test here kills a command before each of its file operations, and `make kill` prints how many that were."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from tests.kills.points import FRESH, can_trace, copied, killed

_IMPORTED = [
    "components.sample.folder", "components.extract.stage", "components.collect.collect",
    "components.evaluate.report", "components.litert.embedder", "components.verify.enroll", "matplotlib.pyplot",
    "pipelines.compile",
    "pipelines.erase.erase", "pipelines.forget", "pipelines.rerun", "pytest", "tests.kills.test_atomic",
]  # fmt: skip
_SLOW = ["components.mine_and_train.session", "components.export.export", "pipelines.facenet"]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Imports TensorFlow too, which takes seconds, where `make kill` is at work."""
    slow = any(item.get_closest_marker("kill") for item in session.items)
    FRESH.set_forkserver_preload(_IMPORTED + _SLOW * slow)


@pytest.fixture(autouse=True)
def _traced() -> None:
    if not can_trace():
        pytest.skip("stopping a process before its file operations needs Linux on x86-64 or ARM64, and ptrace")


class Kills:
    """A place for a command's files, and the places where it was killed.

    Args:
        folder: what is made anew before each kill; operations below it count.
        record: notes how many places there were, and how many of them were bad.
    """

    def __init__(self, folder: Path, record: Callable[[str, tuple[int, int]], None]) -> None:
        self.folder = folder
        self._record = record

    def undisturbed(self, command: Callable[..., object], *arguments: object) -> None:
        """Runs a command to its end, in a process of its own as every other one here."""
        assert killed(0, self.folder, command, *arguments).exit_code == 0

    def begin(self, start: Path | None) -> None:
        """Makes the folder what it was at the start."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder)
        if start is None:
            self.folder.mkdir()
        else:
            shutil.copytree(start, self.folder, symlinks=True)

    def at_every_point(
        self, start: Path | None, check: Callable[[], object], command: Callable[..., object], *arguments: object
    ) -> None:
        """Kills a command before its first file operation, before its second, and so on to its end.

        Args:
            start: what the folder holds at the beginning; nothing when None.
            check: is called after each kill, and fails when what was left is not right.
            command: a function of a module.
            arguments: for it.
        """
        bad = []
        for number in count(1):
            self.begin(start)
            ended = killed(number, self.folder, command, *arguments)
            if not ended.before:
                break
            if problem := self._problem(check):
                bad.append(f"operation {number}, {ended.before}: {problem}")
        self._tell(number - 1, bad)
        assert ended.exit_code == 0

    def copied_at_every_point(
        self, start: Path, check: Callable[[], object], command: Callable[..., object], *arguments: object
    ) -> None:
        """The same for a command that takes long: it runs once, and is copied at each point.

        What is hidden is nothing that such a command reads: of copies that differ in that only, one is checked.
        """
        copies = self.folder.with_name("copies")
        copies.mkdir()
        self.begin(start)
        assert copied(copies, self.folder, command, *arguments).exit_code == 0
        checked: dict[bytes, str] = {}
        bad, points = [], len(list(copies.iterdir()))
        for number in range(1, points + 1):
            self.begin(copies / str(number))
            visible = _visible(self.folder)
            if visible not in checked:
                checked[visible] = self._problem(check)
            if checked[visible]:
                bad.append(f"operation {number}: {checked[visible]}")
        shutil.rmtree(copies)
        self._tell(points, bad)

    def _tell(self, points: int, bad: Sequence[str]) -> None:
        self._record("kills", (points, len(bad)))
        assert points
        if bad:
            pytest.fail("\n".join(bad), pytrace=False)

    @staticmethod
    def _problem(check: Callable[[], object]) -> str:
        try:
            check()
        except (Exception, SystemExit) as problem:
            return repr(problem)[:1000]
        return ""


def _visible(folder: Path) -> bytes:
    """What names the files below a folder that are not hidden."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if not any(part.startswith(".") for part in place.parts):
            digest.update(f"{place}\0".encode() + (path.read_bytes() if path.is_file() else b""))
    return digest.digest()


@pytest.fixture
def kills(tmp_path, record_property) -> Iterator[Kills]:
    yield Kills(tmp_path / "work", record_property)
    shutil.rmtree(tmp_path / "work", ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how many places there were."""
    done = [
        (report.nodeid.rpartition("::")[2], *value)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == "kills"
    ]
    if done:
        terminalreporter.section("killed before every file operation")
        for test, points, bad in [*sorted(done), ("all", *(sum(one[at] for one in done) for at in (1, 2)))]:
            terminalreporter.write_line(f"{points:>6} places, {bad} bad  {test}")
