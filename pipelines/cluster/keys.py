"""A key by which a cluster answers the training from its cache, in spite of the training's volume.

Since 2.18 a task may say its own key (`cachingOptions.cacheKey`), which then takes the place of everything that a
cluster compares: inputs, image, command, volumes. Only the name of the component goes with it (kubeflow/pipelines,
backend/src/v2/driver/cache.go, getFingerPrint; pull request 13762). So all that a training depends on has to be in the
key: it is the hash of what the file says of the training and of every task before it. That is enough only if

- the photos are known: extract is told a hash of them (`contents`) and refuses others;
- nothing can be changed after the key was made: a file with a key has no parameters, and their values stand in it;
- a name names one content: the tag of an image is a hash, and what a model's address holds is not known, so a training
  that starts or learns from one has no key.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from components.common.errors import UsageError

TASK = "mine-and-train"
SINCE = (2, 18)
# As `components.specification.images.reference` makes them.
_TAG = re.compile(r".*:[0-9a-f]{12}(-[a-z]+)?")
# What a task says of how it is run; no result depends on it.
_HOW = frozenset({"cachingOptions", "retryPolicy"})


def add_key(spec: dict[str, Any]) -> None:
    """Gives the training its key.

    Args:
        spec: a pipeline without parameters, whose extract was told what the photos are.

    Raises:
        UsageError: an image whose name does not say what it contains.
    """
    spec["root"]["dag"]["tasks"][TASK]["cachingOptions"]["cacheKey"] = _key(spec)


def _key(spec: Mapping[str, Any]) -> str:
    tasks = spec["root"]["dag"]["tasks"]
    before = {TASK}
    while more := {name for task in before for name in tasks[task].get("dependentTasks", ())} - before:
        before |= more
    material = [[name, *_said_of(spec, tasks[name])] for name in sorted(before)]
    return hashlib.sha256(json.dumps(material, sort_keys=True).encode()).hexdigest()


def _said_of(spec: Mapping[str, Any], task: Mapping[str, Any]) -> Iterator[Any]:
    """All that the file says of a task, of its component, and of what either is made of."""
    component = spec["components"][task["componentRef"]["name"]]
    yield {name: said for name, said in task.items() if name not in _HOW}
    yield {name: said for name, said in component.items() if name != "dag"}
    if "dag" in component:
        yield component["dag"].get("outputs")
        for name, inner in sorted(component["dag"]["tasks"].items()):
            yield [name, *_said_of(spec, inner)]
        return
    executor = spec["deploymentSpec"]["executors"][component["executorLabel"]]
    image = executor.get("container", {}).get("image")
    if image is not None and not _TAG.fullmatch(image):
        raise UsageError(
            "What this image contains cannot be told by its name, so a training is not answered from the cache.",
            received=image,
            advice="Compile the pipeline with `facenet compile -o FILE`, or leave out --copy.",
        )
    yield executor
