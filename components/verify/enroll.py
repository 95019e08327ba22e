"""`facenet enroll`: photos of known people -> a gallery."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from components.common.command import run
from components.common.errors import FacenetError, UsageError
from components.common.names import plain
from components.common.preprocessing import open_crop
from components.common.quantity import quantity
from components.extract.crop import encode
from components.extract.quality import POOR, reasons
from components.extract.reasons import Reason, Reject
from components.extract.scan import identity_of, scan
from components.verify.answer import UNKNOWN
from components.verify.faces import EmbeddedFace, embed_photos, no_face_error, photos_of, reject_record
from components.verify.gallery import Added, Enrollment, open_gallery
from components.verify.model import Model, open_model
from components.verify.settings import GALLERY, GalleryFile, ModelSettings, PhotosOrFolders

Rejects = list[tuple[Path, Reject]]
Found = Sequence[EmbeddedFace] | Reject
# A photo below is worse than nearly all photos, so that something is wrong with it.
REFUSED = 40.0
# Of a picture that is kept, in pixels.
PICTURE_SIDE = 96
# They shape the letters beside them in Persian, Hindi and others: zero-width non-joiner and joiner.
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True)
class Settings(ModelSettings):
    """Put people's faces into a gallery: folders of people, or with --name photos of one person.

    A photo must show one face only, so that nobody is filed under somebody else's name.
    """

    photos: PhotosOrFolders = ()
    """Folders that hold a folder for each person, named after them. With --name: photos and folders of that person."""
    gallery: GalleryFile = GALLERY
    """The gallery's file; it is made when it does not exist."""
    name: str = ""
    """The name of the person that all the photos show."""
    min_quality: float = REFUSED
    """Smallest quality of a face, 0 to 100: photos below are refused; those a little better are enrolled and listed."""
    keep_pictures: bool = False
    """Keep a small picture of each face in the gallery, for people to look at in `facenet ui`: only of people who agree
    to it. `facenet forget` erases it with all else of a person."""


@dataclass
class Seen:
    """What became of photos that give nobody, or gave a poor face: that is (photo, quality, reasons)."""

    rejects: Rejects = field(default_factory=list)
    poor: list[tuple[Path, float, list[str]]] = field(default_factory=list)


def _photos_by_name(settings: Settings, rejects: Rejects) -> list[tuple[Path, str]]:
    """The photos and whom they show; adds to `rejects` what cannot be a photo."""
    if not settings.photos:
        raise UsageError("There is nothing to enroll.", received="no photos", advice="facenet enroll PEOPLE -g GALLERY")
    if settings.name:
        named = [(photo, settings.name) for photo in photos_of(settings.photos, rejects)]
        check_names(named)
        return named
    return photos_of_people(settings.photos, rejects)


def photos_of_people(folders: Sequence[Path], rejects: Rejects) -> list[tuple[Path, str]]:
    """The photos in folders of people's folders, and whom they show; adds to `rejects` what cannot be a photo.

    Raises:
        UsageError: a photo is given, or a name cannot be one.
    """
    named = []
    for folder in folders:
        if folder.is_file():
            raise UsageError(
                "Nothing says whom this photo shows.", received=folder, advice="Say it with --name, or give a folder."
            )
        listing = scan(folder)
        named += [(folder / photo, identity_of(photo)) for photo in listing.photos]
        rejects += [(folder / path, reject) for path, reject in listing.rejects.items()]
    check_names(named)
    return named


def _is_name(text: str) -> bool:
    """Whether every character can be printed or stands between others, as an ideographic space or a joiner does.

    Nobody sees the ends of a name, so white space there would make one person two.
    """
    inside = text.strip(_JOINERS)
    printable = all(char.isprintable() or char in _JOINERS or unicodedata.category(char) == "Zs" for char in inside)
    return bool(text) and text == inside.strip() and printable


def check_names(named: Sequence[tuple[Path, str]]) -> None:
    """Checks the names of the people in photos.

    Raises:
        UsageError: one of them cannot be a name.
    """
    for photo, name in named:
        if not _is_name(name) or name == UNKNOWN:
            raise UsageError(
                "This cannot be a person's name.",
                received=f"{name!r}, of {photo}",
                advice=f"Choose a name that can be printed, has no space at its ends, and is not {UNKNOWN!r}.",
            )


def enrollments(
    named: Sequence[tuple[Path, str]],
    model: Model,
    seen: Seen,
    min_quality: float = REFUSED,
    *,
    keep_pictures: bool = False,
) -> Iterator[Enrollment]:
    """A face of each photo that shows a good enough one; adds the others, and the poor, to `seen`."""
    photos = [photo for photo, _ in named]
    for (photo, name), found in zip(named, embed_photos(photos, model, "only"), strict=True):
        yield from enrollment(photo, name, found, model, seen, min_quality, keep_pictures=keep_pictures)


def enrollment(
    photo: Path,
    name: str,
    found: Found,
    model: Model,
    seen: Seen,
    min_quality: float = REFUSED,
    *,
    keep_pictures: bool = False,
) -> Iterator[Enrollment]:
    """The face of one photo if it shows a good enough one; otherwise, or where it is poor, `seen` gets it."""
    if isinstance(found, Reject):
        seen.rejects.append((photo, found))
        return
    face, quality = found[0].face, found[0].face.quality.quality
    poor = quality < max(POOR, min_quality)
    why = reasons(asdict(face.quality), face.score, model.network.crop.finder) if poor else []
    if quality < min_quality:
        detail = f"quality {quality:.0f} of at least {min_quality:g}: {', '.join(why)}"
        seen.rejects.append((photo, Reject(Reason.LOW_QUALITY, detail)))
        return
    if why:
        seen.poor.append((photo, quality, why))
    picture = small_picture(face.image) if keep_pictures else None
    yield Enrollment(name, face.face_id, str(photo), found[0].embedding, quality, picture)


def small_picture(crop: bytes) -> bytes:
    """A face as it is kept for people to look at: a JPEG that no network is good for."""
    with open_crop(crop) as picture:
        return encode(picture.convert("RGB").resize((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.LANCZOS))


def record(model: Model, gallery: Path, added: Added, seen: Seen) -> dict[str, Any]:
    """What enrolling did, as plain values; `answers.schema.json` says what they are."""
    return {
        "model": model.to_json(),
        "gallery": str(gallery),
        **asdict(added),
        "rejected": [reject_record(*each) for each in seen.rejects],
        "poor": [_poor_record(*each) for each in seen.poor],
    }


def _poor_record(photo: Path, quality: float, why: list[str]) -> dict[str, Any]:
    return {"photo": str(photo), "quality": round(quality, 1), "reasons": why}


def nobody_error(rejects: Rejects) -> FacenetError:
    """The error for photos of which none can be enrolled; at least one."""
    poor = [(photo, reject) for photo, reject in rejects if reject.reason == Reason.LOW_QUALITY]
    if not poor:
        return no_face_error(rejects)
    photo, reject = poor[0]
    return FacenetError(
        "No photo is good enough to enroll anybody by.",
        received=f"{photo}: {reject.detail}",
        advice="Give sharp photos from the front in even light; or allow worse ones with --min_quality.",
    )


def _enroll(settings: Settings) -> None:
    if not 0 <= settings.min_quality <= 100:
        raise UsageError("--min_quality is a number from 0 to 100.", received=settings.min_quality)
    seen = Seen()
    named = _photos_by_name(settings, seen.rejects)
    model = open_model(settings)
    with open_gallery(settings.gallery, model.network, create=True):
        pass  # whether it can be used is to be known before the photos are looked at, which takes long
    faces = list(enrollments(named, model, seen, settings.min_quality, keep_pictures=settings.keep_pictures))
    with open_gallery(settings.gallery, model.network, create=True) as gallery:
        added = gallery.add(faces)
        gallery.say_detectors()
    if settings.json:
        print(json.dumps(record(model, settings.gallery, added, seen), indent=1))
    else:
        for photo, reject in seen.rejects:
            print(f"{plain(photo)}  rejected: {reject.reason}, {plain(reject.detail)}")
        for photo, quality, why in seen.poor:
            print(f"{plain(photo)}  poor, another photo would be better: quality {quality:.0f}, {', '.join(why)}")
        print(
            f"{quantity(added.faces, 'face')} added to {plain(settings.gallery)}, {added.known} were there; "
            f"it holds {quantity(added.total_faces, 'face')} of {quantity(added.total_people, 'person', 'people')}"
        )
    if not added.faces + added.known:
        raise nobody_error(seen.rejects)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _enroll, argv, prog="facenet enroll")


if __name__ == "__main__":
    sys.exit(main())
