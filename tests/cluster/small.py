"""Small pipelines, compiled by kfp, to see that a rule notices what it is for."""

# Without `from __future__ import annotations`: kfp reads a component's types.
from typing import Any

import yaml
from kfp import compiler, dsl

from tests.cluster.compiled import documents
from tests.cluster.records import records

PHOTOS = "gs://our-photos/people"


@dsl.container_component
def work(
    photos: dsl.Input[dsl.Artifact],
    result: dsl.Output[dsl.Artifact],
    count: int = 20,
    rate: float = 1e-05,
    ready: bool = True,
    text: str = "x",
    names: list = ["b", "<a>"],  # noqa: B006 - kfp's way to say so
    table: dict = {"b": 0.5, "a": [1, True]},  # noqa: B006
):
    """A task with a parameter of each kind."""
    words = [count, rate, ready, text, names, table, result.path]
    return dsl.ContainerSpec("image", ["work", f"--count={count}", "--photos", photos.path], words)


@dsl.container_component
def gather(found: dsl.Input[list[dsl.Artifact]], result: dsl.Output[dsl.Artifact]):
    """A task that reads a list."""
    return dsl.ContainerSpec("image", ["gather", result.path], [dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER])


def compile_one(folder: Any, **passed: Any) -> str:
    """A pipeline of one task, which passes some of its parameters."""

    @dsl.pipeline(name="small")
    def small(photos: str) -> None:
        work(photos=dsl.importer(artifact_uri=photos, artifact_class=dsl.Artifact).output, **passed)

    return _compiled(small, folder)


def compile_loop(folder: Any, nested: bool) -> str:
    """A loop, and a task that reads what its iterations made; or a task that does so in a pipeline of its own."""

    @dsl.pipeline(name="inner")
    def inner(found: dsl.Input[list[dsl.Artifact]]) -> None:
        gather(found=found)

    @dsl.pipeline(name="small")
    def small(photos: str, items: list[str]) -> None:
        source = dsl.importer(artifact_uri=photos, artifact_class=dsl.Artifact).output
        with dsl.ParallelFor(items=items) as item:
            made = work(photos=source, text=item)
        (inner if nested else gather)(found=dsl.Collected(made.outputs["result"]))

    return _compiled(small, folder)


def _compiled(pipeline: Any, folder: Any) -> str:
    compiler.Compiler().compile(pipeline, str(folder / "small.yaml"))
    return str((folder / "small.yaml").read_text())


def edited(text: str, value: Any, *keys: str) -> str:
    """A compiled pipeline with another value at a place in its first document."""
    copied = yaml.safe_load(yaml.safe_dump(documents(text)[0]))
    place = copied
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return yaml.safe_dump(copied)


def only(text: str, version: str, photos: str = PHOTOS, **others: Any) -> dict[str, Any]:
    """The record of a pipeline's only task."""
    (record,) = records(text, version, {"photos": photos}, **others)
    return record
