"""What a source of crops gave, to look at: counts, faces, how many of each person, and what was rejected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from components.common.manifest import FACES, open_part, parts
from components.common.preprocessing import Crop, open_crop
from components.import_faces.imported import SHOWN, Imported
from components.import_faces.reasons import MEANING, Reason
from components.page.figures import histogram
from components.page.pictures import spread, thumbnail
from components.page.templates import Card, fill_card


def show(imported: Imported, faces: Path, crop: Crop, *, pictures: bool) -> Card:
    """The card of an import; of the faces it reads the sizes of all, and the pictures of a few.

    Args:
        imported: what the source, or its part, gave.
        faces: the faces manifest.
        crop: how the crops were cut out.
        pictures: false shows no faces.
    """
    files = parts(faces, FACES)
    sides = np.concatenate([open_part(file).read(["width"])["width"].to_numpy() for file in files])
    of_each = np.array(list(imported.identities.values()))
    values: dict[str, Any] = {
        "kind": imported.kind,
        "crop": crop,
        "crops": imported.crops,
        "faces": imported.faces,
        "people": len(of_each),
        "rejected": imported.reasons.total(),
        "reasons": [(reason, count, MEANING[Reason(reason)]) for reason, count in imported.reasons.most_common()],
        "not_taken": imported.not_taken(),
        "median": int(np.median(of_each)) if imported.faces else 0,
        "smallest": int(sides.min()) if imported.faces else 0,
        "largest": int(sides.max()) if imported.faces else 0,
        "figures": [histogram("Faces of each person", of_each, "faces", logarithmic=True)] if imported.faces else [],
        "pictures": pictures,
        "sheet": _sheet(files) if pictures else [],
        "look_at": [
            (path, f"{reason}: {detail}")
            for turn in range(SHOWN)
            for reason, examples in imported.examples.items()
            for path, detail in examples[turn : turn + 1]
        ][:SHOWN],
    }
    return fill_card(Path(__file__).parent, values)


def _sheet(files: list[Path]) -> list[tuple[str, str]]:
    sheet = []
    for row in spread(files, SHOWN, ["photo_path", "image"]):
        with open_crop(row["image"]) as picture:
            sheet.append((row["photo_path"], thumbnail(picture)))
    return sheet
