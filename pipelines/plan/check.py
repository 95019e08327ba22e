"""Finds what would go wrong later, before anything is started."""

from __future__ import annotations

from pathlib import Path

from components.common.errors import UsageError
from pipelines.plan.render import Artifact, executor_input, render
from pipelines.plan.tasks import Importer, Pipeline, parameter_values


def local_path(uri: str) -> Path:
    """The file or folder that an importer names.

    Raises:
        UsageError: there is none, or it is not on this machine.
    """
    if "://" in uri:
        raise UsageError(
            "A local run reads what is on this machine.",
            received=uri,
            advice="Copy it to a local folder and give that, or submit the pipeline to a cluster.",
        )
    path = Path(uri).absolute()
    if not uri or not path.exists():
        raise UsageError(
            "There is no such file or folder.",
            received=uri or "an empty path",
            advice="Is the path right, and relative to where you are?",
        )
    return path


def check(pipeline: Pipeline) -> None:
    """Goes through a pipeline as a run would, without running anything.

    Raises:
        UsageError: a parameter without a value, something to import that is not there, an unknown placeholder.
    """
    values = pipeline.values()
    for task in pipeline.tasks:
        parameters = parameter_values(task, values, None)
        if isinstance(task.executor, Importer):
            local_path(str(parameters[task.executor.parameter]))
        else:
            artifacts = {name: [Artifact(Path(name), "", "")] for name in task.artifacts}
            render(task.executor.command, executor_input(task, parameters, artifacts, Path()))
