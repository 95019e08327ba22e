"""Which image each component runs in: the one table of image references."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from pathlib import Path

from components.common.errors import UsageError
from components.specification.code import sha256_of_code
from components.specification.stages import STAGES, package

REPOSITORY = Path(__file__).resolve().parents[2]
COMPONENTS = (*STAGES, "verify", "serve")
# Variants with other locked requirements, and the components that have them: "gpu" for NVIDIA GPUs, "litert" for
# .tflite files, without TensorFlow.
VARIANTS = {"gpu": ("mine-and-train",), "litert": ("embed",)}
# The files that every image is made from, besides the component's code.
_RECIPE = ("docker/Dockerfile", "docker/slim.py", "components/specification/code.py")
_DIGITS = 12
# A host with or without a port, and a path: small letters, digits, and single marks between them.
_NAME = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REGISTRY = re.compile(rf"{_NAME}(?::[0-9]+)?(?:/{_NAME})*")


@functools.cache
def reference(component: str, variant: str = "") -> str:
    """The image of a component, as `facenet/extract:0123456789ab`.

    The tag is a hash of everything that the image is made from, so it never names another content: Kubeflow's cache key
    holds this string, not what the image contains.

    Args:
        component: one of `COMPONENTS`.
        variant: one of `VARIANTS`; "" for the usual image.

    Returns:
        The reference, which begins with `registry()`.

    Raises:
        UsageError: its locked requirements are missing; see also `registry`.
    """
    whole = hashlib.sha256(sha256_of_code(command(component), REPOSITORY).encode())
    locked = requirements(component, variant)
    if not (REPOSITORY / locked).is_file():
        raise UsageError(
            "The locked requirements of an image are missing.",
            received=locked,
            advice=f"Restore the file from git, or write it with `make lock ONE={component}`.",
        )
    for file in (*_RECIPE, locked):
        whole.update((REPOSITORY / file).read_bytes())
    tag = "-".join(filter(None, [whole.hexdigest()[:_DIGITS], variant]))
    return f"{registry()}/{component}:{tag}"


def registry() -> str:
    """The place of images, which begins their names: FACENET_REGISTRY, as `registry.example/team`, or `facenet`.

    Raises:
        UsageError: no name of an image can begin with it.
    """
    given = os.environ.get("FACENET_REGISTRY", "").strip().rstrip("/") or "facenet"
    if not _REGISTRY.fullmatch(given):
        raise UsageError(
            "FACENET_REGISTRY does not name a place for images.",
            received=given,
            advice="Write a host and a path in small letters, without https://: registry.example/team.",
        )
    return given


def command(component: str) -> list[str]:
    """The start of every command of a component: without a shell, and with unbuffered output."""
    return ["python", "-u", "-m", package(component)]


def requirements(component: str, variant: str = "") -> str:
    """The file with the locked requirements of a component's image, relative to the repository's root."""
    return f"docker/{component}/{'-'.join(filter(None, ['requirements', variant]))}.lock"
