"""Which faces do not become part of a dataset, and why. Tables in, tables out."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

# Takes faces; returns the faces kept, and the faces dropped in the columns of the dropped manifest.
Filter = Callable[[pd.DataFrame], tuple[pd.DataFrame, pd.DataFrame]]
EXACT_DUPLICATE = "exact-duplicate"
COPY = "copy"
TWO_NAMES = "two-names"
TOO_FEW_FACES = "too-few-faces"
OUTLIER = "outlier"
LOW_QUALITY = "low-quality"


def _as_dropped(faces: pd.DataFrame, reason: str, detail: pd.Series | str) -> pd.DataFrame:
    return faces[["face_id", "identity", "photo_path"]].assign(reason=reason, detail=detail)


def without_duplicates(faces: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keeps the first of those faces of an identity that are equal pixel by pixel.

    Args:
        faces: columns face_id, identity, photo_path, phash, in the manifest's order.

    Returns:
        The faces kept, and the faces dropped in the columns of the dropped manifest.
    """
    repeated = faces.duplicated(["identity", "face_id"])
    first = faces.drop_duplicates(["identity", "face_id"]).set_index(["identity", "face_id"])["photo_path"]
    dropped = faces[repeated]
    same_as = first.reindex(pd.MultiIndex.from_frame(dropped[["identity", "face_id"]])).to_numpy()
    return faces[~repeated], _as_dropped(dropped, EXACT_DUPLICATE, pd.Series("same as " + same_as, dropped.index, str))


def without_copies(faces: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keeps the largest of those photos of an identity that are one picture in several sizes or encodings.

    Pairs of copies would be too easy: in the test split they flatter every score. Two photos are the same picture when
    their perceptual hashes are equal. Several faces in one photo are no copies.

    Args:
        faces: columns face_id, identity, photo_path, phash, width.

    Returns:
        The faces kept, and the faces dropped in the columns of the dropped manifest.
    """
    picture = ["identity", "phash"]
    largest = faces.sort_values("width", ascending=False, kind="stable").drop_duplicates(picture)
    photo = largest.set_index(picture)["photo_path"].reindex(pd.MultiIndex.from_frame(faces[picture]))
    photo = photo.set_axis(faces.index)  # not as Python's texts, which take four times the memory
    copies = faces["photo_path"] != photo
    return faces[~copies], _as_dropped(faces[copies], COPY, "a copy of " + photo[copies])


def without_two_names(faces: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Drops a picture that stands under two names, under both: the program cannot know which one is right.

    If it stayed, it would give the hardest triplet of every round, and a wrong one. Two faces are the same picture when
    their perceptual hashes are equal, so resized and re-encoded copies count.

    Args:
        faces: columns face_id, identity, photo_path, phash.

    Returns:
        The faces kept, and the faces dropped in the columns of the dropped manifest.
    """
    names = faces.groupby("phash")["identity"].transform("nunique")
    shared = faces[names > 1]
    places = shared.groupby("phash")["photo_path"].transform(" = ".join) if len(shared) else ""
    return faces[names <= 1], _as_dropped(shared, TWO_NAMES, places)


def without_copies_of(faces: pd.DataFrame, others: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Drops the faces of photos that others have too, by their perceptual hashes.

    Args:
        faces: columns face_id, identity, photo_path, phash.
        others: columns photo_path, phash.

    Returns:
        The faces kept, and the faces dropped in the columns of the dropped manifest.
    """
    photo = faces["phash"].map(others.drop_duplicates("phash").set_index("phash")["photo_path"])
    copies = photo.notna()
    return faces[~copies], _as_dropped(faces[copies], COPY, "a copy of " + photo[copies].astype(str))


def without_outliers(faces: pd.DataFrame, outliers: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Drops the faces that a network takes for somebody else's.

    Args:
        faces: columns face_id, identity, photo_path.
        outliers: some of them, by their index, with column like_path.

    Returns:
        The faces kept, and the faces dropped in the columns of the dropped manifest.
    """
    listed = faces.index.isin(outliers.index)
    return faces[~listed], _as_dropped(faces[listed], OUTLIER, "looks like " + outliers["like_path"])


def without_poor(faces: pd.DataFrame, min_quality: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Drops the faces whose quality is below `min_quality`, 0 to 100.

    Args:
        faces: columns face_id, identity, photo_path, quality.
        min_quality: the least quality to keep.

    Returns:
        The faces kept, and the faces dropped in the columns of the dropped manifest.
    """
    kept = faces["quality"] >= min_quality
    poor = faces[~kept]
    detail = poor["quality"].map("quality {:.1f}".format) + f" of at least {min_quality:g}"
    return faces[kept], _as_dropped(poor, LOW_QUALITY, detail)


def without_rare(faces: pd.DataFrame, min_examples: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Drops the identities with fewer than `min_examples` faces.

    Returns:
        The faces kept, and the faces dropped in the columns of the dropped manifest.
    """
    count = faces.groupby("identity")["face_id"].transform("size")
    rare = faces[count < min_examples]
    detail = count[rare.index].astype(str) + f" of at least {min_examples}"
    return faces[count >= min_examples], _as_dropped(rare, TOO_FEW_FACES, detail)
