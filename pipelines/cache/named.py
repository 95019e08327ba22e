"""Which files a task reads by name. Their content is part of the cache's key, and a container has to see them.

There is one rule for the key, for the comparison when a task is done, and for what a container is given: `files_named`
says which parameters name something, and `files_at` what is read there.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from pipelines.plan.values import Value

# The parameters of tasks that name a place, however it is written: a network to start or to learn from, and the state
# of a training.
MODELS = frozenset({"mine-and-train.pretrained", "teach.network"})
STATES = frozenset({"mine-and-train.training"})
_PLACES = {name.rpartition(".")[2] for name in MODELS | STATES}
# One of the files of a TensorFlow checkpoint; what they have in common is its prefix.
_PART = re.compile(r"(.+)\.(?:index|meta|data-\d+-of-\d+)")
# A checkpoint of ours: `components/model` takes the one for the folder in which both are.
_OURS = {"model.weights.h5": "facenet.json"}


def files_named(parameters: Mapping[str, Value]) -> dict[str, Path]:
    """The parameters that name something on this disk.

    Those of `MODELS` and `STATES` by whatever is written there; any other text that is the name of a file, or has a
    separator in it: `split=test` is no reason to read a folder that happens to be `test`.

    Args:
        parameters: the values of a task's parameters, by name.
    """
    texts = {name: Path(value) for name, value in parameters.items() if isinstance(value, str) and value}
    return {
        name: path
        for name, path in texts.items()
        if (name in _PLACES or os.sep in str(parameters[name]) or _is_file(path)) and files_at(path)
    }


def files_at(path: Path) -> list[Path]:
    """What a stage may open that is given this path: what lies there, and what belongs to it by its name.

    The files of a TensorFlow checkpoint belong to each other and to their prefix, where itself no file need be; to a
    LiteRT model, or to any file, the `.json` of its name; `facenet.json` to the weights beside it.

    Returns:
        Files, and folders for all that is below them; nothing when there is nothing.
    """
    if not path.name:  # the root, or here
        return [path]
    part = _PART.fullmatch(path.name)
    prefix = part[1] if part else path.name
    files = {path} if _kind(path) else set()
    if part or _is_file(path.with_name(f"{prefix}.index")):
        files |= {each for each in _beside(path) if (of := _PART.fullmatch(each.name)) and of[1] == prefix}
    if _is_file(path):
        belonging = {path.with_suffix(".json"), path.with_name(_OURS.get(path.name, path.name))}
        files |= {each for each in belonging if _is_file(each)}
    return sorted(files)


def _beside(path: Path) -> list[Path]:
    try:
        return list(path.parent.iterdir())
    except OSError:  # nothing can be there, or nobody may look: the task says so
        return []


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(_kind(path))


def _kind(path: Path) -> int:
    """The kind of what lies there; 0 for nothing, or what nobody may look at."""
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except (OSError, ValueError):
        return 0
