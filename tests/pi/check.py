"""Enroll, verify and identify as on a 64-bit Raspberry Pi: Debian for ARM, every instruction emulated by QEMU.

`make pi-check MODEL=facenet.tflite` as root (for chroot), with debootstrap and qemu-user-static installed. The packages
are those of docker/verify/requirements.lock for aarch64, installed from outside: nothing of the emulated system is run
but Python, and no program is registered with the kernel.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from components.common.command import run
from components.common.errors import FacenetError, UsageError
from components.sample.folder import draw
from components.specification.code import copy
from components.specification.images import REPOSITORY, requirements
from components.verify.runs import newest
from components.verify.verify import DIFFERENT

# The Python of each Debian, and of the Raspberry Pi OS of the same name.
PYTHONS = {"trixie": "3.13", "bookworm": "3.11"}
# The processor of a Raspberry Pi 3: whatever needs a newer one stops here.
PROCESSOR = "cortex-a53"
CORES = 4
# How the kernel of a Raspberry Pi 5 divides memory, in bytes; what loads there also loads with smaller pages.
PAGE = 16 * 1024
CPUINFO = """\
processor\t: {}
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd03
CPU revision\t: 4

"""
GLIBC = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_26", "manylinux_2_17", "manylinux2014")
PACKAGES, CODE, DATA = "opt/packages", "opt/code", "opt/data"
# Few enough that no processes are started for them: the kernel could not start one of another architecture.
PEOPLE, PHOTOS = 4, 3
# How far a distance there may be from that of this machine: processors round differently, int8 kernels most.
TOLERANCE = 0.05
_MEASURED = """
import resource, sys
from components.verify.__main__ import main
code = main(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
sys.exit(code)
"""


@dataclass(frozen=True)
class Settings:
    """Run enroll, verify and identify in an emulated Debian for ARM."""

    model: Path | None = None
    """A .tflite file that `facenet export` wrote, with thresholds; the best one of the newest run when not given."""
    debian: Literal["trixie", "bookworm"] = "trixie"
    """Which Debian: 13, as today's Raspberry Pi OS, or 12."""
    root: Path = Path("build/pi")
    """The folder of the emulated systems, one for each Debian; each is made when it is not there."""


def _do(command: Sequence[str | Path], **options: Any) -> None:
    if subprocess.run(list(map(str, command)), check=False, **options).returncode:
        raise FacenetError("A step of the check failed.", received=" ".join(map(str, command)))


def _emulator() -> str:
    emulator = shutil.which("qemu-aarch64-static")
    missing = [program for program in ("debootstrap", "dpkg-deb", "tar") if shutil.which(program) is None]
    if emulator is None or missing or os.geteuid():
        raise UsageError(
            "The check needs root and some programs of Debian.",
            received=f"user {os.geteuid()}, missing: {', '.join(missing + ['qemu-aarch64-static'] * (not emulator))}",
            advice="apt-get install debootstrap qemu-user-static, and run it with sudo.",
        )
    return emulator


def _system(root: Path, debian: str, emulator: str) -> None:
    """Unpacks Debian's packages; they are not configured, which would run their programs."""
    aside = root.with_name(f"{root.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    options = ["--foreign", "--arch=arm64", "--variant=minbase", "--include=python3"]
    _do(["debootstrap", *options, debian, aside], stdout=subprocess.DEVNULL)
    for package in sorted((aside / "var/cache/apt/archives").glob("*.deb")):
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as unpacked:
            _do(["tar", "-C", aside, "-x", "--keep-directory-symlink"], stdin=unpacked.stdout)
        package.unlink()
    shutil.copy(emulator, aside / "usr/bin/emulator")
    _describe_processor(aside)
    aside.rename(root)


def _describe_processor(root: Path) -> None:
    """What LiteRT asks the system for before it uses its kernels for ARM."""
    (root / "proc").unlink()  # a link to this machine's
    for name in ("proc", "sys/devices/system/cpu"):
        (root / name).mkdir(parents=True)
    (root / "proc/cpuinfo").write_text("".join(map(CPUINFO.format, range(CORES))))
    for name in ("possible", "present"):
        (root / "sys/devices/system/cpu" / name).write_text(f"0-{CORES - 1}\n")


def _install(root: Path, python: str, model: Path) -> None:
    """The packages for aarch64 as an image has them, the code of verify, the model, and drawn photos."""
    for place in (PACKAGES, CODE, DATA):
        shutil.rmtree(root / place, ignore_errors=True)
    platforms = [word for name in GLIBC for word in ("--platform", f"{name}_aarch64")]
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    target = ["--python-version", python, "--target", str(root / PACKAGES), *platforms]
    _do([sys.executable, "-m", "pip", "install", *options, *target, "-r", REPOSITORY / requirements("verify")])
    _do([sys.executable, REPOSITORY / "docker/slim.py", root / PACKAGES])
    copy("components.verify", REPOSITORY, root / CODE)
    draw(root / DATA / "people", identities=PEOPLE, photos=PHOTOS, seed=0)
    shutil.copy(model, root / DATA / "facenet.tflite")


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def _told(command: Sequence[str | Path | int], name: str) -> tuple[dict[str, Any], str]:
    """What a command prints as JSON, and the rest."""
    began = time.monotonic()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode not in (0, DIFFERENT):
        raise FacenetError("A command failed.", received=f"{name}, exit code {done.returncode}\n{done.stderr[-2000:]}")
    said = f"exit code {done.returncode} after {time.monotonic() - began:.0f} s"
    return json.loads(done.stdout), f"{said}, {done.stderr.rsplit('peak', 1)[-1].strip()} MB"


def _there(root: Path, *flags: str | Path) -> dict[str, Any]:
    """What a command of verify says in the emulated system."""
    emulator = ["/usr/bin/emulator", "-cpu", PROCESSOR, "-p", PAGE, "-E", f"PYTHONPATH=/{PACKAGES}:/{CODE}"]
    command = ["chroot", root, *emulator, "/usr/bin/python3", "-c", _MEASURED, *flags, "--json"]
    answer, took = _told(command, str(flags[0]))
    print(f"  {flags[0]:<8} {took} resident at most, the emulator's own included", flush=True)
    return answer


def _here(root: Path, *flags: str | Path) -> dict[str, Any]:
    """What it says on this machine."""
    return _told([sys.executable, "-m", "components.verify", *flags, "--json"], str(flags[0]))[0]


def _demand(true: bool, what: str, found: object) -> None:
    if not true:
        raise FacenetError(f"The emulated system does not {what}.", received=found)


def _compare(root: Path) -> None:
    model, gallery = ["-c", f"/{DATA}/facenet.tflite"], ["-g", f"/{DATA}/gallery.db"]
    first, other = sorted((root / DATA / "people").glob("*/*.jpg"))[::PHOTOS][:2]
    photos = [first, first.with_name("01.jpg"), other]
    # First here, where it takes a second: what is wrong with the file is said before minutes of emulation.
    here = _here(root, "verify", *photos, "-c", root / DATA / "facenet.tflite")
    enrolled = _there(root, "enroll", f"/{DATA}/people", *gallery, *model)
    _demand(enrolled["total_people"] == PEOPLE, "enroll everybody", enrolled)
    flags = [Path("/", photo.relative_to(root)) for photo in photos]
    there = _there(root, "verify", *flags, *model)
    pairs = list(zip(there["pairs"], here["pairs"], strict=True))
    apart = max(abs(one["distance"] - another["distance"]) for one, another in pairs)
    _demand(apart <= TOLERANCE, "measure the distances of this machine", [pair for both in pairs for pair in both])
    named = _there(root, "identify", flags[0], *gallery, *model)["photos"][0]["faces"][0]
    _demand(named["name"] == first.parent.name, "know a face that was enrolled", named)
    print(f"Distances differ from those of this machine by at most {apart:.4f}. Names are right.")


def _check(settings: Settings) -> None:
    emulator = _emulator()
    model = settings.model or ((left := newest()) and left.path)
    if model is None or not model.is_file():
        raise UsageError(
            "The check needs an exported network.",
            received=model or "none, and no run that left one",
            advice="make pi-check MODEL=FILE.tflite; a run of the pipeline leaves some in runs/latest/export/model.",
        )
    root = settings.root.absolute() / settings.debian
    if not root.is_dir():
        root.parent.mkdir(parents=True, exist_ok=True)
        _system(root, settings.debian, emulator)
    _install(root, PYTHONS[settings.debian], model)
    print(f"Debian {settings.debian} for aarch64 in {root}, emulated as {PROCESSOR} with pages of {PAGE} bytes")
    print(f"  packages {_megabytes(root / PACKAGES):.0f} MB, code {_megabytes(root / CODE):.2f} MB", flush=True)
    _compare(root)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the check."""
    return run(Settings, _check, argv, prog="pi-check")


if __name__ == "__main__":
    sys.exit(main())
