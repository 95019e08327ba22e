"""The pipeline as a file for `docker compose`, for machines with nothing but Docker on them.

Its last service does nothing. It is there because docker compose fails when what a service waits for has failed, but
not when the service that nothing waits for has. Every task is recorded by `pipelines.local.composed`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.common.errors import UsageError
from pipelines.plan.render import Artifact, executor_input, render
from pipelines.plan.tasks import Importer, Pipeline, Task, parameter_values
from pipelines.plan.values import Value

BEGIN, END = "begin", "end"
_RUNS, _PHOTOS, _RECORDER = Path("/runs"), Path("/photos"), Path("/recorder")
_WHERE_RUNS = "${RUNS:-../runs/compose}"
_WHERE_PHOTOS = "${PHOTOS:?Say where the photos are, as PHOTOS=/folder docker compose ... up}"
HEADER = """\
# Generated from pipeline.yaml and the recipe `{recipe}` by `facenet compile`; do not edit.
#     PHOTOS=$PWD/photos RUNS=$PWD/runs/compose docker compose -f docker/compose.yaml up
# The first time it builds the images. Results belong to root, or to OWNER=$(id -u):$(id -g) when RUNS is there already.
# The exit code is 0 only when every task succeeded; docker/README.md has what to know of other ways to start it.
"""


def compose_file(
    pipeline: Pipeline, recipe: str | None = None, settings: Mapping[str, Value] | None = None
) -> dict[str, Any]:
    """The services of a pipeline: one that begins its record, one for each task after those it depends on, and the end.

    Only what docker-compose 1.29 and later ones both understand.

    Args:
        pipeline: with a value for every parameter but `photos`, and one importer, of the photos.
        recipe: the name of the recipe that it has its settings from.
        settings: these.

    Raises:
        UsageError: the pipeline hands on parameters, whose values only a run knows.
    """
    values = {**{name: one.default for name, one in pipeline.parameters.items()}, "photos": str(_PHOTOS)}
    known = {name: value for name, value in values.items() if value is not None}
    places: dict[str, dict[str, Artifact]] = {}
    services: dict[str, dict[str, Any]] = {}
    described = []
    for task in pipeline.tasks:
        folder = _RUNS / task.name
        parameters = parameter_values(task, known, {})
        if isinstance(task.executor, Importer):
            places[task.name] = {name: Artifact(_PHOTOS, kind, "") for name, kind in task.outputs.items()}
            continue
        if task.output_parameters:
            raise UsageError(
                "A compose file cannot hand on the values of parameters.",
                received=task.name,
                advice="Run that pipeline with `facenet run --runner compose` instead.",
            )
        places[task.name] = {name: Artifact(folder / name, kind, "") for name, kind in task.outputs.items()}
        inputs = {
            name: [places[origin.task][origin.name] for origin in origins] for name, origins in task.artifacts.items()
        }
        command = render(task.executor.command, executor_input(task, parameters, inputs, folder))
        needed = [name for name in sorted(task.after) if name in services]
        described.append({"task": task.name, "label": task.label, "template": task.template, "after": needed})
        services[task.name] = _service(
            task,
            command,
            needed,
            reads_photos=_PHOTOS in {one.path for artifacts in inputs.values() for one in artifacts},
        )
    run = {
        "pipeline": pipeline.name,
        "pipeline_file": "pipeline.yaml",
        "recipe": recipe,
        "settings": dict(settings or {}),
        "parameters": known,
    }
    images = [one["image"] for one in services.values()]
    begins = _recorder(BEGIN, [json.dumps({"run": run, "tasks": described})])
    begins["environment"]["PHOTOS"] = _WHERE_PHOTOS
    ends = {
        "command": ["python", "-c", "print('Every task succeeded.')"],
        "depends_on": _after([*services]),
    }
    return {"services": {BEGIN: {**_confine(images[0]), **begins}, **services, END: {**_confine(images[-1]), **ends}}}


def _service(task: Task, command: list[str], needed: list[str], *, reads_photos: bool) -> dict[str, Any]:
    assert not isinstance(task.executor, Importer)
    # Not of processors: an engine refuses to give more than the machine has, and this file does not know the machine.
    memory = {} if task.executor.memory is None else {"mem_limit": task.executor.memory}
    if task.executor.shared_memory:
        memory["shm_size"] = task.executor.shared_memory
    recorded = _recorder(task.name, command)
    recorded["environment"] |= task.executor.env
    if reads_photos:
        photos = {"type": "bind", "source": _WHERE_PHOTOS, "target": str(_PHOTOS), "read_only": True}
        recorded["volumes"].append(photos)
    return {**_confine(task.executor.image), **memory, **recorded, "depends_on": _after(needed or [BEGIN])}


def _confine(image: str) -> dict[str, Any]:
    """A service in a component's image that may do as little as a cluster with strict rules allows."""
    component = image.rpartition("/")[2].partition(":")[0]
    return {
        "image": image,
        "build": {
            "context": "..",
            "dockerfile": "docker/Dockerfile",
            "args": {"COMPONENT": component},
        },
        "user": "${OWNER:-0:0}",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "network_mode": "none",
        "tmpfs": ["/tmp"],  # noqa: S108 - the container's own
    }


def _recorder(what: str, words: list[str]) -> dict[str, Any]:
    """What the recorder needs to do something in a service, beside the component's code."""
    command = ["python", "-u", "-m", "pipelines.local.composed", str(_RUNS), what, *words]
    return {
        # A dollar sign is compose's own.
        "command": [word.replace("$", "$$") for word in command],
        "environment": {"PYTHONPATH": f"/app:{_RECORDER}", "RUNS": _WHERE_RUNS},
        "volumes": [f"{_WHERE_RUNS}:{_RUNS}", f"../pipelines:{_RECORDER}/pipelines:ro"],
    }


def _after(names: list[str]) -> dict[str, Any]:
    return {name: {"condition": "service_completed_successfully"} for name in names}
