"""`facenet identify`: who is in this photo?"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from components.common.command import run
from components.common.errors import UsageError
from components.common.names import plain
from components.extract.reasons import Reject
from components.verify.answer import about, lines, of_photo, prepare, strangers
from components.verify.faces import embed_photo, no_face_error
from components.verify.model import Model
from components.verify.search import Enrolled
from components.verify.settings import NamingSettings, Photos
from components.verify.threshold import ChosenThreshold


@dataclass(frozen=True)
class Settings(NamingSettings):
    """Say who is in photos: every face, from left to right, by the people of a gallery."""

    photos: Photos = ()
    """The photos whose faces are named."""


def _identify(settings: Settings) -> None:
    if not settings.photos:
        raise UsageError("Which photo?", received="no photos", advice="facenet identify PHOTO -g GALLERY")
    with prepare(settings) as (model, threshold, people):
        _name(settings, model, threshold, people)


def _name(settings: Settings, model: Model, threshold: ChosenThreshold, people: Enrolled) -> None:
    records, rejects = [], []
    for photo in settings.photos:
        seen = embed_photo(photo, model, "all")
        if isinstance(seen, Reject):
            rejects.append((photo, seen))
        records.append(of_photo(photo, seen, people, threshold, settings.top))
    if settings.json:
        print(json.dumps({**about(model, threshold, people), "photos": records}, indent=1))
    else:
        for record in records:
            print(plain(record["photo"]))
            for line in lines(record):
                print(f"  {line}")
        print("\n".join(filter(None, [str(threshold), strangers(people, threshold)["said"]])))
    if len(rejects) == len(settings.photos):
        raise no_face_error(rejects)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _identify, argv, prog="facenet identify")


if __name__ == "__main__":
    sys.exit(main())
