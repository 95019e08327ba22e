"""The photos and the fields of a request, in memory: no upload is ever written to a disk."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from components.serve.problem import ProblemError

# It would print of every odd form what was odd.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
MEDIA_TYPE = "multipart/form-data"
# A form's part of each.
PHOTO, PERSON = "photo", "name"
# Of one request; and of a text in it, such as a photo's name.
MOST_PHOTOS = 10
LONGEST = 255


@dataclass(frozen=True)
class Photo:
    """A photo: the name that the form gave it, and the bytes of the file."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Form:
    """What a request brings: photos, and the name of a person, "" without one."""

    photos: Sequence[Photo]
    person: str


async def read_form(request: Request, max_bytes: int, *, photos: int, named: bool = False) -> Form:
    """Reads the form of a request.

    Args:
        request: with a body that is bounded in size and time.
        max_bytes: that bound.
        photos: how many there must be at least; with 0 there is to be none.
        named: whether it names a person.

    Raises:
        ProblemError: it is no form, or not such a one.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise ProblemError(
            f"Photos come as a form, {MEDIA_TYPE}.",
            received=request.headers.get("content-type", "no Content-Type"),
            advice="curl -F photo=@PHOTO sends one.",
            status=415,
        )
    parser = MultiPartParser(request.headers, request.stream(), max_files=MOST_PHOTOS, max_fields=1)
    parser.spool_max_size = max_bytes + 1  # what is larger would be put into a file
    try:
        parts = (await parser.parse()).multi_items()
    except MultiPartException as error:
        raise ProblemError(
            "The form cannot be read.",
            received=error.message,
            advice=f"Send up to {MOST_PHOTOS} photos as files called `{PHOTO}`, and a name as the text `{PERSON}`.",
        ) from error
    files = [part for name, part in parts if name == PHOTO and isinstance(part, UploadFile)]
    texts = [part for name, part in parts if name == PERSON and isinstance(part, str)]
    if len(files) + len(texts) < len(parts):
        raise _wrong(parts, f"A form has files called `{PHOTO}` and a text called `{PERSON}`, and nothing else.")
    if len(files) < photos or (files and not photos):
        raise _wrong(parts, f"This takes {photos or 'no'} photo{'s' * (photos > 1)}{' or more' * (photos > 0)}.")
    if len(texts) != named:
        raise _wrong(parts, f"This takes {'the' if named else 'no'} name of a person.")
    if any(len(text) > LONGEST for text in (*texts, *(file.filename or "" for file in files))):
        raise _wrong(parts, f"Names have at most {LONGEST} characters.")
    return Form([Photo(file.filename or PHOTO, file.file.read()) for file in files], "".join(texts))


def _wrong(parts: Sequence[tuple[str, UploadFile | str]], headline: str) -> ProblemError:
    names = [f"{name[:50]}{'' if isinstance(part, str) else ' (a file)'}" for name, part in parts]
    return ProblemError(
        headline, received=", ".join(names) or "an empty form", advice="/openapi.json describes the form."
    )
