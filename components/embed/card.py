"""The card of embeddings: a map of some faces, and the nearest neighbours of a few of them among all faces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from components.common.crops import decode_crops
from components.common.manifest import Folders, unnamed
from components.embed.layout import layout
from components.embed.neighbours import Embeddings, Indices, nearest
from components.page.pictures import thumbnail
from components.page.templates import Card, fill_card

_PEOPLE, _FACES = 40, 8  # on the map: people at most, and faces of each at most
_ASKED, _NEIGHBOURS = 8, 6  # faces whose neighbours are listed, and neighbours of each
_MAP_SIDE, _LIST_SIDE = 48, 80  # pixels
_PATH = 255  # characters of a photo's path on the map: hundreds of the longest would be larger than the pictures
_GOLDEN_ANGLE = 137.508  # neighbouring numbers get hues far apart


@dataclass(frozen=True)
class Place:
    """A face on the map.

    Args:
        identity: whom it shows.
        photo_path: the photo that shows it, or the end of that path when it is very long.
        split: train, validation or test.
        x: from 0 to 100, to the right.
        y: from 0 to 100, downwards.
        hue: of the identity, in degrees.
        picture: a data URI; "" without pictures.
    """

    identity: str
    photo_path: str
    split: str
    x: float
    y: float
    hue: float
    picture: str


@dataclass(frozen=True)
class Neighbour:
    """A face in a list of neighbours.

    Args:
        identity: whom it shows.
        photo_path: the photo that shows it.
        same: whether it shows the same person as the face that the list is about.
        distance: Euclidean, from that face, 0 to 2.
        picture: a data URI; "" without pictures.
    """

    identity: str
    photo_path: str
    same: bool
    distance: float
    picture: str


@dataclass(frozen=True)
class Embedded:
    """The faces that were embedded: millions, perhaps, of which a card reads few as a whole.

    Args:
        names: of each its identity and its split.
        take: gives some rows of the dataset manifest, by their numbers among the embedded.
        vectors: their embeddings.
        size: length of an embedding.
    """

    names: pa.Table
    take: Callable[[Indices], pa.Table]
    vectors: Embeddings
    size: int


def show(embedded: Embedded, faces: Folders, checkpoint: str, *, pictures: bool) -> Card:
    """The card of some embeddings; it reads the crops of those few faces that it shows.

    Args:
        embedded: those of unnamed people are only counted.
        faces: the faces manifest that the rows point into.
        checkpoint: SHA-256 of the network.
        pictures: whether it shows faces, or else points.
    """
    names = embedded.names
    named = np.flatnonzero(~np.array(unnamed(names), bool))
    people = names["identity"].combine_chunks().dictionary_encode().indices.to_numpy()
    values: dict[str, Any] = {
        "faces": len(named),
        "unnamed": len(names) - len(named),
        "people": len(np.unique(people[named])),
        "size": embedded.size,
        "checkpoint": checkpoint,
        "pictures": pictures,
        # A shard of a small dataset may hold no face.
        **(_contents(embedded, people, named, faces, pictures) if len(named) else _NOTHING),
    }
    return fill_card(Path(__file__).parent, values)


_NOTHING: dict[str, Any] = {"places": [], "shown_people": 0, "splits": [], "unseen": False, "asked": []}


def _contents(
    embedded: Embedded, people: npt.NDArray[np.integer], named: Indices, faces: Folders, pictures: bool
) -> dict[str, Any]:
    chosen = named[some_of_each(people[named], _PEOPLE, _FACES)]
    split = embedded.names["split"].take(chosen).to_numpy(zero_copy_only=False)
    unseen = chosen[split != "train"]
    asked = _one_of_each(people, unseen if len(unseen) else chosen)
    near, distances = nearest(embedded.vectors, named, asked, _NEIGHBOURS)
    shown, listed = embedded.take(chosen), embedded.take(np.concatenate([asked[:, None], near], axis=1).ravel())
    return {
        "places": _places(shown, embedded.vectors[chosen], _pictures(shown, faces, _MAP_SIDE, pictures)),
        "shown_people": len(np.unique(people[chosen])),
        "splits": _same_person_nearest(embedded.vectors, people, named, chosen, split),
        "unseen": bool(len(unseen)),
        "asked": _lists(listed, distances, _pictures(listed, faces, _LIST_SIDE, pictures)),
    }


def some_of_each(people: npt.NDArray[np.integer], most_people: int, most_faces: int) -> Indices:
    """Rows of some people, at even distances in the list of people, with some faces each.

    Args:
        people: int [n], n at least 1, whom each face shows, as numbers.
        most_people: the largest number of people.
        most_faces: the largest number of faces of each.
    """
    numbers, first, count = np.unique(np.sort(people), return_index=True, return_counts=True)
    in_order = np.argsort(people, kind="stable")
    taken = _evenly(len(numbers), most_people)
    return np.concatenate([in_order[first[i] + _evenly(count[i], most_faces)] for i in taken])


def _evenly(total: int, most: int) -> Indices:
    return np.unique(np.linspace(0, total - 1, min(total, most)).astype(np.int64))


def _one_of_each(people: npt.NDArray[np.integer], chosen: Indices) -> Indices:
    """The first face of each of a few of the people chosen."""
    first = np.unique(people[chosen], return_index=True)[1]
    return chosen[first[_evenly(len(first), _ASKED)]]


def _pictures(rows: pa.Table, faces: Folders, side: int, wanted: bool) -> list[str]:
    if not wanted:
        return [""] * len(rows)
    return [thumbnail(Image.fromarray(image), side) for image in decode_crops(rows, faces, side)]


def _places(rows: pa.Table, embeddings: npt.NDArray[np.float32], pictures: Sequence[str]) -> list[Place]:
    taken = rows.to_pylist()
    number = {name: i for i, name in enumerate(dict.fromkeys(row["identity"] for row in taken))}
    return [
        Place(
            identity=row["identity"],
            photo_path=row["photo_path"][-_PATH:],
            split=row["split"],
            x=round(100 * x, 2),
            y=round(100 * y, 2),
            hue=round(number[row["identity"]] * _GOLDEN_ANGLE % 360),
            picture=picture,
        )
        for row, (x, y), picture in zip(taken, layout(embeddings).tolist(), pictures, strict=True)
    ]


def _same_person_nearest(
    embeddings: Embeddings,
    people: npt.NDArray[np.integer],
    named: Indices,
    chosen: Indices,
    split: npt.NDArray[Any],
) -> list[tuple[str, int, float]]:
    """The splits of the chosen faces: how many are in each, and what share of them has the same person nearest."""
    if len(named) < 2:
        return []
    right = people[nearest(embeddings, named, chosen, 1)[0][:, 0]] == people[chosen]
    return [
        (name, int(np.sum(split == name)), float(np.mean(right[split == name])))
        for name in ("train", "validation", "test")
        if np.any(split == name)
    ]


def _lists(
    rows: pa.Table, distances: npt.NDArray[np.float32], pictures: Sequence[str]
) -> list[tuple[Neighbour, list[Neighbour]]]:
    """Each face whose neighbours are listed, at distance 0 from itself, with its neighbours."""
    taken = iter(zip(rows.to_pylist(), pictures, strict=True))
    lists = []
    for row_distances in distances.tolist():
        faces: list[Neighbour] = []
        for distance in (0.0, *row_distances):
            row, picture = next(taken)
            same = not faces or row["identity"] == faces[0].identity
            faces.append(Neighbour(row["identity"], row["photo_path"], same, distance, picture))
        lists.append((faces[0], faces[1:]))
    return lists
