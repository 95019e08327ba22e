"""A search of a million people, against the bare matrix product of its blocks: `python -m benchmarks.identifying`."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from benchmarks.harness import command_line, compare, memory_of
from components.common.cores import threads
from components.evaluate.references import on_grid
from components.evaluate.searches import PEOPLE, PROBES, Similarities, best_similarities, mate_ranks

Faces = npt.NDArray[np.float32]

_SIZE = 128


def faces(number: int, seed: int) -> Faces:
    """Random embeddings, float32 [number, 128]: as hard to tell apart as can be."""
    rng, made = np.random.default_rng(seed), np.empty((number, _SIZE), np.float32)
    for begin in range(0, number, 1 << 14):
        block = made[begin : begin + (1 << 14)]
        block[:] = on_grid(rng.normal(size=block.shape).astype(np.float32))
    return made


def products(gallery: Faces, probes: Faces) -> None:
    """The products alone, in blocks of the same size and numbers of the same precision; nothing is kept."""

    def of_some(begin: int) -> None:
        exact = probes[begin : begin + PROBES].astype(np.float64)
        memory = np.empty((len(exact), PEOPLE))
        for start in range(0, len(gallery), PEOPLE):
            block = gallery[start : start + PEOPLE].astype(np.float64)
            np.matmul(exact, block.T, out=memory[:, : len(block)])

    with threads() as pool:
        list(pool.map(of_some, range(0, len(probes), PROBES)))


def strangers(gallery: Faces, probes: Faces) -> Similarities:
    """The best candidate for each probe."""
    return best_similarities(gallery[:, None], probes, np.arange(len(probes)))


def mated(gallery: Faces, probes: Faces) -> npt.NDArray[np.int64]:
    """The rank of each probe's mate."""
    return mate_ranks(gallery[:, None], probes, np.arange(len(probes)), np.arange(len(probes)))[1]


def _searched(people: int, probes: int) -> None:
    strangers(faces(people, 0), faces(probes, 1))


def _made(people: int, probes: int) -> None:
    faces(people, 0)
    faces(probes, 1)


def main() -> None:
    """Strangers, then people of the gallery."""
    command = command_line(__doc__)
    command.add_argument("--people", type=int, default=1_000_000)
    command.add_argument("--probes", type=int, default=4_096, help="time is proportional to them; 100,000 take minutes")
    given = command.parse_args()
    gallery, probes = faces(given.people, 0), faces(given.probes, 1)
    near = on_grid(gallery[: given.probes] + 1.2 * probes)
    size = f"{given.probes:,} probes, {given.people:,} people"
    for what, ours, searched in (("strangers", strangers, probes), ("mates", mated, near)):
        compare(
            f"search for {what}, {size}",
            "the matrix product alone",
            partial(ours, gallery, searched),
            partial(products, gallery, searched),
            lambda *_: "nothing to compare: the product is not kept",
            at_least=1 / 1.3,
            times=3,
            memory=(memory_of(_searched, given.people, given.probes), memory_of(_made, given.people, given.probes)),
        )


if __name__ == "__main__":
    main()
