"""`make setup` with one Python and another: which are refused, and which environments are kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
ALLOWED = ("3.11", "3.12", "3.13")

# Says a version, and makes environments whose Python is a copy of it; notes what it was told.
STUB = """#!/bin/sh
echo "{version} $*" >> {calls}
case "$*" in
    --version) echo "Python {version}.4" ;;
    "-m venv --clear "*) rm -rf "$4"; mkdir -p "$4/bin"; cp "$0" "$4/bin/python" ;;
    "-m pip"*) test ! -e {broken} ;;
esac
"""


@pytest.fixture
def project(tmp_path):
    for name in ("Makefile", "venv.sh", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    (tmp_path / "requirements.lock").touch()
    (tmp_path / "bin").mkdir()
    for version in ALLOWED:  # in front of this machine's; as pyenv's stand-ins for those that are not chosen
        (tmp_path / "bin" / f"python{version}").write_text(
            f"#!/bin/sh\necho 'pyenv: python{version}: command not found' >&2; exit 127"
        )
        (tmp_path / "bin" / f"python{version}").chmod(0o755)
    return tmp_path


def python_of(project: Path, version: str) -> str:
    stub = project / "bin" / f"python{version}"
    stub.write_text(STUB.format(version=version, calls=project / "calls", broken=project / "broken"))
    stub.chmod(0o755)
    return str(stub)


def setup(project: Path, python: str | None = None) -> subprocess.CompletedProcess[str]:
    command = ["make", "setup", *([f"PYTHON={python}"] if python else [])]
    env = {"PATH": f"{project / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)


def installed(project: Path) -> list[str]:
    """The Pythons that packages were installed for since the last look, by version."""
    lines = (project / "calls").read_text().splitlines() if (project / "calls").exists() else []
    (project / "calls").unlink(missing_ok=True)
    return [line.split()[0] for line in lines if "pip install" in line and "requirements.lock" in line]


def others() -> dict[str, str]:
    """The Pythons of this machine that are not allowed, with versions as `3.9`: the system's, and those beside this."""
    found = {}
    beside = Path(sys.base_prefix).parent.glob("*/bin/python3")  # pyenv's, for one
    for python in [*beside, *Path("/usr/bin").glob("python3.[0-9]*[0-9]")]:
        said = subprocess.run([python, "--version"], capture_output=True, text=True, check=False).stdout
        found[str(python)] = said.removeprefix("Python ").rpartition(".")[0]
    return {python: version for python, version in found.items() if version not in ALLOWED}


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.14", "4.11"])
def test_another_python_is_refused_before_anything_is_made(project, version):
    python = python_of(project, version)
    ended = setup(project, python)
    assert ended.returncode == 2
    headline, received, advice = ended.stderr.splitlines()[:3]
    assert headline == "Another Python is needed: 3.11 to 3.13."
    assert received == f"Received: {python}, which is Python {version}"
    assert advice.endswith("make setup PYTHON=python3.13")
    assert not (project / ".venv").exists()
    assert installed(project) == []


def test_the_real_pythons_of_this_machine_are_refused_alike(project):
    if not others():
        pytest.skip("there is no other Python on this machine")
    for python, version in others().items():
        assert f"Received: {python}, which is Python {version}" in setup(project, python).stderr
    assert not (project / ".venv").exists()


def test_what_is_no_python_is_refused(project):
    assert "Received: python3.nowhere, which does not start" in setup(project, "python3.nowhere").stderr
    assert "Received: true, which does not start" in setup(project, "true").stderr


def test_the_newest_python_that_starts_is_taken_and_named(project):
    for version in ("3.11", "3.12"):
        python_of(project, version)
    assert f".venv is made with {project / 'bin' / 'python3.12'}, Python 3.12." in setup(project).stdout
    assert installed(project) == ["3.12"]


def test_where_no_python_is_suitable_the_advice_says_what_to_install(project):
    ended = setup(project)
    assert ended.returncode == 2
    assert "Received: no python3.11 to python3.13 that starts and has the module ensurepip" in ended.stderr
    assert "apt install python3-venv" in ended.stderr
    assert not (project / ".venv").exists()


def test_an_environment_that_is_finished_is_kept_whatever_python_made_it(project):
    for version in ALLOWED:
        python_of(project, version)
    assert setup(project, "python3.12").returncode == 0
    assert installed(project) == ["3.12"]
    for python in (None, "python3.12"):
        assert setup(project, python).stdout == ""
        assert installed(project) == []
    assert ".venv is of Python 3.12, not of 3.11: it is made anew." in setup(project, "python3.11").stdout
    assert installed(project) == ["3.11"]


def test_an_environment_of_a_python_that_is_not_allowed_any_more_is_made_anew(project):
    python_of(project, "3.11")
    (project / ".venv").mkdir()
    subprocess.run([python_of(project, "3.9"), "-m", "venv", "--clear", project / ".venv"], check=True)
    (project / ".venv" / ".ready").touch()
    assert ".venv is of Python 3.9, not of 3.11: it is made anew." in setup(project).stdout
    assert installed(project) == ["3.11"]


def test_an_environment_that_was_left_unfinished_is_made_anew(project):
    python_of(project, "3.11")
    (project / "broken").touch()
    assert setup(project).returncode != 0
    (project / "broken").unlink()
    (project / ".venv" / "half").touch()
    assert ".venv was left unfinished: it is made anew." in setup(project).stdout
    assert not (project / ".venv" / "half").exists()
    # Nor is one trusted whose packages were being renewed.
    (project / "broken").touch()
    os.utime(project / "requirements.lock", (2e9, 2e9))
    assert setup(project).returncode != 0
    assert not (project / ".venv" / ".ready").exists()
