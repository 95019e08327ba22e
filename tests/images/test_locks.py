"""What the images are made of is there, by the locked hashes, for the machines and Pythons that they are for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from components.specification import images
from pipelines import build

ALL = [lock.relative_to(images.REPOSITORY).as_posix() for lock in sorted(images.REPOSITORY.glob("docker/*/*.lock"))]
GPU = images.requirements("mine-and-train", "gpu")
OF_IMAGES = "3.13"
# verify runs where its image does not, too: Debian 12 has the first of these, and TensorFlow has nothing for the last.
OF_VERIFY = ("3.11", "3.12", "3.14")
ON_ARM = [(lock, OF_IMAGES) for lock in ALL if lock != GPU]
ON_ARM += [(images.requirements("verify"), python) for python in OF_VERIFY]


def resolved(lock: str, python: str, machine: str, folder: Path) -> str:
    """What uv would install of a lock: wheels only, of the locked hashes, onto a C library as old as Debian 12's."""
    where = [f"--python-platform={machine}-manylinux_2_28", f"--python-version={python}", f"--target={folder}"]
    what = ["--require-hashes", "--no-deps", f"--requirements={images.REPOSITORY / lock}"]
    command = ["uv", "pip", "install", "--no-config", "--dry-run", "--only-binary=:all:", *where, *what]
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stderr


@pytest.mark.long
@pytest.mark.parametrize(("lock", "python"), ON_ARM)
def test_every_package_is_there_for_arm(lock, python, tmp_path):
    assert " + numpy==" in resolved(lock, python, "aarch64", tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("python", OF_VERIFY)
def test_what_verify_needs_is_there_for_every_python_without_tensorflow(python, tmp_path):
    said = resolved(images.requirements("verify"), python, "x86_64", tmp_path)
    assert " + dlib-bin==" in said
    assert "tensorflow" not in said


@pytest.mark.long
def test_the_variant_for_gpus_is_locked_and_resolves(tmp_path):
    assert images.reference("mine-and-train", "gpu").endswith("-gpu")
    assert f"REQUIREMENTS={Path(GPU).name}" in build.command("image", "mine-and-train", "gpu")
    said = resolved(GPU, OF_IMAGES, "x86_64", tmp_path)
    assert " + nvidia-cudnn-cu12==" in said
    assert " + tensorflow==" in said
