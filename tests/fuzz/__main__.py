"""`python -m tests.fuzz RUN`: reads damaged files of every kind, seeded; says which were neither read nor refused.

Each kind is read in a process of its own with limits of memory and time: also what ends a process is found.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.fuzz.mutations import damaged, damaged_json
from tests.fuzz.targets import FINE, TARGETS, Target

MEMORY = 2**30  # bytes, beyond what the process has when it begins
SECONDS = 20  # for one content
FINDS = 5  # of one kind, before the next kind's turn


def content_of(target: Target, seeds: list[bytes], name: str, seed: int, number: int) -> bytes:
    """The content of this number: the same for the same seeds."""
    chance = random.Random(f"{seed} {name} {number}")
    data = chance.choice(seeds)
    if target.is_json and chance.random() < 0.7:
        return damaged_json(data, chance)
    return damaged(data, chance)


def read_all(name: str, seeds: list[bytes], arguments: argparse.Namespace, folder: Path, first: int) -> None:
    """Reads content after content, in a process that may end at any of them; its number and content lie in `folder`."""
    target, until = TARGETS[name], time.monotonic() + arguments.seconds
    number = first
    memory = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    if not target.heavy:  # TensorFlow reserves what it does not use
        resource.setrlimit(resource.RLIMIT_AS, (memory + MEMORY,) * 2)
    while number < arguments.cases and time.monotonic() < until:
        data = content_of(target, seeds, name, arguments.seed, number)
        (folder / "content").write_bytes(data)
        (folder / "number").write_text(str(number))
        place = folder / "place"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        signal.alarm(SECONDS * (10 if target.heavy else 1))
        try:
            target.read(data, place)
        except FINE:
            pass
        except BaseException:
            (folder / "why").write_text(traceback.format_exc())
            os._exit(1)
        signal.alarm(0)
        number += 1
    (folder / "number").write_text(str(number))


def fuzz(name: str, arguments: argparse.Namespace, folder: Path) -> tuple[int, int]:
    """Reads contents of one kind: how many, and how many of them were finds."""
    seeds = list(TARGETS[name].seeds(arguments.run.resolve()))
    finds = number = 0
    while finds < FINDS:
        (folder / "why").unlink(missing_ok=True)
        sys.stdout.flush()
        process = os.fork()
        if not process:
            if not arguments.verbose:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # decoders remark on every damage
            try:
                read_all(name, seeds, arguments, folder, number)
                os._exit(0)
            finally:  # whatever happens, the parent's files are not this process's to remove
                os._exit(2)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        number = int((folder / "number").read_text())
        if not code:
            break
        finds += 1
        kept = arguments.finds / f"{name.replace(' ', '-')}-{arguments.seed}-{number}"
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "content", kept)
        why = (folder / "why").read_text() if (folder / "why").exists() else signal.Signals(-code).name
        print(f"{name}: content {number} of seed {arguments.seed}, kept as {kept}\n{why}")
        number += 1
    return number, finds


def main() -> int:
    """Fuzzes every kind; 1 when anything was found."""
    parser = argparse.ArgumentParser("python -m tests.fuzz")
    parser.add_argument("run", type=Path, help="the folder of a run: what it left is what is damaged")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, default=10**9, help="contents of each kind")
    parser.add_argument("--seconds", type=float, default=30, help="for each kind")
    parser.add_argument("--finds", type=Path, default=Path("fuzz-finds"), help="where what is found is kept")
    parser.add_argument("--heavy", action="store_true", help="also what takes seconds to begin: weights")
    parser.add_argument("--only", choices=TARGETS, help="one kind")
    parser.add_argument("--verbose", action="store_true", help="show what readers print")
    arguments = parser.parse_args()
    found = 0
    for name, target in TARGETS.items():
        if (name == arguments.only) if arguments.only else (arguments.heavy or not target.heavy):
            with tempfile.TemporaryDirectory() as folder:
                number, finds = fuzz(name, arguments, Path(folder))
            print(f"{name:<22} {number:>8} contents {finds:>3} finds", flush=True)
            found += finds
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
