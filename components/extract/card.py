"""What a folder of photos gave, to look at: counts, faces on their photos, and the photos without a face."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image, ImageDraw

from components.common.crops import crop_of
from components.common.manifest import FACES, about, open_part, parts
from components.common.preprocessing import open_crop
from components.extract.decode import Photo
from components.extract.extracted import Extracted
from components.extract.quality import POOR, reasons
from components.extract.reasons import MEANING, Reason, RejectedError
from components.extract.scan import other_files, shadow_folders
from components.page.figures import histogram
from components.page.pictures import data_uri, rows_at, spread, thumbnail
from components.page.templates import Card, fill_card

_SHOWN = 12
_LONG_SIDE = 320  # of a photo, in pixels
_BOX = (255, 214, 10)
# Photos that could be decoded, and by us too: one that killed its process would kill the card's.
_VISIBLE = {Reason.NO_FACE.value, Reason.SEVERAL_FACES.value}


@dataclass(frozen=True)
class Shown:
    """A face, or a photo without one.

    Args:
        photo_path: relative to the photo folder.
        detail: what is to be said of it.
        photo: a data URI, the face's box drawn on it; "" when there is nothing to show.
        crop: likewise, of the face.
    """

    photo_path: str
    detail: str
    photo: str = ""
    crop: str = ""


def show(extracted: Extracted, photos: Path, faces: Path, max_pixels: int, *, pictures: bool) -> Card:
    """The card of an extraction; of the faces it reads the numbers of all, and the pictures of a few.

    Args:
        extracted: what the folder, or its part, gave.
        photos: the folder.
        faces: the faces manifest.
        max_pixels: a photo with more is not decoded.
        pictures: false shows neither faces nor photos.
    """
    files = parts(faces, FACES)
    sides, scores, qualities = _numbers(files)
    listed = _to_look_at(extracted.rejects)
    values: dict[str, Any] = {
        "detector": about(faces, FACES)["detector"],
        "photos": extracted.photos,
        "faces": extracted.faces,
        "people": len(extracted.identities),
        "rejected": len(extracted.rejects),
        "reasons": [(reason, count, MEANING[Reason(reason)]) for reason, count in extracted.reasons().items()],
        "misnamed": extracted.misnamed_as(),
        "other": extracted.scan.other.total(),
        "other_files": other_files(extracted.scan),
        "hidden": extracted.scan.hidden,
        "shadows": shadow_folders(extracted.scan),
        "figures": [
            histogram("Size of the faces", sides, "longer side in the photo, pixels", logarithmic=True),
            histogram("Score of the detector", scores, "the larger, the surer"),
            histogram("Quality of the faces", qualities, "0 to 100"),
        ]
        if extracted.faces
        else [],
        "smallest": int(sides.min()) if extracted.faces else 0,
        "median": int(np.median(sides)) if extracted.faces else 0,
        "pictures": pictures,
        "sheet": list(_sheet(files, photos, max_pixels)) if pictures else [],
        "poor": int((qualities < POOR).sum()),
        "poor_below": POOR,
        "worst": list(_worst(files, faces, qualities, pictures=pictures)),
        "look_at": [_show_rejected(row, photos, max_pixels, pictures=pictures) for row in listed],
    }
    return fill_card(Path(__file__).parent, values)


def _numbers(
    files: Sequence[Path],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """int32 [n], the longer side of each face's box in pixels; float32 [n], its score; float32 [n], its quality."""
    tables = [open_part(file).read(["box", "score", "quality"]) for file in files]
    x0, y0, x1, y1 = np.concatenate([_flat(table["box"]).reshape(-1, 4) for table in tables]).T
    scores, qualities = (np.concatenate([table[name].to_numpy() for table in tables]) for name in ("score", "quality"))
    return np.maximum(x1 - x0, y1 - y0), scores, qualities


def _flat(column: pa.ChunkedArray) -> npt.NDArray[np.int32]:
    flat: npt.NDArray[np.int32] = column.combine_chunks().flatten().to_numpy()
    return flat


def _sheet(files: Sequence[Path], photos: Path, max_pixels: int) -> Iterator[Shown]:
    """Faces at even distances in the manifest, which is sorted by photo: people take turns by how many they have."""
    for row in spread(files, _SHOWN, ["photo_path", "box", "landmarks", "score", "image"]):
        photo = _preview(photos / row["photo_path"], max_pixels, row["box"], row["landmarks"])
        x0, y0, x1, y1 = row["box"]
        detail = f"{max(x1 - x0, y1 - y0)} pixels, score {row['score']:.2f}"
        with open_crop(row["image"]) as crop:
            yield Shown(row["photo_path"], detail, photo, thumbnail(crop))


def _worst(
    files: Sequence[Path], faces: Path, qualities: npt.NDArray[np.float32], *, pictures: bool
) -> Iterator[Shown]:
    """Poor faces, the worst first, and what lowers their quality."""
    worst = np.argsort(qualities, kind="stable")[: min(_SHOWN, int((qualities < POOR).sum()))]
    columns = ["photo_path", "score", *FACES.since, *(["image"] if pictures else [])]
    rows = list(rows_at(files, np.sort(worst), columns))
    for row in sorted(rows, key=lambda row: float(row["quality"])):
        why = ", ".join(reasons(row, row["score"], crop_of(faces).finder))
        crop = ""
        if pictures:
            with open_crop(row["image"]) as picture:
                crop = thumbnail(picture)
        yield Shown(row["photo_path"], f"quality {row['quality']:.0f}: {why}", crop=crop)


def _preview(path: Path, max_pixels: int, box: Sequence[int] = (), landmarks: Sequence[float] | None = None) -> str:
    """A photo at a small size, the face marked on it, as a data URI; "" when it has gone or changed since."""
    try:
        photo = Photo(path.read_bytes(), max_pixels)
        copy = Image.fromarray(photo.small("RGB", _LONG_SIDE))
    except (OSError, RejectedError):
        return ""
    scale = copy.width / photo.width
    draw = ImageDraw.Draw(copy)
    if box:
        draw.rectangle([edge * scale for edge in box], outline=_BOX, width=2)
    for x, y in zip((landmarks or [])[::2], (landmarks or [])[1::2], strict=True):
        draw.circle((x * scale, y * scale), 2, fill=_BOX)
    return data_uri(copy)


def _to_look_at(rejects: Sequence[Mapping[str, str | None]]) -> list[Mapping[str, str | None]]:
    """Up to `_SHOWN` rejected photos: of each reason in turn, at even distances among its photos."""
    by_reason: dict[str, list[Mapping[str, str | None]]] = {}
    for row in rejects:
        by_reason.setdefault(str(row["reason"]), []).append(row)
    turns = [
        [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, _SHOWN).astype(int))] for rows in by_reason.values()
    ]
    in_turn = [rows[turn] for turn in range(_SHOWN) for rows in turns if turn < len(rows)]
    return in_turn[:_SHOWN]


def _show_rejected(row: Mapping[str, str | None], photos: Path, max_pixels: int, *, pictures: bool) -> Shown:
    path = str(row["photo_path"])
    visible = pictures and row["reason"] in _VISIBLE
    return Shown(path, f"{row['reason']}: {row['detail']}", _preview(photos / path, max_pixels) if visible else "")
