"""Whether the images' packages are there for aarch64, and load where memory comes in pages of 16 KiB: a Raspberry Pi 5.

`make pi-wheels` unpacks the wheels that the images' locks name, by their hashes, and reads the headers of their
libraries. The dynamic loader refuses a library whose segments are aligned to less than a page of the kernel.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from components.common.command import run
from components.common.errors import FacenetError
from components.common.flags import Flag
from components.specification.images import REPOSITORY
from tests.pi.check import PAGE, PYTHONS

# TensorFlow for NVIDIA's GPUs is for no Pi.
LOCKS = sorted(set(REPOSITORY.glob("docker/*/*.lock")) - set(REPOSITORY.glob("docker/*/*-gpu.lock")))
_LOADED = 1  # PT_LOAD


@dataclass(frozen=True)
class Settings:
    """Check that the images' packages for aarch64 load where memory comes in pages of 16 KiB."""

    python: Annotated[str, Flag("VERSION")] = PYTHONS["trixie"]
    """For which Python; that of today's Raspberry Pi OS when not given."""


def alignment(file: Path) -> int | None:
    """The least alignment of the segments that are loaded, in bytes, by the program headers of a 64-bit ELF file.

    None where nothing is loaded, as from all other files.
    """
    with file.open("rb") as library:
        head = library.read(64)
        if head[:6] != b"\x7fELF\x02\x01":
            return None
        (table,) = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        library.seek(table)
        segments = struct.iter_unpack("<I44xQ", library.read(size * count))
        return min((align for kind, align in segments if kind == _LOADED), default=None)


def _unpack(python: str, packages: Path) -> None:
    where = ["--python-platform=aarch64-manylinux_2_28", f"--python-version={python}", f"--target={packages}"]
    what = ["--require-hashes", "--no-deps", *(f"--requirements={lock}" for lock in LOCKS)]
    # Its cache would keep a gigabyte that nothing on this machine can use.
    command = ["uv", "pip", "install", "--quiet", "--no-config", "--no-cache", "--only-binary=:all:", *where, *what]
    if subprocess.run([sys.executable, "-m", *command], check=False).returncode:
        raise FacenetError(
            f"Not every package can be had for aarch64 and Python {python}.",
            advice="uv says above which and why; take versions that have wheels.",
        )


def _check(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as folder:
        packages = Path(folder)
        _unpack(settings.python, packages)
        count = len(list(packages.glob("*.dist-info")))
        files = [file for file in packages.rglob("*") if file.is_file() and not file.is_symlink()]
        found = {file.relative_to(packages): aligned for file in files if (aligned := alignment(file)) is not None}
    print(f"{len(LOCKS)} locks: {count} packages for aarch64 and Python {settings.python}, {len(found)} libraries")
    small = [f"{name}: {aligned}" for name, aligned in sorted(found.items()) if aligned % PAGE]
    if small:
        raise FacenetError(
            f"{len(small)} libraries are aligned to less than {PAGE} bytes, and do not load on a Raspberry Pi 5.",
            received="\n".join(small),
            advice="Take versions that were linked with -z max-page-size=65536.",
        )
    print(f"All are aligned to {PAGE} bytes or more.")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the check."""
    return run(Settings, _check, argv, prog="pi-wheels")


if __name__ == "__main__":
    sys.exit(main())
