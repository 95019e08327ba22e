"""The Raspberry Pi's camera is not here: a module with the signatures of Picamera2 0.3.38 takes its place."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from components.common.errors import FacenetError, UsageError
from components.verify.sources import PICAMERA, pictures_of


class Picamera2:
    cameras = (
        {"Model": "imx708", "Location": 2, "Rotation": 180, "Id": "/base/soc/i2c0mux/i2c@1/imx708@1a", "Num": 0},
    )
    busy = False
    calls: ClassVar[list[str]] = []

    @staticmethod
    def global_camera_info():
        return Picamera2.cameras

    def __init__(self, camera_num=0, verbose_console=None, tuning=None, allocator=None):
        if self.busy:
            raise RuntimeError("Camera __init__ sequence did not complete.")

    def create_video_configuration(self, main=None, lores=None, raw=None, transform=None, colour_space=None):
        return {"main": main}

    def configure(self, camera_config=None):
        self.main = camera_config["main"]
        assert self.main["format"] == "BGR888"  # of which the first byte of a pixel is red

    def start(self, config=None, show_preview=False):
        self.calls.append("start")

    def capture_array(self, name="main", wait=None, signal_function=None):
        width, height = self.main["size"]
        return np.tile(np.array([200, 100, 50], np.uint8), (height, width, 1))

    def close(self):
        self.calls.append("close")


@pytest.fixture
def picamera2(monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", SimpleNamespace(Picamera2=Picamera2))
    monkeypatch.setattr(Picamera2, "calls", [])
    return Picamera2


def first(pause=lambda seconds: False):
    return next(pictures_of(PICAMERA, pause))


def test_pictures_come_until_it_is_time_to_stop_and_the_camera_is_closed(picamera2):
    left = iter([False, False, True])
    pictures = list(pictures_of(PICAMERA, lambda seconds: next(left)))
    assert [(picture.mode, picture.size) for picture in pictures] == [("RGB", (1280, 720))] * 2
    assert pictures[0].getpixel((0, 0)) == (200, 100, 50)
    assert picamera2.calls == ["start", "close"]


def test_no_camera_and_a_busy_one_are_said(picamera2, monkeypatch):
    monkeypatch.setattr(picamera2, "busy", True)
    with pytest.raises(FacenetError, match="does not open") as raised:
        first()
    assert "Another program" in str(raised.value)
    monkeypatch.setattr(picamera2, "cameras", ())
    with pytest.raises(FacenetError, match="No camera is connected"):
        first()


def test_where_picamera2_is_missing_the_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(UsageError, match="Picamera2") as raised:
        first()
    assert "apt-get install -y python3-picamera2" in str(raised.value)
