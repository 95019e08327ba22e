"""A gallery of millions searched by its index: `taskset -c 0 python -m benchmarks.indexing --like EMBEDDINGS`.

People are drawn like those of an embeddings manifest, as in `benchmarks.searching`, a face of each. Searched for are
other faces of some of them, and of strangers. What is nearest is known from a product with everybody. The gallery takes
650 MB a million, the index 80 MB, and as much again while it is made.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.harness import Times, command_line, kilobytes, median, side_by_side, timed, write
from benchmarks.searching import Drawn, Faces, like
from components.common.preprocessing import Crop
from components.embed.network import Network
from components.verify.approximate import Approximate, build
from components.verify.database import change, connect
from components.verify.gallery import open_gallery
from components.verify.lists import Lists, place

_ROWS = 1 << 15
_TIMED = 3  # searches by the product


def _network(size: int) -> Network:
    return Network(Crop(0.25, "none"), 64, size, "0" * 64, lambda images, bar: np.empty(0, np.float32))


def _name(row: int) -> str:
    return f"person {row:08}"


@dataclass
class Nearest:
    """Who is nearest to each query, found block by block; and how long a search takes that compares with everybody."""

    queries: Faces
    row: npt.NDArray[np.int64] = field(init=False)
    similarity: Faces = field(init=False)
    searches: list[Times] = field(init=False)

    def __post_init__(self) -> None:
        self.row = np.zeros(len(self.queries), np.int64)
        self.similarity = np.full(len(self.queries), -np.inf, np.float32)
        self.searches = [Times(0, 0)] * _TIMED

    def look_at(self, faces: Faces, begin: int) -> None:
        """The next people."""
        similarity = self.queries @ faces.T
        row = similarity.argmax(1)
        best = similarity[np.arange(len(row)), row]
        nearer = best > self.similarity
        self.row[nearer], self.similarity[nearer] = row[nearer] + begin, best[nearer]
        for number, query in enumerate(self.queries[:_TIMED]):
            taken, former = timed(partial(np.matmul, faces, query))[1], self.searches[number]
            self.searches[number] = Times(former.clock + taken.clock, former.processor + taken.processor)


def enroll(file: Path, kind: Drawn, people: int, searches: int) -> Nearest:
    """Writes a gallery; half of the searches are for people in it, half for strangers."""
    rng, asking = np.random.default_rng(0), np.random.default_rng(1)
    first = kind.people(_ROWS, np.random.default_rng(0))
    enrolled = kind.faces(first[: searches // 2], asking)
    nearest = Nearest(np.concatenate([enrolled, kind.faces(kind.people(searches // 2, asking), asking)]))

    # As `enroll` leaves them, many rows at a time.
    with connect(file, _network(nearest.queries.shape[1]), create=True) as (connection, _), change(connection):
        for begin in range(0, people, _ROWS):
            faces = kind.faces(first if begin == 0 else kind.people(_ROWS, rng), rng)[: people - begin]
            nearest.look_at(faces, begin)
            rows = range(begin, begin + len(faces))
            connection.executemany("INSERT INTO person VALUES (?, ?)", ((row, _name(row)) for row in rows))
            connection.executemany(
                "INSERT INTO face (face_id, person, photo, embedding) VALUES (?, ?, ?, ?)",
                ((f"{row:032x}", row, f"{row}.jpg", face.tobytes()) for row, face in zip(rows, faces, strict=True)),
            )
    return nearest


def index(file: Path) -> dict[str, Any]:
    """Makes the index; how long that takes, and the memory of the process."""

    def made() -> Lists:
        with open_gallery(file) as gallery, gallery.indexing() as stamp:
            return build(gallery, place(file), stamp)

    lists, times = timed(made)
    return {"times": times, "read": lists.probed, "lists": len(lists.sizes), **_memory()}


def search(file: Path, queries: Faces) -> dict[str, Any]:
    """Searches for all; whom each finds, how long that takes, and the memory of the process."""
    began = time.perf_counter()
    with open_gallery(file, _network(queries.shape[1])) as gallery:
        people = Approximate(gallery)
        opened = time.perf_counter() - began
        found, times = zip(*(timed(partial(people.nearest, query, 1)) for query in queries), strict=True)
    return {"found": [nearest[0].name for nearest in found], "times": median(times), "opened": opened, **_memory()}


def _memory() -> dict[str, float]:
    """Megabytes: the most that was resident, and how much of that is not of files."""
    return {name: kilobytes(name) / 1024 for name in ("VmHWM", "RssAnon")}


def _apart(call: Callable[..., dict[str, Any]], *arguments: object) -> dict[str, Any]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(call, *arguments).result()


def measure(file: Path, nearest: Nearest, people: int) -> None:
    """Makes the index and searches; a row of the results for the people enrolled, and one for strangers."""
    made, queries = _apart(index, file), nearest.queries
    size = sum(one.stat().st_size for one in place(file).iterdir()) / 1e6
    print(
        f"gallery of {file.stat().st_size / 1e6:.0f} MB; index made in "
        f"{made['times'].clock:.0f} s ({made['times'].processor:.0f} s of processor time), {made['VmHWM']:.0f} MB "
        f"resident at most, {size:.0f} MB, {made['read']:,} of {made['lists']:,} lists read"
    )
    half, by_product = len(queries) // 2, median(nearest.searches)
    for whom, some in (("people of the gallery", slice(half)), ("strangers", slice(half, None))):
        done = _apart(search, file, queries[some])
        hits = sum(name == _name(row) for name, row in zip(done["found"], nearest.row[some].tolist(), strict=True))
        print(f"opened in {done['opened']:.1f} s; {done['RssAnon']:.0f} MB resident that are not of files")
        write(
            {
                "what": f"search for {whom} by an index, {people:,} people drawn like real",
                "peer": "a matrix product over all",
                **side_by_side(done["times"], by_product),
                "ours_mb": done["VmHWM"],
                "times": len(done["found"]),
                "equal": f"the nearest of {hits:,} of {len(done['found']):,}",
            }
        )


def main() -> None:
    """Enrolls, indexes and searches."""
    command = command_line(__doc__)
    command.add_argument("--people", type=int, default=10_000_000)
    command.add_argument("--searches", type=int, default=2_000)
    command.add_argument("--like", type=Path, required=True, help="an embeddings manifest to draw people after")
    given = command.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "gallery.db"
        measure(file, enroll(file, like(given.like), given.people, given.searches), given.people)


if __name__ == "__main__":
    main()
