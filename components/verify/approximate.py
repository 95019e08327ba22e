"""Who is nearest to a face among millions of people, nearly always: by an index on the disk, and by the gallery itself.

Everybody's reference is shortened to its principal axes and a byte for each of these, in lists of people who lie near
each other (k-means; an inverted file, Sivic and Zisserman, 2003; faiss, Douze et al., 2024). A search reads the lists
with the nearest centres, and compares with those people whom their codes call the nearest, by the embeddings in the
gallery: with the same numbers as a search of everybody.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.common.atomic import new_directory
from components.common.errors import UsageError
from components.common.progress import progress
from components.verify.gallery import Gallery
from components.verify.lists import FILES, LISTS, NOBODY, Floats, Keys, Lists, write
from components.verify.search import Candidate, People

# Of fewer everybody is compared in a few milliseconds.
FEWEST = 10_000
_AT_A_TIME = 4096
# People for each list by whom its centre is found, and how many have to be nearest to it: it is a mean of people, and
# nobody in particular is to be found in it.
_EACH, _MEMBERS = 40, 8
_ROUNDS = 10
# Of the variance of the references, to be kept by a multiple of so many numbers.
_KEPT, _MULTIPLE = 0.95, 16
# Faces searched for among all other people, of which none may miss the nearest: then with 95 % confidence fewer than 1
# in 1,000 do (the rule of three, Hanley and Lippman-Hand, 1983).
SEARCHED = 3000
_CANDIDATES = 64


def _faiss() -> Any:
    try:
        import faiss
    except ModuleNotFoundError as missing:
        raise UsageError(
            "An approximate index needs faiss, which is not installed.",
            received=missing.name,
            advice="pip install -e '.[index]'; or leave out --approximate, to compare with everybody.",
        ) from missing
    return faiss


class Approximate:
    """The people of a gallery, which stays open, searched by its index.

    A search may miss somebody and calls nobody nearer than they are: so strangers get a name as seldom as by a search
    of everybody, or less often. Whoever is not in the gallery any more is not found.

    Raises:
        UsageError: the gallery has no index, was changed since, or faiss is not there.
        FacenetError: the index is damaged.
    """

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._lists = gallery.index
        self._index = _opened(self._lists)
        self._parameters = _faiss().SearchParametersIVF(nprobe=self._lists.probed)
        self.total_people, self.total_faces = gallery.totals()

    def nearest(self, embedding: npt.NDArray[np.float32], top: int) -> list[Candidate]:
        """The people nearest to a face, nearly always; see `Enrolled`."""
        near = np.ascontiguousarray(embedding @ self._lists.axes)[None]
        keys = self._index.search(near, min(_CANDIDATES + top, _AT_A_TIME), params=self._parameters)[1][0]
        there, people = self._gallery.some(keys[keys != NOBODY])
        return people.nearest(embedding, top) if len(there) else []


def _opened(lists: Lists) -> Any:
    """What faiss sees of the files, which stay on the disk but for what a search has just read."""
    faiss = _faiss()
    index, sizes = _empty(lists.centres, lists.scale), lists.sizes
    on_disk = faiss.OnDiskInvertedLists()
    on_disk.nlist, on_disk.code_size, on_disk.read_only = len(sizes), lists.centres.shape[1], True
    on_disk.filename = str(lists.folder / LISTS)
    for begin, size in lists.places():
        one = faiss.OnDiskOneList()
        one.offset, one.size, one.capacity = begin, size, size
        on_disk.lists.push_back(one)
    on_disk.totsize = (lists.folder / LISTS).stat().st_size
    on_disk.do_mmap()
    on_disk.this.disown()  # the index frees it
    index.replace_invlists(on_disk, True)
    index.ntotal = int(sizes.sum())
    return index


def _empty(centres: Floats, scale: Floats) -> Any:
    faiss = _faiss()
    count, kept = centres.shape
    quantizer = faiss.IndexFlatL2(kept)
    quantizer.add(np.ascontiguousarray(centres))
    kind = faiss.ScalarQuantizer.QT_8bit
    index = faiss.IndexIVFScalarQuantizer(quantizer, kept, count, kind, faiss.METRIC_L2, False)
    faiss.copy_array_to_vector(np.ascontiguousarray(scale).ravel(), index.sq.trained)
    index.is_trained = True
    return index


def build(gallery: Gallery, folder: Path, stamp: str) -> Lists:
    """Makes the index of a gallery, in a part of the memory that its embeddings would take.

    A search reads as many lists as it takes to find the nearest for each of `SEARCHED` faces among all other people.

    Args:
        gallery: in `Gallery.indexing`.
        folder: where the index is to lie; a former one is replaced.
        stamp: of the gallery.

    Raises:
        UsageError: too few people, or faiss is not there.
    """
    keys = gallery.keys()
    if len(keys) < FEWEST:
        raise UsageError(
            "This gallery is too small for an index.",
            received=f"{len(keys)} people; from {FEWEST:,} on it is of use",
            advice="Leave out --approximate: to compare with so few takes a few milliseconds.",
        )
    rng = np.random.default_rng(0)
    wanted = min(2 ** round(np.log2(2.5 * len(keys) ** 0.5)), len(keys) // _EACH)
    chosen = np.sort(rng.choice(keys, wanted * _EACH, replace=False))
    sample = np.concatenate([references for _, references in _in_parts(gallery, chosen)])
    axes = _axes(sample)
    near = sample @ axes
    centres, scale = _centres(near, wanted), np.stack([near.min(0), np.ptp(near, axis=0)])
    others = _Others(*gallery.some(rng.choice(chosen, SEARCHED, replace=False)))
    index = _empty(centres, scale)
    number, listed, done = np.empty(len(keys), np.int64), np.empty(len(keys), np.int32), 0
    with new_directory(folder, FILES) as aside, progress(len(keys), "index") as bar:
        codes = np.memmap(aside / "codes", np.uint8, "w+", shape=(len(keys), axes.shape[1]))
        for there, references in _in_parts(gallery, keys):
            rows = slice(done, done + len(there))
            near = references @ axes
            number[rows], codes[rows] = there, index.sq.compute_codes(near)
            listed[rows] = index.quantizer.search(near, 1)[1][:, 0]
            others.look_at(there, references, listed[rows])
            bar.update(len(there))
            done += len(there)
        sizes = np.bincount(listed, minlength=len(centres))
        lists = Lists(aside, axes, centres, scale, sizes, int(others.ranks(axes, centres).max()))
        write(lists, stamp, codes, np.argsort(listed, kind="stable"), number)
        (aside / "codes").unlink()
    return replace(lists, folder=folder)


def _in_parts(gallery: Gallery, keys: Keys) -> Iterator[tuple[Keys, Floats]]:
    """Some people at a time: their keys, and what a face is compared with."""
    for begin in range(0, len(keys), _AT_A_TIME):
        there, people = gallery.some(keys[begin : begin + _AT_A_TIME])
        yield there, people.references


def _axes(sample: Floats) -> Floats:
    """The principal axes that hold enough of the variance, float32 [size, kept]."""
    variances, axes = np.linalg.eigh(np.cov(sample.T.astype(np.float64)))
    share = np.cumsum(variances[::-1]) / variances.sum()
    kept = min(-(-(int(np.searchsorted(share, _KEPT)) + 1) // _MULTIPLE) * _MULTIPLE, len(variances))
    return np.ascontiguousarray(axes[:, : -kept - 1 : -1], np.float32)


def _centres(near: Floats, wanted: int) -> Floats:
    """Centres of lists, each with people enough."""
    faiss = _faiss()
    found = faiss.Kmeans(near.shape[1], wanted, niter=_ROUNDS, seed=0, max_points_per_centroid=_EACH)
    found.train(near)
    members = np.bincount(found.index.search(near, 1)[1][:, 0], minlength=wanted)
    centres: Floats = found.centroids[members >= _MEMBERS]
    return centres


class _Others:
    """For a face of each of some people, who of all the others is nearest, found part by part.

    Args:
        keys: int64 [n], of these people.
        people: the same.
    """

    def __init__(self, keys: Keys, people: People) -> None:
        self._keys, first = keys, np.unique(people.person, return_index=True)[1]
        self._faces = people.embeddings[first]
        self._best = np.full(len(keys), -np.inf, np.float32)
        self._listed = np.zeros(len(keys), np.int64)  # the list of the nearest

    def look_at(self, keys: Keys, references: Floats, listed: npt.NDArray[np.int32]) -> None:
        """The next people, and their lists."""
        similarity = self._faces @ references.T
        _, own, place = np.intersect1d(self._keys, keys, assume_unique=True, return_indices=True)
        similarity[own, place] = -np.inf
        nearest = similarity.argmax(1)
        best = np.take_along_axis(similarity, nearest[:, None], 1)[:, 0]
        nearer = best > self._best
        self._best[nearer], self._listed[nearer] = best[nearer], listed[nearest[nearer]]

    def ranks(self, axes: Floats, centres: Floats) -> Keys:
        """How many lists have to be read to find the nearest of each: int64 [n]."""
        distance = np.einsum("ld,ld->l", centres, centres) - 2 * (self._faces @ axes) @ centres.T
        own = np.take_along_axis(distance, self._listed[:, None], 1)
        ranks: Keys = (distance < own).sum(1) + 1
        return ranks
