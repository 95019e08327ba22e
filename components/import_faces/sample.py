"""What every source gives: encoded crops, each with the name of its person, in an order that never changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from components.common.names import one_form
from components.extract.reasons import Reject, RejectedError
from components.import_faces.reasons import Reason

# No crop takes more: a PNG of the widest that is allowed, without compression, is a quarter of this.
LARGEST_BYTES = 2**24
_LONGEST_NAME = 255  # bytes: what a folder can be called


@dataclass(frozen=True)
class Sample:
    """A crop as it lies in its source.

    Args:
        identity: whose; "" where the source does not say.
        name: unlike that of any other crop of the person; with or without an ending.
        image: encoded.
        reject: why there is no image, or no identity; None where both are there.
    """

    identity: str
    name: str
    image: bytes = b""
    reject: Reject | None = None


class Source(Protocol):
    """Crops in somebody's container.

    Args:
        extent: where the last one ends: in bytes, rows or whatever else the positions count.
        left_out: how many things were seen and not taken for crops, by what they are; filled while reading.
    """

    extent: int
    left_out: Counter[str]

    def samples(self, start: int) -> Iterator[tuple[int, Sample]]:
        """The crops at a position and after it, each with its own, which only grows.

        Raises:
            UsageError: the source is damaged in a way that leaves nothing to read behind it.
        """


def between_people(source: Source, start: int, stop: int) -> Iterator[tuple[int, Sample]]:
    """The crops of a part of a source. Each border moves on to where the next person begins.

    So nobody whose crops lie together is in two parts, and the parts together are the whole.

    Args:
        source: the source.
        start: where the part begins, 0 to `source.extent`.
        stop: where it ends.
    """
    before = after = None
    skips = start > 0
    for position, sample in source.samples(start):
        if position >= stop and stop < source.extent:
            after = sample.identity if after is None else after
            if sample.identity != after:
                return
        if skips:
            before = sample.identity if before is None else before
            if sample.identity == before:
                continue
            skips = False
        yield position, sample


def name_of_person(label: object) -> str:
    """The name of a person, as a source gives it: a text, or a whole number from 0.

    Raises:
        RejectedError: it is neither, or no folder can have that name.
    """
    if isinstance(label, bool) or not isinstance(label, int | str) or (isinstance(label, int) and label < 0):
        raise RejectedError(Reason.NO_IDENTITY, f"the label is {str(label)[:100]!r}")
    name = one_form(str(label).strip())
    if not name or name in (".", "..") or "/" in name or len(name.encode(errors="replace")) > _LONGEST_NAME:
        raise RejectedError(Reason.NO_IDENTITY, f"the label {name[:100]!r} cannot be the name of a folder")
    return name.encode(errors="replace").decode()


def checked_size(size: int, what: str = "the image") -> None:
    """Refuses to read a crop of more bytes than any has.

    Raises:
        RejectedError: it has more.
    """
    if size > LARGEST_BYTES:
        raise RejectedError(Reason.TOO_LARGE, f"{what} has {size:,} bytes; {LARGEST_BYTES:,} are read")
