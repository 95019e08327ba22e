"""Photos to faces, against face_recognition: `python -m benchmarks.extracting --photos FOLDER`."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.harness import command_line, compare
from benchmarks.photos import ACROSS, DOWN, enlarged, given_or_drawn, group, some
from components.extract.crop import Box
from components.extract.photo import Extraction, extract_photo
from components.extract.photos import extract_photos

# Of the faces that both find, at least so much of the area of both together is in both.
_OVERLAP = 0.3
# The longer side of the copy that an informed peer searches, as the product does.
_COPY = 640
_GROUPS = 4
Found = list[list[Box]]


def ours(photos: Sequence[Path], which: str) -> Found:
    """The product's faces of each photo, cut out and encoded, in this process."""
    outcomes = [extract_photo(photo, Extraction(which=which)) for photo in photos]  # type: ignore[arg-type]
    return [[face.box for face in outcome.faces] for outcome in outcomes]


def theirs(photos: Sequence[Path], which: str, copy: int | None = None) -> Found:
    """The same with face_recognition: locations as it finds them by itself, then the crop.

    With `copy`, it searches a copy whose longer side has so many pixels, and cuts out of the photo.
    """
    import face_recognition  # not by every process of ours, which imports this module

    found = []
    for photo in photos:
        image = face_recognition.load_image_file(str(photo))
        searched, scale = image, 1.0
        if copy is not None:
            small = Image.fromarray(image)
            small.thumbnail((copy, copy))
            searched, scale = np.asarray(small), image.shape[1] / small.width
        boxes = [
            (round(left * scale), round(top * scale), round(right * scale), round(bottom * scale))
            for top, right, bottom, left in face_recognition.face_locations(searched)
        ]
        if which == "largest":
            boxes = sorted(boxes, key=_area)[-1:]
        for left, top, right, bottom in boxes:
            Image.fromarray(image[max(top, 0) : bottom, max(left, 0) : right]).tobytes()
        found.append(boxes)
    return found


def _area(box: Box) -> int:
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


def _same(one: Box, other: Box) -> bool:
    both = _area((max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])))
    return both > _OVERLAP * (_area(one) + _area(other) - both)


def found_too(mine: Found, peers: Found) -> str:
    """The share of the peer's faces that ours found too."""
    pairs = [(box, boxes) for boxes, wanted in zip(mine, peers, strict=True) for box in wanted]
    hits = sum(any(_same(box, own) for own in boxes) for box, boxes in pairs)
    return f"{hits} of its {len(pairs)} faces found, {sum(map(len, mine))} in all"


def found_of(placed: Found, mine: Found, peers: Found) -> str:
    """How many of the faces that were placed there each found."""
    counts = [
        sum(
            any(_same(box, own) for own in boxes) for boxes, wanted in zip(found, placed, strict=True) for box in wanted
        )
        for found in (mine, peers)
    ]
    return f"{counts[0]} and {counts[1]} of {sum(map(len, placed))} faces found"


def single(photos: Sequence[Path]) -> list[tuple[Path, Box]]:
    """Those in which ours finds one face, with its box."""
    return [(photo, boxes[0]) for photo, boxes in zip(photos, ours(photos, "all"), strict=True) if len(boxes) == 1]


def against_peers(
    what: str,
    photos: Sequence[Path],
    which: str,
    equal: Callable[[Found, Found], str],
    *,
    at_least: float | None = None,
    times: int = 1,
) -> None:
    """Two rows: face_recognition by itself, and one that searches a copy as small as the product's."""
    mine = partial(ours, photos, which)
    compare(what, "face_recognition", mine, partial(theirs, photos, which), equal, at_least=at_least, times=times)
    peer = f"face_recognition on a copy of {_COPY} pixels"
    compare(what, peer, mine, partial(theirs, photos, which, _COPY), equal, times=3)


def groups(photos: Sequence[Path], folder: Path) -> None:
    """Twelve faces at 12 megapixels, of several sizes."""
    people = single(photos)
    folder.mkdir()
    for part in (8, 12, 20):
        files = [folder / f"{part}-{number}.jpg" for number in range(_GROUPS)]
        placed = []
        for number, file in enumerate(files):
            chosen = [people[(number * ACROSS * DOWN + one) % len(people)] for one in range(ACROSS * DOWN)]
            placed.append(group(chosen, file, 4000, 3000, 4000 // part))
        what = f"extract, 12 MP, 12 faces of 1/{part} of the long side"
        against_peers(what, files, "all", partial(found_of, placed), times=0)


def _whole(photos: Sequence[Path], workers: int) -> list[str]:
    outcomes = extract_photos(photos, Extraction(), workers)
    return [face.face_id for outcome in outcomes for face in outcome.faces]


def _alone(photos: Sequence[Path]) -> list[str]:
    return [face.face_id for photo in photos for face in extract_photo(photo, Extraction()).faces]


def _halves(processes: Executor, photos: Sequence[Path]) -> list[str]:
    """Two processes that have nothing to do with each other: what this machine has for two."""
    middle = len(photos) // 2
    first, second = processes.map(_alone, (photos[:middle], photos[middle:]))
    return first + second


def _equal(mine: list[str], others: list[str]) -> str:
    assert mine == others
    return f"{len(mine)} faces, bit by bit"


def main() -> None:
    """12 megapixels, one large face and groups, then 1280 x 960, on one core; then two processes."""
    parser = command_line(__doc__)
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="folders of people; drawn ones without it")
    with given_or_drawn(parser.parse_args().photos) as folder, tempfile.TemporaryDirectory() as name:
        photos = some(folder)
        large = enlarged(photos[:20], Path(name) / "large", 4000, 3000)
        medium = enlarged(photos[:48], Path(name) / "medium", 1280, 960)
        every = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(every)})
        against_peers("extract, 12 MP photos, all faces", large, "all", found_too, at_least=30, times=0)
        groups(photos, Path(name) / "groups")
        against_peers("extract, 1280 x 960, the largest face", medium, "largest", found_too, at_least=8)
        os.sched_setaffinity(0, every)
        many = medium * 12
        compare(
            "extract, 2 processes",
            "1",
            partial(_whole, many, 2),
            partial(_whole, many, 1),
            _equal,
            at_least=1.9,
            times=3,
        )
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as processes:
            compare(
                "extract, 2 processes",
                "2 that share nothing",
                partial(_whole, many, 2),
                partial(_halves, processes, many),
                _equal,
                at_least=1,
                times=3,
            )


if __name__ == "__main__":
    main()
