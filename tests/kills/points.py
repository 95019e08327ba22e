"""Ends a command right before its file operation number k, for every k: exactly, whatever library does the operation.

The command runs in a forked process whose system calls that change files wake a tracer (seccomp and ptrace, as strace
does it): Python's, SQLite's, Arrow's, HDF5's and TensorFlow's alike, also those of threads and of processes that it
starts. Linux keeps what was done before a SIGKILL, so what is left is what a crash of the process there would leave.

It does not see a file that is changed through mapped memory, which nothing here does. Operations that will change
nothing (a folder that is there already, a file that is not) are left out.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import platform
import re
import shutil
import signal
import struct
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

# Processes that begin with everything imported, which takes most of the time, and clean: the process of the tests may
# have started TensorFlow's threads. What is imported the conftest says.
FRESH = multiprocessing.get_context("forkserver")

_MACHINE = {"x86_64": 0, "aarch64": 1}.get(platform.machine())
# By name: the numbers of the call on x86_64 and aarch64 (-1: there is none), and which of its arguments says where:
# "path N", "at N" (a folder's descriptor, then a path) or "descriptor N".
_CALLS = {
    "open": (2, -1, "path 0"), "openat": (257, 56, "at 0"), "creat": (85, -1, "path 0"),
    "write": (1, 64, "descriptor 0"), "pwrite": (18, 68, "descriptor 0"), "writev": (20, 66, "descriptor 0"),
    "pwritev": (296, 70, "descriptor 0"), "pwritev2": (328, 287, "descriptor 0"),
    "sendfile": (40, 71, "descriptor 0"), "copy_file_range": (326, 285, "descriptor 2"),
    "truncate": (76, 45, "path 0"), "ftruncate": (77, 46, "descriptor 0"), "fallocate": (285, 47, "descriptor 0"),
    "rename": (82, -1, "path 1"), "renameat": (264, 38, "at 2"), "renameat2": (316, 276, "at 2"),
    "mkdir": (83, -1, "path 0"), "mkdirat": (258, 34, "at 0"), "rmdir": (84, -1, "path 0"),
    "unlink": (87, -1, "path 0"), "unlinkat": (263, 35, "at 0"), "link": (86, -1, "path 1"),
    "linkat": (265, 37, "at 2"), "symlink": (88, -1, "path 1"), "symlinkat": (266, 36, "at 1"),
    "chmod": (90, -1, "path 0"), "fchmod": (91, 52, "descriptor 0"), "fchmodat": (268, 53, "at 0"),
    "utimensat": (280, 88, "at 0"),
}  # fmt: skip
_TAKES = ("unlink", "unlinkat", "rmdir")
_WRITTEN_ASIDE = re.compile(r"p?write\S* (.*/)?\.[^/]*\.partial(/|$)")
_OPENS = {"open": 1, "openat": 2}  # which of their arguments says whether the file is to be written
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

# linux/filter.h, linux/seccomp.h, linux/prctl.h, sys/ptrace.h
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER, _ARGUMENT = 0, 16
_ALLOW, _TRACE = 0x7FFF0000, 0x7FF00000
_SET_SECCOMP, _SET_NO_NEW_PRIVS, _FILTER = 22, 38, 2
_CONT, _SEIZE, _LISTEN, _CALL_INFO = 7, 0x4206, 0x4208, 0x420E
_STARTED, _EXEC, _SECCOMP, _EXITKILL = 1 << 1 | 1 << 2 | 1 << 3, 1 << 4, 1 << 7, 1 << 20
_AT_SECCOMP, _AT_STOP = 7, 128
_STOPS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
_ALL_THREADS = 0x40000000  # __WALL

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Args:
        before: the operation before which it was killed, and where, relative to the folder; "" when it ended itself.
        exit_code: its own; None when it was killed.
    """

    before: str
    exit_code: int | None


def killed(number: int, folder: Path, command: Callable[..., object], *arguments: object) -> Ended:
    """Runs a command in a fresh process and kills it, and all that it started, before a file operation of theirs.

    Args:
        number: of the operation, from 1. 0 kills nothing.
        folder: what counts: operations below it.
        command: a function of a module.
        arguments: for it.
    """
    return _run(number, None, folder, command, arguments)


def copied(copies: Path, folder: Path, command: Callable[..., object], *arguments: object) -> Ended:
    """Runs a command to its end, and copies the folder before each operation to `copies / NUMBER`.

    That is what a kill there would leave, for a command that takes too long to be begun again for each, and of which no
    two threads write at a time.
    """
    return _run(0, copies, folder, command, arguments)


def _run(
    number: int, copies: Path | None, folder: Path, command: Callable[..., object], arguments: Sequence[object]
) -> Ended:
    here, there = FRESH.Pipe(duplex=False)
    given = (there, number, copies, os.path.realpath(folder), command, arguments)
    process = FRESH.Process(target=_traced, args=given)
    process.start()
    there.close()
    try:
        return here.recv()
    finally:
        process.join()


@cache
def can_trace() -> bool:
    """Whether this machine lets us do so."""
    return sys.platform == "linux" and _MACHINE is not None and killed(0, Path("/"), int) == Ended("", 0)


def _traced(
    answer: Connection,
    number: int,
    copies: Path | None,
    folder: str,
    command: Callable[..., object],
    arguments: Sequence[object],
) -> None:
    ready, go = os.pipe()
    child = os.fork()
    if not child:
        os.close(go)
        os.read(ready, 1)
        os._exit(_do(command, arguments))
    os.close(ready)
    if _ptrace(_SEIZE, child, _STARTED | _EXEC | _SECCOMP | _EXITKILL) < 0:
        _end(child)
        answer.send(Ended("ptrace is refused", None))
        return
    os.write(go, b".")
    answer.send(_watch(child, number, copies, folder))


def _do(command: Callable[..., object], arguments: Sequence[object]) -> int:
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    _wake_the_tracer()
    try:
        return command(*arguments) or 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else bool(end.code)
    except BaseException:
        traceback.print_exc()
        return 1


def _wake_the_tracer() -> None:
    """From now on, calls that change files stop this process and its children until the tracer lets them go on."""
    numbers = [(name, call[_MACHINE]) for name, call in _CALLS.items() if call[_MACHINE] >= 0]
    plain = [number for name, number in numbers if name not in _OPENS]
    lines = [(_LOAD, 0, 0, _NUMBER)]
    for number in plain:
        lines += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _TRACE)]
    for name, number in numbers:
        if name in _OPENS:
            lines += [
                (_JUMP_IF_EQUAL, 0, 4, number),
                (_LOAD, 0, 0, _ARGUMENT + 8 * _OPENS[name]),
                (_JUMP_IF_ANY_BIT, 0, 1, _WRITING),
                (_RETURN, 0, 0, _TRACE),
                (_RETURN, 0, 0, _ALLOW),
            ]
    lines.append((_RETURN, 0, 0, _ALLOW))
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
    described = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(lines), ctypes.addressof(program)))
    _libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if _libc.prctl(_SET_SECCOMP, _FILTER, described, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


def _watch(child: int, number: int, copies: Path | None, folder: str) -> Ended:
    seen, alive, before, last, exit_code = 0, {child}, "", "", None
    while True:
        try:
            process, status = os.waitpid(-1, _ALL_THREADS)
        except ChildProcessError:
            return Ended(before, exit_code)
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            alive.discard(process)
            if process == child and not before:
                exit_code = os.waitstatus_to_exitcode(status)
                for one in alive:
                    _end(one)
            continue
        alive.add(process)
        event, signal_ = status >> 16, os.WSTOPSIG(status)
        if before or exit_code is not None:
            _end(process)
        elif event == _AT_SECCOMP:
            where = _operation(process, folder)
            # What lies aside nobody reads: the writes into one such file are one operation.
            is_new = where != "" and not (where == last and _WRITTEN_ASIDE.match(where))
            seen, last = seen + is_new, where or last
            if is_new and copies is not None:
                shutil.copytree(folder, copies / str(seen), symlinks=True)
            if is_new and seen == number:
                before = where
                for one in alive:
                    _end(one)
            else:
                _ptrace(_CONT, process, 0)
        elif event == _AT_STOP and signal_ in _STOPS:
            _ptrace(_LISTEN, process, 0)
        else:
            _ptrace(_CONT, process, 0 if event else signal_)


def _end(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _operation(process: int, folder: str) -> str:
    """The operation that a process is about to do, and where; "" when it is elsewhere."""
    info = ctypes.create_string_buffer(96)
    if _libc.ptrace(_CALL_INFO, process, len(info), ctypes.addressof(info)) < 0:
        return ""
    number, *arguments = struct.unpack_from("7Q", info, 24)
    name, (*_, says) = next((name, call) for name, call in _CALLS.items() if call[_MACHINE] == number)
    kind, position = says.split()
    base, given = f"/proc/{process}/cwd", ""
    if kind == "path":
        given = _text(process, arguments[int(position)])
    else:
        descriptor = ctypes.c_int(arguments[int(position)]).value
        if descriptor >= 0:
            base = f"/proc/{process}/fd/{descriptor}"
        if kind == "at":
            given = _text(process, arguments[int(position) + 1])
    try:
        place = str(Path(base).readlink() / given)
    except OSError:
        return ""
    parent, _, last = place.rstrip("/").rpartition("/")
    place = f"{os.path.realpath(parent)}/{last}"
    there = os.path.lexists(place)
    changes_nothing = there if name.startswith("mkdir") else name in _TAKES and not there
    below = place.startswith(f"{folder}/") and not changes_nothing
    return f"{name} {os.path.relpath(place, folder)}" if below else ""


def _text(process: int, address: int) -> str:
    if not address:  # of utimensat: the descriptor itself
        return ""
    memory = os.open(f"/proc/{process}/mem", os.O_RDONLY)
    try:
        return os.fsdecode(os.pread(memory, 4096, address).partition(b"\0")[0])
    finally:
        os.close(memory)


def _ptrace(request: int, process: int, data: int) -> int:
    """Less than 0 is a failure: but for the first request, of a process that was killed meanwhile."""
    return _libc.ptrace(request, process, None, data)
