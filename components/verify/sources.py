"""Where pictures come from while one watches: a folder that photos are put into, or a camera."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

from components.common.errors import FacenetError, UsageError
from components.common.names import plain
from components.extract.scan import below

PICAMERA = "picamera"
# Of its pictures: wide enough for people across a room, and searched at half of that.
_SIZE = (1280, 720)
# Waits so many seconds, or less when it is time to stop; says whether it is.
Pause = Callable[[float], bool]
_SECONDS_BETWEEN_LOOKS = 0.5
# What tells a change of a file: its size in bytes, and when it was written in nanoseconds.
_State = tuple[int, int]


def folder(root: Path, pause: Pause) -> Iterator[Path]:
    """The photos that come into a folder, or change there, from now on.

    It is looked into twice a second: that works on network drives too, where no system tells of changes. A photo counts
    when it has been left alone from one look to the next, so that it is not read half-written. While the folder is
    away, as such drives are at times, it is waited for.
    """
    return _changes(root, _states(root), pause)  # what is there is noted now, not when the first photo is asked for


def _changes(root: Path, known: dict[Path, _State], pause: Pause) -> Iterator[Path]:
    waiting = dict(known)
    away = ""
    while not pause(_SECONDS_BETWEEN_LOOKS):
        try:
            states = _states(root)
        except (OSError, UsageError) as error:
            reason = error.headline if isinstance(error, UsageError) else str(error.strerror)
            if reason != away:
                print(f"Waiting for {plain(root)}: {reason}", file=sys.stderr, flush=True)
            away = reason
            continue
        away = ""
        for photo, state in states.items():
            if known.get(photo) != state == waiting.get(photo):
                known[photo] = state
                yield photo
        waiting = states


def _states(root: Path) -> dict[Path, _State]:
    states = {}
    for name in below(root, loose=True).photos:
        photo = root / name
        try:
            status = photo.stat()
        except OSError:  # gone since, or in a folder that shows only names
            continue
        states[photo] = status.st_size, status.st_mtime_ns
    return states


def pictures_of(source: str, pause: Pause) -> Iterator[Image.Image]:
    """The pictures of a camera, RGB, the newest whenever one is asked for.

    Args:
        source: `PICAMERA`; or what OpenCV opens: the number of a camera, an address or a film.
        pause: see `Pause`.

    Raises:
        UsageError: what reads the source is not installed.
        FacenetError: there is no such camera, or it does not open.
    """
    if source == PICAMERA:
        return _picamera(pause)
    return _opencv(int(source) if source.isdecimal() else source, pause)


def _opencv(source: int | str, pause: Pause) -> Iterator[Image.Image]:
    try:
        import cv2
    except ModuleNotFoundError as missing:
        raise UsageError(
            "A camera needs OpenCV, which is not installed.",
            received=source,
            advice=f"pip install -e '.[camera]'; or give {PICAMERA}, or a folder that photos are put into.",
        ) from missing
    capture = cv2.VideoCapture(source)
    try:
        if not capture.isOpened():
            raise FacenetError(
                "The camera does not open.",
                received=source,
                advice=f"Is it plugged in, and not in use? 0 is the first; a Raspberry Pi's own is {PICAMERA}.",
            )
        # No picture waits while faces are looked for: what is seen is now.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        while not pause(0):
            there, picture = capture.read()
            if not there:
                return
            yield Image.fromarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    finally:
        capture.release()


def _picamera(pause: Pause) -> Iterator[Image.Image]:
    """The Raspberry Pi's own camera; OpenCV does not see it since it is libcamera's."""
    try:
        from picamera2 import Picamera2
    except ModuleNotFoundError as missing:
        raise UsageError(
            "The Raspberry Pi's camera needs Picamera2, which is not installed.",
            received=f"{PICAMERA}, no module {missing.name}",
            advice="sudo apt-get install -y python3-picamera2; an environment that `make pi` made then has it.",
        ) from missing
    if not Picamera2.global_camera_info():
        raise FacenetError(
            "No camera is connected.",
            received=PICAMERA,
            advice="Look at its cable, with the power off; `rpicam-hello --list-cameras` lists what the system sees.",
        )
    try:
        camera = Picamera2()
    except RuntimeError as error:
        raise FacenetError(
            "The camera does not open.",
            received=f"{PICAMERA} ({error})",
            advice="Another program may be using it: only one can.",
        ) from error
    try:
        # libcamera names the order in a word of memory: the bytes of BGR888 are red, green, blue.
        camera.configure(camera.create_video_configuration(main={"size": _SIZE, "format": "BGR888"}))
        camera.start()
        while not pause(0):
            yield Image.fromarray(camera.capture_array())
    finally:
        camera.close()  # stops it too
