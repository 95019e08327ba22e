"""Error versus discard: what is gained by leaving out the faces of the worst quality.

Grother and Tabassi, "Performance of Biometric Quality Measures" (IEEE TPAMI 29(4), 2007), section 4.2; ISO/IEC 29794-1
calls it the error-versus-discard characteristic. A measure of quality is as good as errors fall, share by share.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.common.batches import slices
from components.common.manifest import open_part
from components.evaluate.compared import MeasuredPairs
from components.evaluate.embeddings import Embeddings, Indices, Texts
from components.evaluate.galleries import Gallery, Plan, galleries
from components.evaluate.identification import RULE, Searches
from components.evaluate.metrics import val_at_far
from components.evaluate.on_disk import Vectors
from components.evaluate.references import on_grid

# Of the faces, the worst first.
SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
FALSE_POSITIVE_RATE = 0.01
# The qualities of so many are looked up at a time.
_FACES_AT_ONCE = 1 << 16

Qualities = npt.NDArray[np.float32]


def quality_of(face_ids: Texts, faces: Sequence[Path]) -> Qualities:
    """The quality of faces, float32 [n], 0 to 100; not a number where nothing says it.

    Args:
        face_ids: str [n].
        faces: the parts of the faces manifest.
    """
    found = np.empty(len(face_ids), np.float32)
    for some in slices(len(face_ids), _FACES_AT_ONCE):
        known: dict[str, float | None] = {}
        wanted = face_ids[some]
        ids = pa.array(wanted, pa.string())
        for file in faces:
            table = open_part(file).read(["face_id", "quality"])
            table = table.filter(pc.is_in(table["face_id"], ids))
            known.update(zip(table["face_id"].to_pylist(), table["quality"].to_pylist(), strict=True))
        found[some] = [known.get(face_id) for face_id in wanted]  # None becomes NaN
    return found


def discard(
    measured: Qualities, pairs: MeasuredPairs, threshold: float, people: Embeddings, quality: Qualities, seed: int
) -> dict[str, Any]:
    """What errors become without the worst faces, as plain finite values.

    A pair goes with either of its faces, a search with the probe or the enrolled face of its mate, and from the gallery
    and from the strangers go theirs too.

    Args:
        measured: float32 [faces], qualities of the faces that the pairs point to.
        pairs: of one person.
        threshold: on their distance; it stays.
        people: the faces that galleries are drawn from.
        quality: float32 [len(people)], their qualities.
        seed: of the draws of galleries.

    Returns:
        The key discard of `metrics.json`; see README.md.
    """
    why = ""
    if np.isnan(measured).any() or np.isnan(quality).any():
        why = "The faces have no quality: it takes --faces, of a `facenet extract` that measured it."
    elif not len(quality):
        why = "Error versus discard is not measured: there is nobody in this split."
    if why:
        return {"not_measured": why, "people": None, "points": []}
    identity = people.identity_codes()
    plan = Plan.of(identity)
    drawn = list(galleries(identity, plan, plan.sizes[-1], seed)) if plan.sizes else []
    grid, points = on_grid(people.vectors), []
    for share in SHARES:
        kept_pairs, kept = _kept(measured, share), _kept(quality, share)
        distances = pairs.distances[kept_pairs[pairs.first] & kept_pairs[pairs.second]]
        points.append(
            {
                "discarded": share,
                "quality": float(quality[kept].min()),
                "fnmr": float(np.mean(distances > threshold)) if len(distances) else None,
                "fnir": _fnir(grid, identity, [_without(gallery, kept) for gallery in drawn]),
            }
        )
    return {"not_measured": "", "people": plan.sizes[-1] if plan.sizes else None, "points": points}


def _kept(quality: Qualities, share: float) -> npt.NDArray[np.bool_]:
    """All but the worst share, bool [n]; of equally bad faces the first ones go."""
    kept = np.ones(len(quality), bool)
    kept[np.argsort(quality, kind="stable")[: round(share * len(quality))]] = False
    return kept


def _without(gallery: Gallery, kept: npt.NDArray[np.bool_]) -> Gallery:
    people = kept[gallery.enrolled[:, 0]]
    mated = kept[gallery.mated] & people[gallery.mate]
    place = np.cumsum(people) - 1
    return Gallery(
        gallery.enrolled[people],
        gallery.mated[mated],
        place[gallery.mate[mated]],
        gallery.strangers[kept[gallery.strangers]],
    )


def _fnir(grid: Vectors, identity: Indices, drawn: Sequence[Gallery]) -> float | None:
    """With one face of each person enrolled, at the threshold of these very searches; None where they are too few."""
    if not drawn or not all(len(each.enrolled) and len(each.mated) and len(each.strangers) for each in drawn):
        return None
    searches = Searches.of(grid, identity, drawn, 1, RULE)
    if searches.nonmated.different_faces * FALSE_POSITIVE_RATE < 1:
        return None
    found = val_at_far(searches.curve, FALSE_POSITIVE_RATE)
    return None if found is None else 1 - found[0]
