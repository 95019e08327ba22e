"""The files of an approximate index: everybody's vector, shortened, in lists of people who lie near each other.

They are plain arrays, and no library parses them. Whoever wrote them, they lead to numbers of people and to nothing
else: names and distances come from the gallery.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.common.atomic import write_file
from components.common.errors import MALFORMED, FacenetError, UsageError
from components.common.names import plain
from components.common.records import is_version, read_json, whole

Floats = npt.NDArray[np.float32]
Keys = npt.NDArray[np.int64]

ABOUT, LISTS = "index.json", "lists.bin"
VERSION = 1
_KEY = np.dtype("<i8")
# Little-endian numbers row by row, and nothing before or between them.
ARRAYS: dict[str, np.dtype[Any]] = {
    "axes": np.dtype("<f4"),
    "centres": np.dtype("<f4"),
    "scale": np.dtype("<f4"),
    "sizes": _KEY,
}
FILES = (ABOUT, LISTS, *(f"{name}.bin" for name in ARRAYS))
NOBODY = -1
_MAKE = "`facenet index -g GALLERY` makes it anew; without --approximate everybody is compared."


@dataclass(frozen=True)
class Lists:
    """An index.

    Args:
        folder: where it lies. `LISTS` there holds, of each list, a uint8 code [kept] of each person, then their keys.
        axes: float32 [size, kept], orthonormal: what is kept of a vector.
        centres: float32 [lists, kept], of the lists along the axes.
        scale: float32 [2, kept], the value of code 0 and how far that of code 255 is above it.
        sizes: int64 [lists], how many people each has.
        probed: how many lists a search reads, those with the nearest centres.
    """

    folder: Path
    axes: Floats
    centres: Floats
    scale: Floats
    sizes: Keys
    probed: int

    def places(self) -> Iterator[tuple[int, int]]:
        """Of each list, the byte in `LISTS` where it begins, and how many people it has."""
        begin, each = 0, self.centres.shape[1] + _KEY.itemsize
        for size in self.sizes.tolist():
            yield begin, size
            begin += size * each


def place(gallery: Path) -> Path:
    """The folder of a gallery's index: beside its file."""
    return Path(f"{gallery.resolve()}-index")


def write(lists: Lists, stamp: str, codes: npt.NDArray[np.uint8], order: Keys, keys: Keys) -> None:
    """Writes all files.

    Args:
        lists: what they are to hold.
        stamp: of the gallery.
        codes: [people, kept].
        order: int64 [people], rows of `codes` and `keys`: the people of the first list, of the second, and so on.
        keys: int64 [people].
    """
    for name, kind in ARRAYS.items():
        getattr(lists, name).astype(kind).tofile(lists.folder / f"{name}.bin")
    with (lists.folder / LISTS).open("wb") as file:
        done = 0
        for size in lists.sizes.tolist():
            rows = order[done : done + size]
            file.write(codes[rows].tobytes() + keys[rows].astype(_KEY).tobytes())
            done += size
    about = {"version": VERSION, "stamp": stamp, "probed": lists.probed}
    write_file(lists.folder / ABOUT, json.dumps(about, indent=1) + "\n")


def read(folder: Path, stamp: str, size: int) -> Lists:
    """The index of a gallery.

    Args:
        folder: where it lies.
        stamp: of the gallery.
        size: the length of its embeddings.

    Raises:
        UsageError: there is none, or the gallery was changed since it was made.
        FacenetError: it is not as it was written.
    """
    if not folder.is_dir():
        raise UsageError(
            "This gallery has no index.",
            received=folder,
            advice="`facenet index -g GALLERY` makes one; without --approximate everybody is compared.",
        )
    try:
        about = _about(folder)
        if about["stamp"] == stamp:
            return _checked(folder, about, size)
    except (OSError, *MALFORMED) as error:
        raise FacenetError(
            "The index of the gallery is damaged.", received=f"{folder} ({error})", advice=_MAKE
        ) from error
    raise UsageError(
        "The gallery was changed since its index was made, which would miss people.", received=folder, advice=_MAKE
    )


def _about(folder: Path) -> dict[str, Any]:
    about: dict[str, Any] = read_json((folder / ABOUT).read_bytes())
    if not is_version(about["version"], VERSION):
        raise ValueError(f"version {about['version']!r}; version {VERSION} is read")
    return about


def _checked(folder: Path, about: dict[str, Any], size: int) -> Lists:
    axes, centres, scale, sizes = (np.fromfile(folder / f"{name}.bin", kind) for name, kind in ARRAYS.items())
    axes = axes.reshape(size, -1)
    kept, probed = axes.shape[1], whole(about["probed"])
    centres, scale = centres.reshape(-1, kept), scale.reshape(2, kept)
    if (
        len(sizes) != len(centres)
        or not all(np.isfinite(each).all() for each in (axes, centres, scale))
        or not 1 <= probed <= len(centres)
        or sizes.min() < 0
        or sum(sizes.tolist()) * (kept + _KEY.itemsize) != (folder / LISTS).stat().st_size
    ):
        raise ValueError("its arrays do not fit each other")
    return Lists(folder, axes, centres, scale, sizes, probed)


def erase(folder: Path, keys: Sequence[int], former: str, stamp: str, size: int) -> None:
    """Overwrites what an index holds of people.

    From the first step on it is one of the gallery without them, and refused as long as the gallery has them. An index
    of another state has other people under these keys: it is of no use, and removed.

    Args:
        folder: of the index; there may be none.
        keys: theirs.
        former: the stamp of the gallery with these people.
        stamp: that without them.
        size: the length of its embeddings.
    """
    if not folder.exists():
        return
    try:
        lists = read(folder, former, size)
    except FacenetError as useless:
        for name in FILES:  # and nothing else that may be there
            (folder / name).unlink(missing_ok=True)
        print(f"{plain(folder)} is of no use any more, and removed. {useless.headline}", file=sys.stderr)
        return
    write_file(folder / ABOUT, json.dumps({**_about(folder), "stamp": stamp}, indent=1) + "\n")
    data = np.memmap(folder / LISTS, np.uint8, "r+")
    for begin, people in lists.places():
        keys_at = begin + people * lists.centres.shape[1]
        of_list = data[keys_at : keys_at + people * _KEY.itemsize].view(_KEY)
        gone = np.isin(of_list, keys)
        if gone.any():
            of_list[gone] = NOBODY
            data[begin:keys_at].reshape(people, -1)[gone] = 0
    data.flush()
