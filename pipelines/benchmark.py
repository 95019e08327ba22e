"""The field's benchmark sets: finds the list of one, and lays its photos out as the stages read them."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from components.common.alignment import ARCFACE
from components.common.errors import UsageError
from components.common.manifest import FACES, ROWS_PER_GROUP, writer
from components.common.preprocessing import Crop
from components.common.progress import progress
from components.common.quantity import quantity
from components.evaluate.bin_file import read_bin
from components.evaluate.pairs_list import Photo
from components.evaluate.published import layout_of
from components.evaluate.templates import holds_templates
from components.extract.reasons import Reject
from components.extract.scan import below
from components.import_faces.faces import row_of, see
from components.import_faces.sample import Sample

# Beside the photos themselves, CALFW and CPLFW hold them as their authors aligned them. Ours are aligned here.
_ALIGNED = "aligned images"
# How insightface cuts out the faces of its sets: margin and alignment.
_OF_BIN = (0.0, ARCFACE)


def is_bin(path: Path) -> bool:
    """Whether this is a .bin set of insightface."""
    return path.suffix == ".bin" and path.is_file()


def list_in(folder: Path) -> Path | None:
    """The list of pairs, or of templates, of a published set; None when there is none.

    Args:
        folder: of a set, as it was published; or a .bin file.

    Raises:
        UsageError: there are several.
    """
    if is_bin(folder):
        return folder
    places = (folder, folder / "meta", *(folder / "Protocol" / "Split" / name for name in ("FF", "FP")))
    found = [place for place in places if place.is_dir() and (holds_templates(place) or layout_of(place))]
    found += [file for file in sorted(folder.glob("*.txt")) if layout_of(file)]
    if len(found) > 1:
        raise UsageError(
            "This folder holds several lists of pairs.",
            received=", ".join(str(path.relative_to(folder)) for path in found),
            advice=f"Choose one: --pairs {found[-1]}",
        )
    return found[0] if found else None


@contextmanager
def laid_out(files: Mapping[Photo, str], root: Path) -> Iterator[Path]:
    """Yields a folder with a folder for each person, with links to the photos that a list names, and removes it.

    Photos that are not there are left out; the report counts them.

    Args:
        files: by photo, the end of its path, as the list gives it.
        root: a folder with the photos somewhere below it.

    Raises:
        UsageError: a photo may be any of several, or none of them is there.
    """
    there = defaultdict(list)
    for path in below(root, loose=True).photos:
        there[path.rpartition("/")[2]].append(path)
    found: dict[Photo, str] = {}
    theirs = 0
    for photo, end in files.items():
        paths = [path for path in there[end.rpartition("/")[2]] if f"/{path}".endswith(f"/{end}")]
        ours = [path for path in paths if _ALIGNED not in path.split("/")] or paths
        if len(ours) > 1:
            raise UsageError(
                "The list names a photo that may be any of several.",
                received=f"{end}: {', '.join(ours[:3])}",
                advice="Let -i be the folder of the photos that are meant, and name the list with --pairs.",
            )
        theirs += len(ours) < len(paths)
        if ours:
            found[photo] = ours[0]
    if theirs:
        print(f"  left out   {quantity(theirs, 'photo')} in {_ALIGNED!r}: the same photo is there as it was taken")
    if not found:
        raise UsageError(
            "None of the photos that the list names are below the folder.",
            received=f"{root}; it names {quantity(len(files), 'photo')}, as {', '.join(list(files.values())[:2])}",
            advice="Let -i be the folder of the set, or of its photos.",
        )
    with tempfile.TemporaryDirectory(prefix="facenet-") as folder:
        for (identity, inside), path in found.items():
            link = Path(folder, identity, inside)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to((root / path).resolve())
        yield Path(folder)


def faces_of_bin(path: Path, files: Mapping[Photo, str], place: Path, crop: Crop) -> None:
    """Writes the crops of a .bin set as a faces manifest, unchanged and each once; decodes one at a time.

    Args:
        path: the set.
        files: its images as photos, as `read_pairs_file` names them: by the number of the image in the set.
        place: where the manifest goes; a former one is replaced.
        crop: what the network asks for. It is what the manifest says, because the network is to take these crops.

    Raises:
        UsageError: an image is damaged, too large or not square.
    """
    if (crop.margin, crop.alignment) != _OF_BIN:
        print(
            f"NOTE: the crops of {path.name} are of ArcFace's template without a margin, and the network asks for "
            f"--margin {crop.margin} --alignment {crop.alignment}: it is measured on crops that it was not made for."
        )
    images = read_bin(path).images
    about = {"which_faces": "given", **asdict(crop)}
    with writer(place, FACES, about) as rows, progress(len(files), "read crops") as bar:
        waiting: list[dict[str, Any]] = []
        for identity, name in sorted(files):
            number = int(Path(name).stem)
            seen = see(images[number])
            if isinstance(seen, Reject):
                raise UsageError(
                    "An image of the set cannot be used.",
                    received=f"{path}, image {number}: {seen.reason}, {seen.detail}",
                    advice="Take the set again from where it was made.",
                )
            waiting.append(row_of(Sample(identity, name, images[number]), seen))
            if len(waiting) >= ROWS_PER_GROUP:
                rows.add(waiting)
                waiting = []
            bar.update()
        rows.add(waiting)
