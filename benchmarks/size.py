"""Training, embed and evaluate at the size of public sets: `python -m benchmarks.size --rows 1000000`.

People do not exist and have ten faces each: 600 drawn crops of 112 pixels, again and again. What is measured is memory
and time, not what a network learns.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from os import wait4
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.collecting import generated
from benchmarks.harness import Times, command_line, median, side_by_side, timed, watched, write
from components.common.batches import slices
from components.common.crops import Crops, crop_of, decode_crops, faces_of
from components.common.manifest import DATASET, ROWS_PER_GROUP, ROWS_PER_PART, read
from components.common.preprocessing import Preprocessing
from components.mine_and_train.hyperparameters import Hyperparameters
from components.model import load_tensorflow
from components.model.checkpoint import save
from components.model.embeddings import write_embeddings
from components.sample.picture import portraits

_SIDE, _FACES_EACH, _SMALL = 112, 10, 10_000
# The network and the batches of the recipe `faces`.
_BACKBONE, _IMAGE_SIZE = "dlib_slim", 68
_HOW = Hyperparameters(loss="contrastive", faces_per_identity=4, batch_size=184, max_batches=10)
_TIMES = 3
# Of the network that a million faces are embedded with: how it is done takes the same memory for every network.
_QUICK, _QUICK_SIZE = "small_resnet", 32


@dataclass(frozen=True)
class Cost:
    """Of a stage, or of its beginning: the time that it took, and the most megabytes that were resident."""

    times: Times
    megabytes: float

    def write(self, what: str) -> None:
        """Adds a row to the results, and prints how busy the machine is."""
        row = {"ours_s": self.times.clock, "ours_processor_s": self.times.processor, "ours_mb": self.megabytes}
        write({"what": what, **row})
        print("processes that ran or waited to, in the last 1, 5 and 15 minutes:", *os.getloadavg())


def cost(stage: str, *flags: object, until: str = "") -> Cost:
    """Runs a stage: to its end, or until it prints a line that begins with a text."""
    command = [sys.executable, "-u", "-m", f"components.{stage}", *map(str, flags)]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, watched(process.pid) as megabytes:
        assert process.stdout
        for line in process.stdout:
            if until and line.startswith(until):
                process.kill()
                break
        clock = time.perf_counter() - began
        _, status, used = wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == (-signal.SIGKILL if until else 0), command
    return Cost(Times(clock, used.ru_utime + used.ru_stime), megabytes())


def crops() -> list[bytes]:
    """Encoded drawn faces: of 60 people, each shifted ten times, so that a row group holds none twice."""
    encoded = []
    for number in range(60):
        (portrait,) = portraits(0, number, 1)
        with Image.open(io.BytesIO(portrait)) as opened:
            picture = opened.convert("RGB")
        side = min(picture.size) - 10
        for shift in range(10):
            face = picture.resize((_SIDE, _SIDE), box=(shift, shift, shift + side, shift + side))
            encoded.append(io.BytesIO())
            face.save(encoded[-1], "JPEG", quality=95)
    return [one.getvalue() for one in encoded]


def dataset(folder: Path, rows: int, images: Sequence[bytes]) -> Path:
    """Faces and a dataset of them."""
    generated(folder / "faces", rows, _FACES_EACH, images, _SIDE)
    flags = ("-i", folder / "faces", "-o", folder / "dataset", "--validation", 0.005)
    cost("collect", *flags).write(f"collect, {rows:,} rows, no card")
    return folder / "dataset"


def rates(folder: Path) -> None:
    """Rounds on all faces and on few of them, in turn, in one process: images a second."""
    load_tensorflow()
    from components.mine_and_train.train import Training
    from components.model.network import Architecture, build

    rows, faces = read(folder, DATASET, ["face_id", "identity", "part", "row"]), faces_of(folder, ())
    few = rows.slice(0, _SMALL)
    everyone = Crops(rows, faces, _IMAGE_SIZE)
    _, found = timed(lambda: everyone[np.arange(0, len(rows), ROWS_PER_GROUP)])
    write({"what": f"find {len(rows):,} crops", "ours_s": found.clock, "ours_processor_s": found.processor})
    trainings = []
    for some, images in ((rows, everyone), (few, decode_crops(few, faces, _IMAGE_SIZE))):
        people = np.unique(some["identity"].to_numpy(zero_copy_only=False), return_inverse=True)[1]
        network = build(Architecture(_BACKBONE, _IMAGE_SIZE, 128))
        trainings.append(Training(network, images, people, _HOW).run())

    def one_round(training: int) -> None:
        while next(trainings[training]) is None:
            pass

    for training in (0, 1):  # what TensorFlow does once
        one_round(training)
    taken: tuple[list[Times], list[Times]] = [], []
    for _ in range(_TIMES):
        for training in (0, 1):
            taken[training].append(timed(partial(one_round, training))[1])
    large, small = map(median, taken)
    write(
        {
            "what": f"training rounds on {len(rows):,} faces",
            "peer": f"on {_SMALL:,} in memory",
            **side_by_side(large, small),
            "times": _TIMES,
        }
    )


def train(data: Path, network: Path) -> None:
    """The stage up to its first step, and two rounds of it."""
    how = ("loss", "faces_per_identity", "batch_size")
    flags = [word for name in how for word in (f"--{name}", getattr(_HOW, name))]
    flags += ["--backbone", _BACKBONE, "--image_size", _IMAGE_SIZE, "--rounds", 2, "--pictures", "false"]
    # Of one step each, and the first without a validation: so its line comes after a step.
    flags_of_one = ("-c", f"{network}-one", *flags, "--max_batches", 1, "--validate_every", 2)
    one = cost("mine_and_train", "-i", data, *flags_of_one, until="round 1")
    rows = len(read(data, DATASET, ["split"]))
    one.write(f"mine-and-train, {rows:,} faces, to the end of the first step")
    whole = cost("mine_and_train", "-i", data, "-c", network, *flags, "--max_batches", _HOW.max_batches)
    whole.write(f"mine-and-train, {rows:,} faces, 2 rounds of {_HOW.max_batches} steps")


def embed(data: Path, folder: Path) -> Cost:
    """The stage, with a quick network that has learnt nothing."""
    load_tensorflow()
    from components.model.network import Architecture, build

    architecture = Architecture(_QUICK, _QUICK_SIZE, 128)
    preprocessing = Preprocessing(_QUICK_SIZE, crop_of(faces_of(data, ())))
    save(folder / "quick", build(architecture), architecture, preprocessing, {})
    flags = ("-c", folder / "quick", "-o", folder / "embedded", "--html", folder / "card.html", "--pictures", "false")
    return cost("embed", "-i", data, *flags)


def write_vectors(data: Path, folder: Path) -> None:
    """Vectors around a random one for each person: the network that made them makes no difference."""
    rows, rng = read(data, DATASET), np.random.default_rng(0)
    people = np.unique(rows["identity"].to_numpy(zero_copy_only=False), return_inverse=True)[1]
    vectors = rng.normal(size=(people.max() + 1, 128)).astype(np.float32)[people]
    for some in slices(len(vectors), ROWS_PER_PART):
        vectors[some] += rng.normal(size=vectors[some].shape)
        vectors[some] /= np.linalg.norm(vectors[some], axis=1, keepdims=True)
    write_embeddings(folder / "embeddings", rows, vectors, "0" * 64)


def evaluate(folder: Path, split: str) -> Cost:
    """The stage, on the faces of a split."""
    flags = ("-o", folder / "report", "--faces", folder / "faces", "--split", split, "--pictures", "false")
    return cost("evaluate", "-i", folder / "embeddings", *flags)


def main() -> None:
    """Each number of rows in turn."""
    parser = command_line(__doc__)
    parser.add_argument("--rows", nargs="*", type=int, default=[1_000_000], help="faces (1000000)")
    parser.add_argument("--stages", nargs="*", default=["train", "rates", "embed", "evaluate"], help="what to measure")
    given = parser.parse_args()
    images = crops()
    for rows in given.rows:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            data = dataset(folder, rows, images)
            if "train" in given.stages:
                train(data, folder / "network")
            if "rates" in given.stages:
                rates(data)
            if "embed" in given.stages:
                embed(data, folder).write(f"embed, {rows:,} faces, {_QUICK} of {_QUICK_SIZE} px, with its card")
            if "evaluate" in given.stages:
                write_vectors(data, folder)
                evaluate(folder, "test").write(f"evaluate, {rows:,} faces, a fifth for the test")
                evaluate(folder, "all").write(f"evaluate, {rows:,} faces, all of them measured")


if __name__ == "__main__":
    main()
