"""Whether the stated rate of named strangers holds for strangers who took no part: `python -m benchmarks.strangers`.

People are split again and again. Some are the strangers; all others choose the thresholds, as `facenet evaluate` does,
and make up the galleries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.harness import command_line
from components.common.directions import directions
from components.evaluate.embeddings import Indices, read_embeddings
from components.evaluate.folds import faces_alike
from components.evaluate.identification import RULE
from components.evaluate.references import on_grid
from components.evaluate.strangers import thresholds
from components.litert.identification import GalleryThreshold, Promise, promise
from components.litert.report import published_identification

_SIZES, _FACES, _RATES = (10, 100, 1_000), (1, 2, 4, 8), (0.1, 0.01)
_DRAWS = 20  # of galleries, in each split

Found = dict[tuple[int, int, float], list[tuple[Promise, list[float]]]]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Faces:
    """Embeddings, float32 [faces, size], and whose they are, int64 [faces]."""

    vectors: Vectors
    identity: Indices

    @classmethod
    def read(cls, folder: Path) -> Faces:
        """Those of an embeddings manifest, for instance of `facenet score`."""
        read = read_embeddings([folder])
        return cls(on_grid(read.vectors[:]), read.identity_codes())

    def of(self, people: Indices) -> Faces:
        """Some people's, of whom nobody has more than the median person."""
        chosen = np.flatnonzero(np.isin(self.identity, people))
        codes = np.unique(self.identity[chosen], return_inverse=True)[1]
        alike = chosen[faces_alike(codes, np.random.default_rng(0))]
        return Faces(self.vectors[alike], self.identity[alike])


def chosen(faces: Faces, seed: int) -> list[GalleryThreshold]:
    """The thresholds that an evaluation of these faces hands on."""
    codes = np.unique(faces.identity, return_inverse=True)[1]
    return [
        GalleryThreshold(row["people"], row["enrolled_faces"], row["fpir"], row["threshold"], *row["fpir_interval"])
        for row in thresholds(faces.vectors, codes, RULE, seed)
        if row["threshold"] is not None
    ]


def named(gallery: Faces, strangers: Faces, size: int, each: int, distance: float, seed: int) -> list[float]:
    """The share of strangers' faces that get a name, in each of some galleries drawn from some people."""
    rng, shares = np.random.default_rng(seed), []
    able = np.flatnonzero(np.bincount(gallery.identity) >= each)
    for _ in range(_DRAWS if size < len(able) else 1):
        means = [
            gallery.vectors[rng.permutation(np.flatnonzero(gallery.identity == one))[:each]].mean(axis=0)
            for one in rng.permutation(able)[:size]
        ]
        best = (strangers.vectors @ directions(np.stack(means)).T).max(axis=1)
        shares.append(float(np.mean(np.sqrt(np.maximum(2 - 2 * best, 0)) <= distance)))
    return shares


def splits(faces: Faces, strangers: int, number: int) -> Iterator[tuple[Faces, Faces, int]]:
    """Everybody but the strangers, the strangers, and the seed."""
    people = np.unique(faces.identity)
    for seed in range(number):
        drawn = np.random.default_rng(seed).permutation(people)
        yield faces.of(drawn[strangers:]), faces.of(drawn[:strangers]), seed


def show(what: str, found: Found) -> None:
    """Prints a row for each kind of gallery: what was stated and what was measured, on average over the splits.

    The deviation is that of the splits. Inside are single galleries, each with the faces of a split's strangers.
    """
    for (size, each, rate), rows in found.items():
        low, high = (np.mean([getattr(at, end) for at, _ in rows]) for end in ("low", "high"))
        shares = [np.mean(of_galleries) for _, of_galleries in rows]
        inside = [at.low <= share <= at.high for at, of_galleries in rows for share in of_galleries]
        print(
            f"| {what} | {size:,} | {each} | {rate} | {low:.4f} to {high:.4f} | {np.mean(shares):.4f} ± "
            f"{np.std(shares):.4f} | {sum(inside)} of {len(inside)} |",
            flush=True,
        )


def measure(
    faces: Faces,
    strangers: int,
    number: int,
    others: Sequence[tuple[str, Faces]],
    measured: Sequence[GalleryThreshold] | None,
) -> dict[str, Found]:
    """What was stated and what was measured, by whose strangers they are and by kind of gallery."""
    found: dict[str, Found] = {}
    for gallery, own, seed in splits(faces, strangers, number):
        rows = chosen(gallery, seed) if measured is None else measured
        enough = np.bincount(np.bincount(gallery.identity), minlength=_FACES[-1] + 1)[::-1].cumsum()[::-1]
        for size in _SIZES:
            for each in _FACES:
                for rate in _RATES:
                    at = promise(rows, size, each, rate)
                    if at is None or enough[each] < size:
                        continue
                    for what, some in [("the same set", own), *others]:
                        shares = named(gallery, some, size, each, at.distance, seed)
                        found.setdefault(what, {}).setdefault((size, each, rate), []).append((at, shares))
    return found


def main() -> None:
    """Prints a table."""
    command = command_line(__doc__)
    command.add_argument("embeddings", type=Path, help="of people with two photos or more")
    command.add_argument("--strangers", type=int, default=184, help="how many of them are strangers")
    command.add_argument("--splits", type=int, default=20)
    command.add_argument("--others", type=Path, nargs="*", default=[], help="embeddings of other sets: strangers too")
    command.add_argument("--published", action="store_true", help="by the thresholds that dlib's network brings along")
    given = command.parse_args()
    others = [(str(folder), Faces.read(folder)) for folder in given.others]
    others = [(name, some.of(np.unique(some.identity))) for name, some in others]
    print("| strangers of | people | faces | FPIR | stated interval | measured | inside |")
    print("| --- | ---: | ---: | ---: | --- | --- | ---: |")
    published = published_identification() if given.published else None
    for what, found in measure(Faces.read(given.embeddings), given.strangers, given.splits, others, published).items():
        show(what, found)


if __name__ == "__main__":
    main()
