"""Runs tasks as processes of this machine, their output shown and logged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread
from typing import IO

from components.common.command import RESUMABLE, RUNNER, TENSORFLOW_THREADS
from pipelines.local.usage import Meter
from pipelines.plan.tasks import Container

_CANNOT_START = 127  # a shell's exit code for a command that is not there
_CRASHED = {128 + number for number in (signal.SIGABRT, signal.SIGBUS, signal.SIGSEGV)}
# The same numbers beside another task, as one of several shards: there it may use fewer processors.
THREADS = {TENSORFLOW_THREADS: str(os.cpu_count() or 1)}
_GRACE_SECONDS = 30.0
_LINGER_SECONDS = 2.0


@dataclass(frozen=True)
class Invocation:
    """A task, ready to run.

    Args:
        name: of the run and the task; no other invocation of this machine has it.
        executor: what the pipeline says of it.
        command: its words without placeholders.
        folder: the one folder that it writes to, absolute; it exists.
        inputs: files and folders that it reads.
        log: the file that receives all it prints.
        cores: the numbers of the processors that it may use; empty for all.
    """

    name: str
    executor: Container
    command: tuple[str, ...]
    folder: Path
    inputs: tuple[Path, ...]
    log: Path
    cores: tuple[int, ...] = ()


@dataclass(frozen=True)
class Ended:
    """How a task ended, and what it took.

    Args:
        exit_code: of its command.
        cpu_seconds: of the processors; None when unknown.
        peak_bytes: the most memory that it held at one time; None when unknown.
    """

    exit_code: int
    cpu_seconds: float | None = None
    peak_bytes: int | None = None

    @property
    def problem(self) -> str:
        """Why it failed; "" when it did not."""
        if not self.exit_code:
            return ""
        if self.exit_code == RESUMABLE:
            return "told to stop; the same command goes on from there"
        if self.exit_code == _CANNOT_START:
            return "its command cannot be started (exit code 127)"
        if self.exit_code == 137:
            return "killed by the system (exit code 137), perhaps for want of memory"
        if self.exit_code in _CRASHED:
            return f"a library crashed (exit code {self.exit_code}), perhaps for want of memory"
        return f"exit code {self.exit_code}"


def environment(code: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of a task: `python` is this interpreter, and the components are importable.

    Args:
        code: the folder that holds the components' top-level package.
        extra: what the pipeline sets.
    """
    path = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    modules = [str(code), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **THREADS,
        **os.environ,
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": os.pathsep.join(modules),
        # Tasks run where the user is, so that relative paths mean what they say; no module is taken from there.
        "PYTHONSAFEPATH": "1",
        **extra,
    }


@dataclass(frozen=True)
class BackEnd:
    """What runs tasks.

    Args:
        execute: runs one to its end, in the thread that calls it.
        stop: passes a reason (Ctrl-C, SIGTERM) on to all that run, and returns when they have ended.
    """

    execute: Callable[[Invocation], Ended]
    stop: Callable[[BaseException], None]


def back_end(code: Path, show: Callable[[str], None], lock: int | None = None) -> BackEnd:
    """Runs tasks as processes.

    Args:
        code: the folder that holds the components' top-level package.
        show: is given every line that a task prints, as it comes.
        lock: of `Commands`.
    """
    commands = Commands(show, lock)

    def execute(invocation: Invocation) -> Ended:
        env = environment(code, invocation.executor.env) | {RUNNER: str(os.getpid())}
        return commands.run(invocation, invocation.command, env, signal_group, lambda process: process.pid)

    return BackEnd(execute, commands.stop)


# Passes a signal on to what a command runs.
Send = Callable[["subprocess.Popen[bytes]", signal.Signals], None]
# The session of what a command runs; None when there is none yet.
Session = Callable[["subprocess.Popen[bytes]"], int | None]


class Commands:
    """The commands that run at one time.

    Args:
        show: is given every line that one prints, as it comes; while others run, with its task's name before it.
        lock: what a command inherits, so that the runs folder stays locked while one that outlives its runner works.
    """

    def __init__(self, show: Callable[[str], None], lock: int | None) -> None:
        self._show = show
        self._inherited = () if lock is None else (lock,)
        self._changed = Condition()
        self._running: dict[subprocess.Popen[bytes], Send] = {}
        self._stopped = False

    def run(
        self,
        invocation: Invocation,
        command: Sequence[str],
        env: Mapping[str, str] | None,
        send: Send,
        session: Session,
    ) -> Ended:
        """Runs a command to its end, every line of its output to the task's log and to `show`.

        Args:
            invocation: the task that it is for.
            command: its words.
            env: its environment; that of this process when None.
            send: passes a signal on to what it runs.
            session: that of what it runs.

        Returns:
            How it ended; with `_CANNOT_START` when there is no such command.
        """
        try:
            process = self._start(invocation.cores, command, env, send)
        except OSError as error:
            message = f"The command cannot be started: {error}"
            invocation.log.write_text(f"{message}\n")
            self._show(f"| {message}")
            return Ended(_CANNOT_START)
        if process is None:
            return Ended(128 + signal.SIGTERM)
        # In a thread, so that a task that is being stopped can still say its last words.
        printer = Thread(target=self._print, args=(process.stdout, invocation), daemon=True)
        printer.start()
        try:
            with Meter(lambda: session(process)) as meter:
                _wait(process)
            exit_code = process.wait()
            _end_workers(process, printer)
        finally:
            with self._changed:
                del self._running[process]
                self._changed.notify_all()
        return Ended(exit_code if exit_code >= 0 else 128 - exit_code, meter.cpu_seconds, meter.peak_bytes)

    def _start(
        self, cores: Sequence[int], command: Sequence[str], env: Mapping[str, str] | None, send: Send
    ) -> subprocess.Popen[bytes] | None:
        with self._changed:
            if self._stopped:
                return None
            with _on(cores):
                process = subprocess.Popen(
                    command,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    pass_fds=self._inherited,
                    # A group of its own: Ctrl-C at the terminal reaches the runner only, which passes it on once.
                    start_new_session=True,
                )
            self._running[process] = send
            return process

    def _print(self, output: IO[bytes], invocation: Invocation) -> None:
        with invocation.log.open("wb", buffering=0) as file:
            for line in output:
                file.write(line)
                whose = f"{invocation.folder.name} " if len(self._running) > 1 else ""
                with suppress(BrokenPipeError):  # nobody reads on, as after `| head`: the log has it all
                    self._show(f"{whose}| {line.decode(errors='replace').rstrip()}")

    def stop(self, reason: BaseException) -> None:
        """Passes a signal on to all commands, and waits; a second Ctrl-C or half a minute ends them."""
        ended = False
        with suppress(KeyboardInterrupt):
            self._send(signal.SIGINT if isinstance(reason, KeyboardInterrupt) else signal.SIGTERM)
            with self._changed:
                ended = self._changed.wait_for(lambda: not self._running, _GRACE_SECONDS)
        if not ended:
            self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        with self._changed:
            self._stopped = True
            running = list(self._running.items())
        for process, send in running:
            send(process, number)


@contextmanager
def _on(cores: Sequence[int]) -> Iterator[None]:
    """Lets what is started meanwhile use these processors only: it inherits what its thread may use."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        yield
        return
    former = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, former)


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Waits for the end of a process, but leaves its remains, from which its times can be read."""
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Sends a signal to a process and its workers."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _end_workers(process: subprocess.Popen[bytes], printer: Thread) -> None:
    """Ends workers that outlive their task, as they would end with its container: they hold its output open."""
    printer.join(_LINGER_SECONDS)
    if printer.is_alive():
        signal_group(process, signal.SIGKILL)
        printer.join(_LINGER_SECONDS)
