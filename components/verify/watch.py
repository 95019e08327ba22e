"""`facenet watch`: names the people that come into a folder of photos or before a camera."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Annotated, Any

from PIL import Image

from components.common.command import run
from components.common.errors import UsageError
from components.common.flags import Flag
from components.common.names import plain
from components.verify.answer import answer, lines, of_photo, prepare, strangers
from components.verify.faces import embed_photo
from components.verify.follow import Follower
from components.verify.model import Model
from components.verify.search import Enrolled
from components.verify.settings import NamingSettings
from components.verify.sources import folder, pictures_of
from components.verify.threshold import ChosenThreshold

_CHANGED = "{} has changed. The network from the start goes on; begin again to use the new one."


@dataclass(frozen=True)
class Settings(NamingSettings):
    """Name the people on photos that come into a folder, or before a camera, until Ctrl-C or SIGTERM: exit code 0.

    Of a folder every new photo is answered, of a camera every change of who is there.
    """

    source: Annotated[str, Flag(positional=True)] = ""
    """A folder; `picamera`, the Raspberry Pi's own camera; or with OpenCV another camera: its number, 0 is the first,
    or an address or film that OpenCV opens."""
    top: int = 1
    """How many people to list for each face, the nearest first."""


@contextmanager
def _stop_requests() -> Iterator[Event]:
    """An event that Ctrl-C and SIGTERM set, so that the picture in hand is still answered."""
    stop = Event()
    former = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _answer_folder(
    photos: Iterable[Path], model: Model, people: Enrolled, threshold: ChosenThreshold, top: int
) -> Iterator[Any]:
    for photo in photos:
        yield of_photo(photo, embed_photo(photo, model, "all"), people, threshold, top)


def _answer_camera(
    pictures: Iterable[Image.Image], model: Model, people: Enrolled, threshold: ChosenThreshold, top: int
) -> Iterator[Any]:
    follower = Follower(model, threshold.distance)
    former: list[str] = []
    for picture in pictures:
        tracks = sorted(follower.see(picture), key=lambda track: track.box)
        faces = [
            {"track": track.number, **answer(track.box, track.embedding, people, threshold, top)} for track in tracks
        ]
        who = sorted(str(face["name"] or face["track"]) for face in faces)
        if who != former:
            yield {"faces": faces}
        former = who


def _print_answer(record: dict[str, Any], *, as_json: bool) -> None:
    now = datetime.now().astimezone()
    if as_json:
        print(json.dumps({"time": now.isoformat(timespec="milliseconds"), **record}), flush=True)
        return
    for line in lines(record) or ["nobody"]:
        print("  ".join(filter(None, [f"{now:%H:%M:%S}", plain(record.get("photo", "")), line])), flush=True)


def _watch(settings: Settings) -> None:
    if not settings.source:
        raise UsageError("What is to be watched?", received="nothing", advice="facenet watch FOLDER -g GALLERY")
    with prepare(settings) as (model, threshold, people):
        _answer(settings, model, threshold, people)


def _answer(settings: Settings, model: Model, threshold: ChosenThreshold, people: Enrolled) -> None:
    print("\n".join(filter(None, [str(threshold), strangers(people, threshold)["said"]])), file=sys.stderr)
    source = settings.source
    with _stop_requests() as stop:
        if Path(source).is_dir():
            records = _answer_folder(folder(Path(source), stop.wait), model, people, threshold, settings.top)
        else:
            pictures = pictures_of(source, stop.wait)
            records = _answer_camera(pictures, model, people, threshold, settings.top)
        print(f"Watching {plain(source)}; Ctrl-C ends.", file=sys.stderr, flush=True)
        changed = False
        for record in records:
            if not changed and (changed := model.has_changed):
                print(_CHANGED.format(plain(model.path)), file=sys.stderr, flush=True)
            _print_answer(record, as_json=settings.json)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _watch, argv, prog="facenet watch")


if __name__ == "__main__":
    sys.exit(main())
