"""What stages cost at 1, 10 and 100 times their input: `python -m benchmarks.growth`; growth.csv and growth.svg."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from PIL import Image

from benchmarks.harness import command_line
from benchmarks.libraries import blas, environment
from components.sample.folder import draw

_PHOTOS = 60  # of the smallest input
_TIMES = (1, 10, 100)
_TRAINING = ("--backbone", "small_resnet", "--image_size", "64", "--rounds", "1", "--max_batches", "40")
_TO = Path("benchmarks")


@dataclass(frozen=True)
class Cost:
    """Of a stage on so many photos: seconds of processor time, megabytes resident at most."""

    stage: str
    photos: int
    seconds: float
    megabytes: float


def photos(folder: Path, times: int) -> None:
    """People who do not exist with three photos each; beyond ten times each photo again and again, shifted."""
    variants = max(1, times // 10)
    draw(folder, identities=_PHOTOS * times // variants // 3, photos=3, seed=0)
    for photo in [*folder.rglob("*.jpg")]:
        with Image.open(photo) as opened:
            picture = opened.convert("RGB")
        for shift in range(1, variants):
            picture.crop((shift, shift, *picture.size)).save(photo.with_stem(f"{photo.stem}-{shift}"), quality=90)


def cost(stage: str, count: int, *flags: object) -> Cost:
    """Runs a stage."""
    command = [sys.executable, "-m", f"components.{stage}", *map(str, flags)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, command
    return Cost(stage, count, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def costs(times: int) -> list[Cost]:
    """All stages, each on what the one before made."""
    count = _PHOTOS * times
    with tempfile.TemporaryDirectory() as name:
        at = Path(name)
        photos(at / "photos", times)
        return [
            cost("extract", count, "-i", at / "photos", "-o", at / "faces", "--html", at / "extract.html"),
            cost("collect", count, "-i", at / "faces", "-o", at / "dataset", "--html", at / "collect.html"),
            cost("mine_and_train", count, "-i", at / "dataset", "-c", at / "checkpoint", *_TRAINING),
            cost("embed", count, "-i", at / "dataset", "-c", at / "checkpoint", "-o", at / "embeddings"),
            cost("evaluate", count, "-i", at / "embeddings", "-o", at / "report", "--split", "all"),
        ]


def plot(found: list[Cost]) -> None:
    """Processor time and memory over the number of photos."""
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "growth"
    figure = Figure((9, 4), layout="constrained")
    shown = (("seconds", "processor time, s", 1), ("megabytes", "resident at most, MB", 100))
    for axes, (what, name, least) in zip(figure.subplots(1, 2), shown, strict=True):
        for stage in dict.fromkeys(one.stage for one in found):
            own = [one for one in found if one.stage == stage]
            axes.loglog([one.photos for one in own], [getattr(one, what) for one in own], marker="o", label=stage)
        axes.set(xlabel="photos", ylabel=name, ylim=(least, None))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(_TO / "growth.svg", metadata={"Date": None})


def main() -> None:
    """Measures, writes and draws."""
    command_line(__doc__).parse_args()
    found = [one for times in _TIMES for one in costs(times)]
    with (_TO / "growth.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["stage", "photos", "processor_s", "mb", "blas", "environment"])
        table.writerows(
            [one.stage, one.photos, f"{one.seconds:.1f}", f"{one.megabytes:.0f}", blas(), environment()]
            for one in found
        )
    plot(found)


if __name__ == "__main__":
    main()
