"""`facenet images`: builds the images that are not there yet."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from components.common.command import run
from components.common.errors import FacenetError, UsageError
from components.common.flags import Flag
from components.common.suggest import suggestion
from components.specification.images import COMPONENTS, REPOSITORY, VARIANTS, reference, requirements
from pipelines.compiled import ir
from pipelines.local import engine
from pipelines.plan.tasks import Container

# Where pip is told to look for packages; the build's own stage sees them, the image does not.
_PIP = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")


@dataclass(frozen=True)
class Settings:
    """Build the image of every component, unless its tag, a hash of what it is made from, is there already.

    Set FACENET_REGISTRY (as registry.example/team) for names that a cluster can pull.
    """

    only: Annotated[tuple[str, ...], Flag("COMPONENT", repeated=True)] = ()
    """Build the image of this component only."""
    variant: Literal["", "gpu", "litert"] = ""
    """Build a variant of the images instead. gpu: mine-and-train for NVIDIA GPUs, several gigabytes; litert: embed
    without TensorFlow, for all but `dlib` and bfloat16, on aarch64 too."""
    pipeline: Annotated[Path | None, Flag("FILE")] = None
    """Build the images that this compiled pipeline names, and no others: what a cluster pulls to run it."""
    push: bool = False
    """Push every image to its registry."""
    base_image: Annotated[str, Flag("IMAGE")] = "python:3.13-slim"
    """The image that all others are built on; it must contain Python, 3.11 to 3.13."""


def build(component: str, variant: str = "", base_image: str = Settings.base_image) -> str:
    """Builds the image of a component, unless it is there.

    Returns:
        Its reference.

    Raises:
        FacenetError: no engine answers, or the build failed.
    """
    name = reference(component, variant)
    if engine.has_image(name):
        print(f"{name}  is up to date", flush=True)
        return name
    print(f"{name}  is built", flush=True)
    _run(command(name, component, variant, base_image), f"The image of {component} cannot be built.")
    return name


def command(name: str, component: str, variant: str = "", base_image: str = Settings.base_image) -> list[str]:
    """The command that builds a component's image under a name, with whichever builder the engine has."""
    arguments = {
        "COMPONENT": component,
        "BASE_IMAGE": base_image,
        "REQUIREMENTS": Path(requirements(component, variant)).name,
    }
    given = [f"{key}={value}" for key, value in arguments.items()]
    # By name: the value is taken from the environment, and in no list of processes.
    given += [key for key in _PIP if os.environ.get(key)]
    words = [word for argument in given for word in ("--build-arg", argument)]
    return ["docker", "build", "--file", "docker/Dockerfile", "--tag", name, *words, "."]


def _run(command: Sequence[str], headline: str) -> None:
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    for line in process.stdout:
        print(f"  | {line.decode(errors='replace').rstrip()}", flush=True)
    if process.wait():
        raise FacenetError(
            headline,
            received=f"exit code {process.returncode} of `{' '.join(command)}`",
            advice="The reason is in the last lines above.",
        )


def _images_of(file: Path) -> list[tuple[str, str]]:
    """The components whose images a compiled pipeline names, each with its variant.

    Raises:
        UsageError: it is no compiled pipeline, or names images of other code or of another registry.
    """
    tasks = ir.read(file).tasks
    images = dict.fromkeys(task.executor.image for task in tasks if isinstance(task.executor, Container))
    every = [(component, "") for component in COMPONENTS]
    every += [(component, variant) for variant, having in VARIANTS.items() for component in having]
    known = {reference(*one): one for one in every}
    for name in images:
        if name not in known:
            raise UsageError(
                "The pipeline names an image that cannot be built from this code under that name.",
                received=name,
                advice="Compile it again with the FACENET_REGISTRY that is set now: facenet compile -o FILE.",
            )
    return [known[name] for name in images]


def _choose(settings: Settings) -> list[tuple[str, str]]:
    """The components whose images are to be built, each with its variant.

    Raises:
        UsageError: no such component, or flags that exclude each other.
    """
    if settings.pipeline:
        if settings.only or settings.variant:
            raise UsageError("--pipeline says which images.", advice="Leave out --only and --variant.")
        return _images_of(settings.pipeline)
    for component in settings.only:
        if component not in COMPONENTS:
            raise UsageError(
                "There is no such component.", received=component, advice=suggestion(component, COMPONENTS)
            )
    having = VARIANTS.get(settings.variant, COMPONENTS)
    for component in settings.only:
        if component not in having:
            raise UsageError(
                f"Only {', '.join(having)} has a variant {settings.variant}.",
                received=component,
                advice="Leave out --variant, or name those components.",
            )
    return [(component, settings.variant) for component in settings.only or having]


def _images(settings: Settings) -> None:
    chosen = _choose(settings)
    engine.check()
    for component, variant in chosen:
        name = build(component, variant, settings.base_image)
        if settings.push:
            _run(["docker", "push", name], f"The image {name} cannot be pushed.")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _images, argv, prog="facenet images")


if __name__ == "__main__":
    sys.exit(main())
