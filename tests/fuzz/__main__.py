"""`python -m tests.fuzz RUN`: reads damaged files of every kind, seeded; says which were neither read nor refused.

Each kind is read in a process of its own with limits of memory and time: also what ends a process is found.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from mmap import mmap
from pathlib import Path

from tests.fuzz.mutations import damaged, damaged_json
from tests.fuzz.targets import FINE, TARGETS, Target

MEMORY = 2**30  # bytes, beyond what the process has when it begins
SECONDS = 20  # for one content
FINDS = 5  # of one kind, before it is left
_IN_MEMORY = Path("/dev/shm")


def content_of(target: Target, seeds: list[bytes], name: str, seed: int, number: int) -> bytes:
    """The content of this number: the same for the same seeds."""
    chance = random.Random(f"{seed} {name} {number}")
    data = chance.choice(seeds)
    if target.is_json and chance.random() < 0.7:
        return damaged_json(data, chance)
    return damaged(data, chance)


class Sitting:
    """Contents of all kinds, of which one worker reads every so many.

    Args:
        arguments: see `main`.
        worker: which one, from 0.
    """

    def __init__(self, arguments: argparse.Namespace, worker: int) -> None:
        self._arguments = arguments
        self._worker = worker
        self._seeds: dict[str, list[bytes]] = {}
        # How many were read, where the process that reads and the one that counts its ends both see it.
        self._read = mmap(-1, 8)

    def __call__(self, names: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Reads contents of every kind in turn: how many of each, and how many of them were finds."""
        done = dict.fromkeys(names, (0, 0))
        share = self._arguments.inputs // self._arguments.workers
        with tempfile.TemporaryDirectory(dir=_IN_MEMORY if _IN_MEMORY.is_dir() else None) as folder:
            while True:
                before = dict(done)
                for name in names:
                    done[name] = self._turn(name, *done[name], Path(folder))
                so_far = sum(count for count, _ in done.values())
                print(f"worker {self._worker}: {so_far} contents", flush=True)
                if so_far >= share or done == before:
                    return done

    def _turn(self, name: str, count: int, finds: int, folder: Path) -> tuple[int, int]:
        """Reads contents of one kind for a while, in a process after another where one ends at a content."""
        if name not in self._seeds:
            self._seeds[name] = list(TARGETS[name].seeds(self._arguments.run.resolve()))
        until = time.monotonic() + self._arguments.seconds
        while finds < FINDS:
            (folder / "why").unlink(missing_ok=True)
            sys.stdout.flush()
            process = os.fork()
            if not process:
                if not self._arguments.verbose:
                    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # decoders remark on every damage
                try:
                    self._read_all(name, count, until, folder)
                    os._exit(0)
                finally:  # whatever happens, the parent's files are not this process's to remove
                    os._exit(2)
            code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            count = int.from_bytes(self._read[:8], "little")
            if not code:
                break
            finds += 1
            self._keep(name, count, folder / "why", code)
            count += 1
        return count, finds

    def _read_all(self, name: str, count: int, until: float, folder: Path) -> None:
        """Reads content after content, in a process that may end at any of them."""
        target, place = TARGETS[name], folder / "place"
        memory = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        if not target.heavy:  # TensorFlow reserves what it does not use
            resource.setrlimit(resource.RLIMIT_AS, (memory + MEMORY,) * 2)
        place.mkdir(exist_ok=True)
        while True:
            self._read[:8] = count.to_bytes(8, "little")
            if count >= self._arguments.cases or time.monotonic() >= until:
                return
            if any(place.iterdir()):
                shutil.rmtree(place)
                place.mkdir()
            signal.alarm(SECONDS * (10 if target.heavy else 1))
            try:
                target.read(self._content(name, count), place)
            except FINE:
                pass
            except BaseException:
                (folder / "why").write_text(traceback.format_exc())
                os._exit(1)
            signal.alarm(0)
            count += 1

    def _number(self, count: int) -> int:
        return self._worker + count * self._arguments.workers

    def _content(self, name: str, count: int) -> bytes:
        return content_of(TARGETS[name], self._seeds[name], name, self._arguments.seed, self._number(count))

    def _keep(self, name: str, count: int, reason: Path, code: int) -> None:
        number, seed = self._number(count), self._arguments.seed
        kept: Path = self._arguments.finds / f"{name.replace(' ', '-')}-{seed}-{number}"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(self._content(name, count))
        why = reason.read_text() if reason.exists() else signal.Signals(-code).name
        print(f"{name}: content {number} of seed {seed}, kept as {kept}\n{why}", flush=True)


def _sit(arguments: argparse.Namespace, worker: int, names: Sequence[str]) -> dict[str, tuple[int, int]]:
    return Sitting(arguments, worker)(names)


def main() -> int:
    """Fuzzes every kind; 1 when anything was found."""
    parser = argparse.ArgumentParser("python -m tests.fuzz")
    parser.add_argument("run", type=Path, help="the folder of a run: what it left is what is damaged")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--inputs", type=int, default=0, help="turn after turn, until so many contents were read")
    parser.add_argument("--seconds", type=float, default=30, help="of a turn, for each kind")
    parser.add_argument("--cases", type=int, default=10**9, help="contents of each kind at most, for a worker")
    parser.add_argument("--workers", type=int, default=1, help="processes, which share the contents")
    parser.add_argument("--finds", type=Path, default=Path("fuzz-finds"), help="where what is found is kept")
    parser.add_argument("--heavy", action="store_true", help="also what takes seconds to begin: weights")
    parser.add_argument("--only", choices=TARGETS, help="one kind")
    parser.add_argument("--verbose", action="store_true", help="show what readers print")
    arguments = parser.parse_args()
    kinds = (name for name, target in TARGETS.items() if arguments.heavy or not target.heavy)
    names = [arguments.only] if arguments.only else list(kinds)
    begun = time.monotonic()
    with ProcessPoolExecutor(arguments.workers, multiprocessing.get_context("fork")) as pool:
        sittings = [pool.submit(_sit, arguments, worker, names) for worker in range(arguments.workers)]
        done = [one.result() for one in sittings]
    totals = {name: [sum(column) for column in zip(*(one[name] for one in done), strict=True)] for name in names}
    for name, (number, finds) in totals.items():
        print(f"{name:<22} {number:>8} contents {finds:>3} finds")
    number, found = (sum(column) for column in zip(*totals.values(), strict=True))
    print(f"{'all':<22} {number:>8} contents {found:>3} finds in {time.monotonic() - begun:.0f} s")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
