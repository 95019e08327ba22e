"""WebDataset's tars: files of one name, such as `0001.jpg` and `0001.cls`, are one sample.

Format: webdataset, src/webdataset/tariterators.py: the name ends at the first dot after the last slash.
"""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, groupby, islice
from pathlib import Path
from typing import Any

from components.common.errors import MALFORMED, UsageError
from components.common.records import read_json
from components.extract.reasons import RejectedError
from components.import_faces.parquet import LABELS
from components.import_faces.reasons import Reason
from components.import_faces.sample import Sample, checked_size, name_of_person

_IMAGES = ("jpg", "jpeg", "png", "image", "img")
_LONGEST_LABEL = 2**16  # bytes
_PARTS = 100  # of a sample; nobody has so many, and a tar must not fill the memory with its own


class WebDataset:
    """Tars, one after another; positions are bytes of all of them together.

    Args:
        files: at least one.
        label: the field of `.json` that says who it is; "" for `.cls`, or the first of `LABELS` in `.json`.

    Raises:
        UsageError: a file is no tar.
    """

    def __init__(self, files: Sequence[Path], label: str) -> None:
        self.left_out: Counter[str] = Counter()
        self._files = files
        self._labels = (label,) if label else LABELS
        self._takes_class = not label
        self._starts = [0, *accumulate(file.stat().st_size for file in files)]
        self.extent = self._starts[-1]
        for file in files:
            with _opened(file):
                pass

    def samples(self, start: int) -> Iterator[tuple[int, Sample]]:
        """See `Source`."""
        for file, first, end in zip(self._files, self._starts, self._starts[1:], strict=False):
            if end <= start:
                continue
            with _opened(file) as archive:
                for _, members in groupby(_files_of(archive), lambda member: _divided(member.name)[0]):
                    sample = list(islice(members, _PARTS))
                    position = first + sample[0].offset
                    if position >= start:
                        yield position, self._sample(archive, sample, position)

    def _sample(self, archive: tarfile.TarFile, members: Sequence[tarfile.TarInfo], position: int) -> Sample:
        parts = {_divided(member.name)[1]: member for member in members}
        image = next((parts.pop(ending) for ending in _IMAGES if ending in parts), None)
        person, name = "", str(position)
        try:
            person = self._person(archive, parts)
            self.left_out.update(f".{ending} files" for ending in parts)
            if image is None:
                raise RejectedError(Reason.NO_IMAGE, f"{members[0].name[:200]} has no {', '.join(_IMAGES)} beside it")
            checked_size(image.size)
            return Sample(person, name, _read(archive, image))
        except RejectedError as error:
            return Sample(person, name, reject=error.reject)

    def _person(self, archive: tarfile.TarFile, parts: dict[str, tarfile.TarInfo]) -> str:
        """Whose crop it is; takes away the part that says so.

        Raises:
            RejectedError: none does, or not in a way that is understood.
        """
        if self._takes_class and "cls" in parts:
            return name_of_person(_text(archive, parts.pop("cls")))
        if "json" not in parts:
            raise RejectedError(Reason.NO_IDENTITY, "neither .cls nor .json is beside the image")
        try:
            record: dict[str, Any] = read_json(_text(archive, parts.pop("json")))
            return name_of_person(next(record[label] for label in self._labels if label in record))
        except (StopIteration, *MALFORMED) as error:
            raise RejectedError(Reason.NO_IDENTITY, f"the .json has no field {' or '.join(self._labels)}") from error


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    """A tar, without compression: with it, every reader of a part would have to unpack what lies before.

    Raises:
        UsageError: it is none, or is damaged where it is read in the block.
    """
    try:
        with tarfile.open(file, "r:") as archive:
            yield archive
    except (tarfile.TarError, OSError, *MALFORMED) as error:
        raise UsageError(
            "This tar cannot be read.",
            received=f"{file} ({error})",
            advice="Take it again from where it was made. Unpack a compressed one first.",
        ) from error


def _files_of(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := archive.next()) is not None:
        archive.members.clear()  # type: ignore[attr-defined]  # they would all be kept, of a million crops in gigabytes
        if member.isfile() and not member.issparse():
            yield member


def _divided(name: str) -> tuple[str, str]:
    """The name of a sample, and the ending that says which part of it a file is, in lower case."""
    folder, slash, file = name.rpartition("/")
    stem, _, ending = file.partition(".")
    return f"{folder}{slash}{stem}", ending.lower()


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    if member.size > _LONGEST_LABEL:
        raise RejectedError(Reason.NO_IDENTITY, f"a label of {member.size:,} bytes")
    try:
        return _read(archive, member).decode()
    except UnicodeDecodeError as error:
        raise RejectedError(Reason.NO_IDENTITY, "the label is no text") from error


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    content = archive.extractfile(member)
    data = b"" if content is None else content.read()
    if len(data) < member.size:
        raise RejectedError(Reason.DAMAGED, f"of {member.size:,} bytes the tar has {len(data):,}")
    return data
