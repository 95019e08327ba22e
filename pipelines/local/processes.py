"""Runs a task as a process of this machine, its output shown and logged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO

from pipelines.local.plan import Container

CANNOT_START = 127  # a shell's exit code for a command that is not there
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
    """

    name: str
    executor: Container
    command: tuple[str, ...]
    folder: Path
    inputs: tuple[Path, ...]
    log: Path


def environment(code: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of a task: `python` is this interpreter, and the components are importable.

    Args:
        code: the folder that holds the components' top-level package.
        extra: what the pipeline sets.
    """
    path = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    modules = [str(code), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": os.pathsep.join(modules),
        # Tasks run where the user is, so that relative paths mean what they say; no module is taken from there.
        "PYTHONSAFEPATH": "1",
        **extra,
    }


def executor(code: Path, show: Callable[[str], None]) -> Callable[[Invocation], int]:
    """The back end that runs tasks as processes.

    Args:
        code: the folder that holds the components' top-level package.
        show: is given every line that a task prints, as it comes.

    Returns:
        A function that runs a command to its end and returns its exit code. It is interrupted by an exception
        (Ctrl-C, SIGTERM): then the task is stopped, and the exception goes on when it has ended.
    """

    def execute(invocation: Invocation) -> int:
        return run_logged(
            invocation.command, environment(code, invocation.executor.env), invocation.log, show, signal_group
        )

    return execute


def run_logged(
    command: Sequence[str],
    env: Mapping[str, str] | None,
    log: Path,
    show: Callable[[str], None],
    send: Callable[[subprocess.Popen[bytes], signal.Signals], None],
) -> int:
    """Runs a command to its end, every line of its output to a log and to `show`.

    Args:
        command: its words.
        env: its environment; that of this process when None.
        log: the file to write.
        show: is given every line as it comes.
        send: passes a signal on to what the command runs.

    Returns:
        Its exit code; `CANNOT_START` when there is no such command.
    """
    try:
        process = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # A group of its own: Ctrl-C at the terminal reaches the runner only, which passes it on once.
            start_new_session=True,
        )
    except OSError as error:
        message = f"The command cannot be started: {error}"
        log.write_text(f"{message}\n")
        show(message)
        return CANNOT_START
    # In a thread, so that a task that is being stopped can still say its last words.
    printer = Thread(target=_print, args=(process.stdout, log, show), daemon=True)
    printer.start()
    try:
        exit_code = process.wait()
    except BaseException as reason:
        number = signal.SIGINT if isinstance(reason, KeyboardInterrupt) else signal.SIGTERM
        _stop(process, number, send)
        raise
    finally:
        _end_workers(process, printer)
    return exit_code if exit_code >= 0 else 128 - exit_code


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Sends a signal to a process and its workers."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _print(output: IO[bytes], log: Path, show: Callable[[str], None]) -> None:
    with log.open("wb", buffering=0) as file:
        for line in output:
            file.write(line)
            show(line.decode(errors="replace").rstrip())


def _stop(
    process: subprocess.Popen[bytes],
    number: signal.Signals,
    send: Callable[[subprocess.Popen[bytes], signal.Signals], None],
) -> None:
    """Passes a signal on to a task, and waits; a second Ctrl-C or half a minute ends it."""
    send(process, number)
    try:
        process.wait(_GRACE_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        send(process, signal.SIGKILL)
        process.wait()


def _end_workers(process: subprocess.Popen[bytes], printer: Thread) -> None:
    """Ends workers that outlive their task, as they would end with its container: they hold its output open."""
    printer.join(_LINGER_SECONDS)
    if printer.is_alive():
        signal_group(process, signal.SIGKILL)
        printer.join(_LINGER_SECONDS)
