"""The Docker engine of this machine."""

from __future__ import annotations

import subprocess

from components.common.errors import FacenetError


def _docker(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise FacenetError(
            "Docker is not installed.",
            advice="Install it (docs.docker.com/engine/install), or run the pipeline as plain processes.",
        ) from error


def check() -> None:
    """Checks that an engine answers.

    Raises:
        FacenetError: none does; with what Docker says of it.
    """
    answer = _docker("version", "--format", "{{.Server.Version}}")
    if answer.returncode:
        raise FacenetError(
            "The Docker engine does not answer.",
            received=(answer.stderr or answer.stdout).strip(),
            advice="Start it (for instance `sudo systemctl start docker`), and see that you may use it.",
        )


def has_image(reference: str) -> bool:
    """Whether an image is on this machine."""
    return _docker("image", "inspect", "--format", "{{.Id}}", reference).returncode == 0
