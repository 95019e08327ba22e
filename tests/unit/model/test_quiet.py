"""What TensorFlow is told before it is loaded."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest

import components.model


@pytest.mark.parametrize(
    ("driver", "given", "level"), [(False, None, "3"), (True, None, "2"), (False, "0", "0"), (True, "1", "1")]
)
def test_without_nvidias_driver_tensorflow_does_not_call_that_an_error(monkeypatch, driver, given, level):
    monkeypatch.setattr("os.path.exists", lambda path: driver and path == "/dev/nvidiactl")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", given or "")
    if given is None:
        monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    importlib.reload(components.model)
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == level


@pytest.mark.parametrize(
    ("machine", "given", "told"), [("x86_64", None, "1"), ("x86_64", "0", "0"), ("aarch64", None, None)]
)
def test_on_x86_tensorflow_is_told_to_use_onednn(monkeypatch, machine, given, told):
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", given or "")
    if given is None:
        monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    importlib.reload(components.model)
    assert os.environ.get("TF_ENABLE_ONEDNN_OPTS") == told


# What a build for GPUs says; then something that matters.
SAYS = """
import os
os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\\n")
os.write(2, b"I0000 00:00:17.3 7 cudart_stub.cc:31] Could not find cuda drivers on your machine\\n")
os.write(2, b"I0000 00:00:17.3 7 port.cc:153] oneDNN custom operations are on. You may see slightly different\\n")
os.write(2, b"E0000 00:00:17.3 7 elsewhere.cc:31] This matters\\n")
"""


@pytest.mark.parametrize(("level", "lines"), [("3", 1), ("2", 4), ("0", 4)])
def test_loading_is_silent_about_cuda_and_about_nothing_else(tmp_path, level, lines):
    (tmp_path / "tensorflow.py").write_text(SAYS + "raise ImportError('broken')")
    code = "import sys, components.model as m\ntry: m.load_tensorflow()\nexcept ImportError as e: sys.exit(str(e))"
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    env = {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": level}
    ended = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert ended.stderr.splitlines()[-2:] == ["E0000 00:00:17.3 7 elsewhere.cc:31] This matters", "broken"]
    assert len(ended.stderr.splitlines()) == lines + 1


@pytest.mark.long
@pytest.mark.skipif(any(map(os.path.exists, components.model._DRIVERS)), reason="here is NVIDIA's driver")
def test_the_real_one_says_nothing_where_there_is_no_driver_and_loads_nothing_that_is_not_used():
    code = (
        "import sys, components.model as m; m.load_tensorflow(); import keras; "
        "assert not {'matplotlib', 'pandas', 'sklearn'} & sys.modules.keys(); import pandas"
    )
    env = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    ended = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == ("", "")
