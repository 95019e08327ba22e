"""Where pictures come from while one watches: a folder that photos are put into, or a camera."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

from components.common.errors import FacenetError, UsageError
from components.common.names import plain
from components.extract.scan import below

JPEG_QUALITY = 95
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


def camera(source: int | str, pause: Pause) -> Iterator[bytes]:
    """The pictures of a camera as JPEG, the newest whenever one is asked for.

    Args:
        source: OpenCV's number of the camera, or the name of what else OpenCV opens: a stream or a film.
        pause: see `Pause`.

    Raises:
        UsageError: OpenCV is not installed.
        FacenetError: OpenCV does not open the source.
    """
    try:
        import cv2
    except ModuleNotFoundError as missing:
        raise UsageError(
            "A camera needs OpenCV, which is not installed.",
            received=source,
            advice="pip install -e '.[camera]', or give a folder that photos are put into.",
        ) from missing
    capture = cv2.VideoCapture(source)
    try:
        if not capture.isOpened():
            raise FacenetError(
                "The camera does not open.", received=source, advice="Is it plugged in, and not in use? 0 is the first."
            )
        # No picture waits while faces are looked for: what is seen is now.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        while not pause(0):
            there, picture = capture.read()
            if not there:
                return
            yield _jpeg(Image.fromarray(picture[:, :, ::-1]))
    finally:
        capture.release()


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
