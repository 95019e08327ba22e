"""Ours and a peer side by side: one input, alternating, several times; medians and their ratio go into a CSV file."""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any, Literal, TypeVar

from benchmarks.faces import machine
from benchmarks.libraries import blas, environment
from components.common.cores import cores

RESULTS = Path("benchmarks/results.csv")
COLUMNS = (
    *("date", "commit", "machine", "cores", "what", "peer", "at_least", "ratio", "processor_ratio", "ours_s", "peer_s"),
    *("ours_processor_s", "peer_processor_s", "ours_mb", "peer_mb", "times", "equal", "blas", "environment"),
)
Result = TypeVar("Result")


def command_line(description: str | None) -> argparse.ArgumentParser:
    """What a benchmark takes from its command line: `--help`, and what it adds."""
    return argparse.ArgumentParser(description=description)


@dataclass(frozen=True)
class Times:
    """Seconds by the clock, and of processor time: all threads, and child processes that have ended."""

    clock: float
    processor: float


def _processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def timed(call: Callable[[], Result]) -> tuple[Result, Times]:
    """What a call returns, and how long it takes."""
    processor = _processor()
    clock = time.perf_counter()  # last before the call and first after it: asking for the other takes time as well
    result = call()
    return result, Times(time.perf_counter() - clock, _processor() - processor)


def timed_afresh(call: Callable[[], Result]) -> tuple[Result, Times]:
    """The same for a call that is the first one of a new process, which has imported the call's module already."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(timed, call).result()


def median(taken: Sequence[Times]) -> Times:
    """The median of each."""
    return Times(statistics.median(one.clock for one in taken), statistics.median(one.processor for one in taken))


def compare(
    what: str,
    peer_name: str,
    ours: Callable[[], Any],
    peer: Callable[[], Any],
    equal: Callable[[Any, Any], str],
    *,
    at_least: float | None = None,
    times: int = 5,
    memory: tuple[float, float] | None = None,
    fresh: bool = False,
) -> None:
    """Measures both, alternating, and adds a row to the results.

    Args:
        what: is done.
        peer_name: what ours is compared with.
        ours: the product's call.
        peer: the peer's, on the same input.
        equal: given what both returned, says in a few words how they agree; raises when they do not.
        at_least: how many times faster ours is to be; None for a row that only gives a scale.
        times: how often each is measured, after a first call that warms up; 0 measures that one.
        memory: megabytes that ours and the peer took, from `memory_of`.
        fresh: each time in a process of its own, so that nothing is warm.
    """
    stopwatch = timed_afresh if fresh else timed
    first, taken = zip(*map(stopwatch, (ours, peer)), strict=True)
    agreement = equal(*first)
    if times:
        rounds = [[stopwatch(call)[1] for call in (ours, peer)] for _ in range(times)]
        taken = tuple(map(median, zip(*rounds, strict=True)))
    mine, theirs = taken
    row: dict[str, Any] = {
        "what": what,
        "peer": peer_name,
        "at_least": "" if at_least is None else at_least,
        **side_by_side(mine, theirs),
        "ours_mb": memory[0] if memory else "",
        "peer_mb": memory[1] if memory else "",
        "times": times or 1,
        "equal": agreement,
    }
    write(row)


def write(row: dict[str, Any]) -> None:
    """Prints a row of some `COLUMNS`, and appends it to the results with the day, the code, machine and libraries."""
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    where = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit.stdout.strip(),
        "machine": machine(),
        "cores": cores(),
    }
    about = {"blas": blas(), "environment": environment()}
    rounded = {name: f"{value:.4g}" if isinstance(value, float) else value for name, value in (row | about).items()}
    print("  ".join(f"{name} {value}" for name, value in rounded.items() if value != ""), flush=True)
    new = not RESULTS.is_file()
    with RESULTS.open("a", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            table.writeheader()
        table.writerow({**where, **rounded})


def side_by_side(mine: Times, theirs: Times) -> dict[str, float]:
    """The columns of a row that compare the times of ours with those of the peer."""
    return {
        "ratio": theirs.clock / mine.clock,
        "processor_ratio": theirs.processor / mine.processor,
        "ours_s": mine.clock,
        "peer_s": theirs.clock,
        "ours_processor_s": mine.processor,
        "peer_processor_s": theirs.processor,
    }


def memory_of(call: Callable[..., object], *arguments: object) -> float:
    """Megabytes that a call takes at most beyond what its process had before; in a new process, Linux only."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(_risen, call, arguments).result()


def _risen(call: Callable[..., object], arguments: tuple[object, ...]) -> float:
    call(*arguments)  # what is loaded and kept once is not the call's
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark begins anew
    before = kilobytes("VmRSS")
    call(*arguments)
    return (kilobytes("VmHWM") - before) / 1024


def kilobytes(name: str, process: int | Literal["self"] = "self") -> int:
    """A line of a process's status, "VmHWM" for one; 0 of one that has ended. Linux only."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next((line.split()[1] for line in lines if line.startswith(f"{name}:")), "0"))


@contextmanager
def watched(process: int) -> Iterator[Callable[[], float]]:
    """Watches a process that this one has started; gives the most megabytes that it has had by now.

    What `wait4` says is at least what this process had when it started the other, and that may be more.
    """
    most, ended = 0, Event()

    def look() -> None:
        nonlocal most
        with suppress(FileNotFoundError, ProcessLookupError):  # somebody has waited for it
            while not ended.wait(0.02):
                most = max(most, kilobytes("VmHWM", process))

    watching = Thread(target=look)
    watching.start()
    try:
        yield lambda: most / 1024
    finally:
        ended.set()
        watching.join()
