"""What would let somebody in: code in data files, packages without hashes, secrets in what is left behind."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.pipeline.conftest import Tiny

REPOSITORY = Path(__file__).resolve().parent.parent.parent
LOCKS = sorted(path for path in REPOSITORY.rglob("requirements*.lock") if ".venv" not in path.parts)
SOURCES = sorted(
    path for folder in ("components", "pipelines", "docker") for path in (REPOSITORY / folder).rglob("*.py")
)
# Run or unpickle what a file says, or let another program take a temporary file's place.
FORBIDDEN_NAMES = {
    "eval", "exec", "compile", "read_pickle", "to_pickle", "load_model", "model_from_json", "unsafe_load", "full_load",
    "FullLoader", "UnsafeLoader", "CUnsafeLoader", "CFullLoader", "mktemp", "extractall", "unpack_archive", "system",
    "popen", "enable_unsafe_deserialization",
}  # fmt: skip
FORBIDDEN_ARGUMENTS = {"allow_pickle", "shell", "safe_mode", "custom_objects"}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.relative_to(REPOSITORY).as_posix())
def test_every_locked_package_has_hashes(lock):
    assert LOCKS and len(LOCKS) > 8
    entries = re.split(r"\n(?=[a-zA-Z0-9])", lock.read_text().strip())
    packages = [entry for entry in entries if not entry.startswith(("#", "--"))]
    assert packages
    for package in packages:
        assert re.match(r"[A-Za-z0-9_.\[\]-]+==\S+", package), package.splitlines()[0]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", package), package.splitlines()[0]


def test_packages_are_installed_with_their_hashes_only():
    for file in ("Makefile", "docker/Dockerfile"):
        text = (REPOSITORY / file).read_text()
        assert "--require-hashes" in text, file


def test_no_data_file_is_run_and_no_shell_is_started():
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            module = getattr(getattr(node.func, "value", None), "id", "")
            allowed = name == "compile" and (module == "re" or isinstance(node.func, ast.Attribute))
            place = f"{source.relative_to(REPOSITORY)}, line {node.lineno}"
            assert name not in FORBIDDEN_NAMES or allowed, f"{place}: {name}"
            given = {keyword.arg for keyword in node.keywords}
            assert not given & FORBIDDEN_ARGUMENTS, f"{place}: {given & FORBIDDEN_ARGUMENTS}"


def test_no_secret_of_the_environment_is_left_in_a_run(tmp_path):
    """Records, logs and the cache of a run; what `facenet submit` prints and sends: tests/submit/test_trouble.py."""
    tiny = Tiny(tmp_path, "process")
    with patch.dict("os.environ", {"KFP_EXISTING_TOKEN": "secret-1234", "AWS_SECRET_ACCESS_KEY": "secret-5678"}):
        assert tiny.run() == 0
    left = [path for path in tiny.runs.rglob("*") if path.is_file()]
    assert left and not [path for path in left if b"secret-" in path.read_bytes()]


def test_no_file_of_secrets_gets_into_an_image():
    """An image gets single files that its command imports, and the build context is code alone."""
    ignored = (REPOSITORY / ".dockerignore").read_text().split()
    assert ignored[:3] == ["*", "!components", "!docker"]
