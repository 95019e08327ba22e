"""The pipeline as a file for `docker compose`, for machines with nothing but Docker on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.common.errors import UsageError
from pipelines.local.plan import Importer, Pipeline, Task, parameter_values
from pipelines.local.render import Artifact, executor_input, rendered

_RUNS, _PHOTOS = Path("/runs"), Path("/photos")
HEADER = """\
# Generated from pipeline.yaml and the recipe `{recipe}` by `facenet compile`; do not edit.
#     PHOTOS=$PWD/photos RUNS=$PWD/runs/compose docker compose -f docker/compose.yaml up
# The first time it builds the images. Results belong to root, or to OWNER=$(id -u):$(id -g) when RUNS is there already.
"""


def compose_file(pipeline: Pipeline) -> dict[str, Any]:
    """The services of a pipeline, one for each task, each after those it depends on.

    Only what docker-compose 1.29 and later ones both understand.

    Args:
        pipeline: with a value for every parameter but `photos`, and one importer, of the photos.

    Raises:
        UsageError: the pipeline hands on parameters, whose values only a run knows.
    """
    values = {**{name: one.default for name, one in pipeline.parameters.items()}, "photos": str(_PHOTOS)}
    known = {name: value for name, value in values.items() if value is not None}
    places: dict[str, dict[str, Artifact]] = {}
    services = {}
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
        command = rendered(task.executor.command, executor_input(task, parameters, inputs, folder))
        needed = [name for name in sorted(task.after) if name in services]
        services[task.name] = _service(
            task,
            command,
            needed,
            reads_photos=_PHOTOS in {one.path for artifacts in inputs.values() for one in artifacts},
        )
    return {"services": services}


def _service(task: Task, command: list[str], needed: list[str], *, reads_photos: bool) -> dict[str, Any]:
    assert not isinstance(task.executor, Importer)
    # Not of processors: an engine refuses to give more than the machine has, and this file does not know the machine.
    memory = {} if task.executor.memory is None else {"mem_limit": task.executor.memory}
    if task.executor.shared_memory:
        memory["shm_size"] = task.executor.shared_memory
    photos = {
        "type": "bind",
        "source": "${PHOTOS:?Say where the photos are, as PHOTOS=/folder docker compose ... up}",
        "target": str(_PHOTOS),
        "read_only": True,
    }
    component = task.executor.image.rpartition("/")[2].partition(":")[0]
    return {
        "image": task.executor.image,
        "build": {
            "context": "..",
            "dockerfile": "docker/Dockerfile",
            "args": {"COMPONENT": component},
        },
        # A dollar sign is compose's own.
        "command": [word.replace("$", "$$") for word in command],
        "environment": dict(task.executor.env),
        "user": "${OWNER:-0:0}",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "network_mode": "none",
        "tmpfs": ["/tmp"],  # noqa: S108 - the container's own
        **memory,
        "volumes": [f"${{RUNS:-../runs/compose}}:{_RUNS}", *([photos] if reads_photos else [])],
        "depends_on": {name: {"condition": "service_completed_successfully"} for name in needed},
    }
