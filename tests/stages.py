"""A small work of every stage on what a run of the pipeline left: the tests of every stage are made from it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from components.specification.code import module_of
from components.specification.stages import STAGES, command, package
from pipelines.cli import COMMANDS
from pipelines.compile import DEFAULT_OUTPUT
from pipelines.compiled import ir
from pipelines.plan.tasks import Container

_STAGE_OF = {package(stage): stage for stage in STAGES}
# Each task of the pipeline that runs in a container, in the order of a run, and its stage: `teach` embeds, too.
TASKS = {
    task.name: _STAGE_OF.get(module_of(task.executor.command) or "")
    for task in ir.read(DEFAULT_OUTPUT).tasks
    if isinstance(task.executor, Container)
}


@dataclass(frozen=True)
class Work:
    """A small work of a command.

    Args:
        words: its flags but where the result goes; in them {photos} is a folder of photos, {run} a run's folder with
            what the stages before this one made, {network} a checkpoint or a `.tflite` file.
        former: flags that lead to one result, the usual one where there is such.
        new: flags that lead to another.
        result: what the stage makes, as it lies in the run's folder.
        like: where a result of its form lies in the folder of a run on photos; its own place when not given.
        megabytes: limits of memory, besides what the process has at its start, in every test and in long ones. Below
            the least, a stage that imports TensorFlow fails before it has, or after seconds.
        output: the flag that says where the result goes.
        has_tensorflow: whether it takes seconds to start.
    """

    words: str
    former: str
    new: str
    result: str = ""
    like: str = ""
    megabytes: tuple[Sequence[int], Sequence[int]] = ((), ())
    output: str = "-o"
    has_tensorflow: bool = False

    def flags(self, to: object, **places: object) -> list[str]:
        """All flags but those of the former and the new result."""
        return [*(word.format(**places) for word in self.words.split()), self.output, str(to)]


WORK = {
    "extract": Work(
        "-i {photos} --workers 1", "--margin 0.25", "--margin 0.5", "extract/faces", megabytes=((10, 150), (50, 300))
    ),
    "import-faces": Work(
        "-i {run}/extract/faces --alignment none --detector dlib --workers 1",  # Parquet with images and names, too
        "--margin 0.25",
        "--margin 0.5",
        "import-faces/faces",
        like="extract/faces",
        megabytes=((10, 150), (50, 300)),
    ),
    "collect": Work(
        "-i {run}/extract/faces",
        "--min_examples 2",
        "--min_examples 1",
        "collect/dataset",
        megabytes=((10, 250), (150, 400)),
    ),
    "mine-and-train": Work(
        "-i {run}/collect/dataset --backbone small_resnet --image_size 32 --rounds 1 --max_batches 2",
        "--seed 0",
        "--seed 1",
        "mine-and-train/checkpoint",
        megabytes=((500,), (2000, 2500, 3000)),
        output="-c",
        has_tensorflow=True,
    ),
    "embed": Work(
        "-i {run}/collect/dataset -c {network}",
        "--shard 1/1",
        "--shard 1/2",
        "embed/embeddings",
        megabytes=((10, 200), (100, 500)),
    ),
    "evaluate": Work(
        "-i {run}/embed/embeddings --faces {run}/extract/faces --split all",
        "--folds 2",
        "--folds 3",
        "evaluate/report",
        megabytes=((10, 400), (200, 600)),
    ),
    "export": Work(
        "-i {run}/collect/dataset -c {run}/mine-and-train/checkpoint",
        "--variants float32",
        "--variants int8",
        "export/model",
        megabytes=((500,), (2000, 2500, 3000)),
        has_tensorflow=True,
    ),
}


def main_of(stage: str) -> Callable[[Sequence[str]], int]:
    """The function that the stage's command calls."""
    return importlib.import_module(COMMANDS[command(stage)][0]).main
