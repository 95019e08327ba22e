"""Faces that a network takes for somebody else's, and people who stand under two names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.common.errors import UsageError
from components.common.manifest import Folders, folder_names
from components.common.quantity import quantity
from components.evaluate.embeddings import read_embeddings

Vectors = npt.NDArray[np.float32]
Likenesses = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

# Likenesses to all people that are computed at once: 64 MB of them, however many faces and people there are.
_LIKENESSES = 1 << 24
# One person under two names is as like either: this much less, of the way from a person's own faces to strangers, is
# chance. Half as much misses more of the names that were split in two; twice as much lists people who only look alike.
_NEARLY = 0.1


@dataclass(frozen=True)
class Outliers:
    """What a network says of names.

    Args:
        faces: those that are unlike the others of their person and like somebody else's, the surest first, with the
            index that they had. Columns face_id, identity, photo_path; own, the likeness to the others of that person;
            other, that to the person whom it looks like; and of the face of that person that it is most like, like_id,
            like_identity, like_path.
        people: pairs of names whose faces are alike, columns identity and like_identity, by name.
    """

    faces: pd.DataFrame
    people: pd.DataFrame


def vectors_of(faces: pd.DataFrame, folders: Folders) -> Vectors:
    """Reads the embeddings of some faces.

    Args:
        faces: column face_id.
        folders: an embeddings manifest, or all shards of it.

    Returns:
        float32 [faces, size], unit length.

    Raises:
        UsageError: it lacks one of the faces, or is no embeddings manifest of one network.
    """
    known = read_embeddings(folders)
    rows = pd.Series(range(len(known)), list(known.face_id))
    rows = rows[~rows.index.duplicated()].reindex(faces["face_id"])
    missing = rows.index[rows.isna()]
    if len(missing):
        raise UsageError(
            "These are not the embeddings of the faces that are collected.",
            received=f"{folder_names(folders)}: without {len(missing):,} of {len(rows):,} faces, such as {missing[0]}",
            advice="Collect without --outliers and embed that dataset; then collect again, with the same other flags.",
        )
    return known.vectors[rows.to_numpy(np.int64)]


def find_outliers(faces: pd.DataFrame, vectors: Vectors) -> Outliers:
    """Finds the faces that stand under a wrong name, and the people who stand under two.

    A likeness is the cosine of a face and of the mean of a person's faces, without itself, around the mean of all
    people. Two of them lie far apart: that of a face to its own person, and that to the most similar other person. The
    middle between their medians tells like from unlike, whatever the network's distances are.

    Args:
        faces: columns face_id, identity and photo_path; at least one.
        vectors: float32 [faces, size], unit length.

    Raises:
        UsageError: there are no faces to compare, or they are no more like their own person's than like another's.
    """
    codes, names = pd.factorize(faces["identity"], sort=True)
    received = f"{quantity(len(faces), 'face')} of {quantity(len(names), 'person', 'people')}"
    if len(names) < 2 or len(names) == len(faces):
        raise UsageError(
            "Nobody's faces can be compared with the same person's and another's.",
            received=received,
            advice="Leave --outliers out, or add photos: it takes two people, and two faces of one of them.",
        )
    vectors = _around_people(vectors, codes)
    own, who, other = _likenesses(vectors, codes)
    usual, stranger = float(np.nanmedian(own)), float(np.median(other))
    if usual <= stranger:
        raise UsageError(
            "These embeddings do not tell the people apart, so they cannot say who stands under a wrong name.",
            received=f"{received}; likeness {usual:.3f} to the same person, {stranger:.3f} to another one (medians)",
            advice="Embed the faces with a network that tells them apart, such as `facenet embed -c dlib`.",
        )
    middle = (usual + stranger) / 2
    closer = np.where(np.isnan(own), usual, own) - other
    two_names = _two_names(codes, who, (other > middle) & (closer < _NEARLY * (usual - stranger)))
    twice = {*map(tuple, two_names), *map(tuple, two_names[:, ::-1])}
    found = np.flatnonzero((own < middle) & (other > middle))
    found = np.array([face for face in found if (codes[face], who[face]) not in twice], np.int64)
    found = found[np.argsort(closer[found], kind="stable")]
    like = np.array(
        [_most_like(vectors, vectors[face], np.flatnonzero(codes == who[face])) for face in found], np.int64
    )
    named = faces[["face_id", "identity", "photo_path"]]
    likes = named.iloc[like].set_axis(["like_id", "like_identity", "like_path"], axis=1).set_axis(faces.index[found])
    listed = named.iloc[found].assign(own=own[found], other=other[found]).join(likes)
    people = pd.DataFrame({"identity": names[two_names[:, 0]], "like_identity": names[two_names[:, 1]]})
    return Outliers(listed, people)


def _around_people(vectors: Vectors, codes: Indices) -> Vectors:
    """Faces around the mean of the people's means, of unit length: there, strangers are about at right angles."""
    means = _sums(vectors, codes) / np.bincount(codes)[:, None]
    return _unit(vectors - means.mean(axis=0).astype(np.float32))


def _sums(vectors: Vectors, codes: Indices) -> Vectors:
    """The sum of each person's faces, float32 [people, size]."""
    sums = np.zeros((codes.max() + 1, vectors.shape[1]), np.float32)
    np.add.at(sums, codes, vectors)
    return sums


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def _likenesses(vectors: Vectors, codes: Indices) -> tuple[Likenesses, Indices, Likenesses]:
    """How like people each face is.

    Returns:
        float32 [faces], to the others of its person, not a number without such; int64 [faces], the most similar other
        person; float32 [faces], to that person.
    """
    sums, single = _sums(vectors, codes), np.bincount(codes)[codes] == 1
    people = _unit(sums)
    own, other = np.empty((2, len(vectors)), np.float32)
    who = np.empty(len(vectors), np.int64)
    step = max(1, _LIKENESSES // max(people.shape))
    for start in range(0, len(vectors), step):
        piece = slice(start, start + step)
        faces, person = vectors[piece], codes[piece]
        own[piece] = np.einsum("ij,ij->i", faces, _unit(sums[person] - faces))
        likeness, row = faces @ people.T, np.arange(len(faces))
        likeness[row, person] = -np.inf
        who[piece] = likeness.argmax(axis=1)
        other[piece] = likeness[row, who[piece]]
    own[single] = np.nan
    return own, who, other


def _most_like(vectors: Vectors, face: Vectors, others: Indices) -> int:
    return int(others[np.argmax(vectors[others] @ face)])


def _two_names(codes: Indices, who: Indices, alike: npt.NDArray[np.bool_]) -> Indices:
    """The pairs of people where most faces of one are as like the other as like their own, int64 [pairs, 2]."""
    votes = pd.DataFrame({"one": codes[alike], "other": who[alike]}).value_counts()
    one, other = (votes.index.get_level_values(level) for level in ("one", "other"))
    most = 2 * votes.to_numpy() > np.bincount(codes)[one]
    pairs: Indices = np.unique(np.sort(np.stack([one[most], other[most]], axis=1), axis=1), axis=0)
    return pairs
