"""`python -m tests.soak RUN --minutes 60`: small work without end; memory, open and temporary files must not grow.

Two processes are measured: this one, which runs commands and whole pipelines one after another as a program that embeds
them would, and `facenet watch`, which is given a photo again and again.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.sample.folder import draw
from components.verify.enroll import main as enroll
from components.verify.forget import main as forget
from components.verify.identify import main as identify
from tests.pipeline.conftest import REPOSITORY, Tiny
from tests.stages import WORK, main_of

# What may be added between the second quarter of the time, when everything has been used once, and the last.
MEMORY = 20 * 2**20
PAGE = resource.getpagesize()


@dataclass
class Measured:
    """A process, looked at again and again: resident bytes, open files, and threads."""

    pid: int
    memory: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)

    def look(self) -> None:
        """Adds how it is now."""
        place = Path("/proc") / str(self.pid)
        self.memory.append(int((place / "statm").read_text().split()[1]) * PAGE)
        self.files.append(len(list((place / "fd").iterdir())))
        self.threads.append(len(list((place / "task").iterdir())))

    def grown(self, name: str) -> bool:
        """Prints how it was in the second and in the last quarter, and says whether it has grown."""
        quarter = len(self.memory) // 4
        grown = False
        for what, values, allowed in (
            ("memory, MB", self.memory, MEMORY),
            ("open files", self.files, 0),
            ("threads", self.threads, 0),
        ):
            early, late = statistics.median(values[quarter : 2 * quarter]), statistics.median(values[-quarter:])
            scale = 2**20 if what.startswith("memory") else 1
            print(f"{name:<10} {what:<11} {early / scale:8.1f} -> {late / scale:8.1f}")
            grown |= late - early > allowed
        return grown


def round_of_work(run: Path, photos: Path, place: Path, tiny: Tiny, number: int) -> None:
    """One round: the stages, a gallery, and a run of a small pipeline."""
    model = str(min(run.glob("export/model/*int8.tflite")))
    gallery, card = str(place / "gallery.db"), ["--html", str(place / "card.html")]
    calls: list[tuple[Callable[[Sequence[str]], int], list[str]]] = [
        *(
            (main_of(stage), [*work.flags(place / stage, photos=photos, run=run, network=model), *card])
            for stage, work in WORK.items()
            if not work.has_tensorflow
        ),
        (enroll, [str(photos), "-c", model, "-g", gallery]),
        (identify, [str(min(photos.glob("*/*.jpg"))), "-c", model, "-g", gallery, "--threshold", "0.5"]),
        (forget, [min(photos.glob("*/")).name, "-g", gallery]),
    ]
    for call, words in calls:
        assert call(words) == 0, words
    assert tiny.run("--set", f"factor={number % 5}") == 0
    if number % 20 == 19:  # records of runs are kept by design
        shutil.rmtree(tiny.runs)


def soak(run: Path, minutes: float, place: Path) -> bool:
    """Works for so long; whether anything grew."""
    draw(place / "photos", identities=2, photos=2, seed=0)
    photos, temporary, inbox = place / "photos", Path(tempfile.gettempdir()), place / "inbox"
    inbox.mkdir()
    tiny = Tiny(place / "tiny", "process")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        model = str(min(run.glob("export/model/*int8.tflite")))
        enroll([str(photos), "-c", model, "-g", str(place / "watched.db")])
    words = [str(inbox), "-c", model, "-g", str(place / "watched.db"), "--threshold", "0.5"]
    with (place / "watch.log").open("w") as log, subprocess.Popen(
        [sys.executable, "-u", "-m", "components.verify", "watch", *words], cwd=REPOSITORY, stdout=log, stderr=log
    ) as watch:  # fmt: skip
        try:
            measured = {"commands": Measured(os.getpid()), "watch": Measured(watch.pid)}
            until, number = time.monotonic() + 60 * minutes, 0
            while time.monotonic() < until:
                shutil.copy(min(photos.glob("*/*.jpg")), inbox / f"{number % 7}.jpg")
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    round_of_work(run, photos, place, tiny, number)
                for each in measured.values():
                    each.look()
                number += 1
        finally:
            watch.terminate()
    seen = (place / "watch.log").read_text().count(".jpg")
    left = list(temporary.iterdir())
    print(f"{number} rounds in {minutes:g} minutes, {seen} photos watched; temporary files left: {len(left)}")
    grown = [each.grown(name) for name, each in measured.items()]
    return any(grown) or bool(left) or not seen


def main() -> int:
    """Works, and says what grew; 1 when something did."""
    parser = argparse.ArgumentParser("python -m tests.soak")
    parser.add_argument("run", type=Path, help="the folder of a run, for its network and embeddings")
    parser.add_argument("--minutes", type=float, default=60)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory() as temporary:
        tempfile.tempdir = os.environ["TMPDIR"] = temporary
        return int(soak(arguments.run.resolve(), arguments.minutes, Path(place)))


if __name__ == "__main__":
    sys.exit(main())
