"""`python -m tests.fuzz.guided RUN`: the same readers under atheris, which keeps the damage that reaches new code.

It sees the project's own Python, and so finds other things than blind damage does; what ends a process, that finds
better. Only where atheris is installed: on Linux, x86_64.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["components", "pipelines"]):
    from tests.fuzz.targets import FINE, TARGETS


def guide(name: str, run: Path, seconds: int, finds: Path) -> None:
    """Fuzzes one kind, and ends the process: with 0 when nothing was found."""
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as corpus, tempfile.TemporaryDirectory() as place:
        for number, seed in enumerate(target.seeds(run)):
            Path(corpus, str(number)).write_bytes(seed)

        def read(data: bytes) -> None:
            with suppress(FINE):
                target.read(data, Path(place))

        limits = [f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=4000", "-max_len=50000", "-verbosity=0"]
        finds.mkdir(parents=True, exist_ok=True)
        atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={finds}/{name.replace(' ', '-')}-", corpus], read)
        atheris.Fuzz()


def main() -> int:
    """Fuzzes every kind in a process of its own; 1 when anything was found."""
    parser = argparse.ArgumentParser("python -m tests.fuzz.guided")
    parser.add_argument("run", type=Path, help="the folder of a run: what it left is what is damaged")
    parser.add_argument("--seconds", type=int, default=30, help="for each kind")
    parser.add_argument("--finds", type=Path, default=Path("fuzz-finds"), help="where what is found is kept")
    parser.add_argument("--only", choices=TARGETS, help="one kind, in this process")
    arguments = parser.parse_args()
    if arguments.only:
        guide(arguments.only, arguments.run.resolve(), arguments.seconds, arguments.finds.resolve())
    found = []
    for name in (name for name, target in TARGETS.items() if not target.heavy):
        done = subprocess.run([sys.executable, "-m", "tests.fuzz.guided", *sys.argv[1:], "--only", name], check=False)
        print(f"{name:<22} {'found something' if done.returncode else 'nothing found'}", flush=True)
        found += [name] * bool(done.returncode)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
