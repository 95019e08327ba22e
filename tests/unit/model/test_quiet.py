"""What TensorFlow is told before it is loaded."""

from __future__ import annotations

import importlib
import os

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
