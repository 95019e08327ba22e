"""Every kind of manifest there is: its columns and what they mean, who writes it, and whom its rows are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from components.common.names import UNNAMED, one_form

# The files of a manifest's folder, and the entry of their metadata in which each says what it is.
PARTS = "part-*.parquet"
METADATA_KEY = b"facenet"


@dataclass(frozen=True)
class Manifest:
    """A kind of manifest.

    Args:
        name: what it is called in messages and in its files.
        version: the version of its schema.
        schema: its columns.
        written_by: the stage that makes it of something else. One that comes after may hand on another of the kind.
        person: the columns that say whom a row is about: `identity`, `photo_path`, or face ids, of faces that other
            manifests know.
        texts: the columns with words for people, which may name somebody else than the row is about.
        since: the version that brought a column, of those that the first did not have. They are nullable, and null
            where an older manifest is read.
    """

    name: str
    version: int
    schema: pa.Schema
    written_by: str
    person: tuple[str, ...]
    texts: tuple[str, ...] = ()
    since: Mapping[str, int] = field(default_factory=dict)

    def columns_of(self, version: int) -> pa.Schema:
        """The columns of a version up to this one."""
        return pa.schema([column for column in self.schema if self.since.get(column.name, 1) <= version])


def _columns(*columns: tuple[str, pa.DataType] | tuple[str, pa.DataType, str]) -> pa.Schema:
    """A schema whose columns are required unless marked "nullable"."""
    return pa.schema([pa.field(name, kind, nullable=bool(rest)) for name, kind, *rest in columns])


# x0, y0, x1, y1 in pixels of the upright photo (EXIF orientation applied), x1 and y1 exclusive.
BOX = pa.list_(pa.int32(), 4)


# How good a face is to recognise somebody by, and its parts, as components/extract/quality.py measures them; null where
# that was not done.
_QUALITY = (
    ("quality", pa.float32(), "nullable"),  # 0 (of no use) to 100, of the parts below and the score
    ("sharpness", pa.float32(), "nullable"),  # deviation of the Laplacian relative to that of the face, 0 or more
    ("eye_distance", pa.float32(), "nullable"),  # pixels of the photo, as if the head looked into the camera
    ("yaw", pa.float32(), "nullable"),  # degrees, positive to the right of the picture; null without points
    ("pitch", pa.float32(), "nullable"),  # degrees, positive downwards; null without points
    ("roll", pa.float32(), "nullable"),  # degrees, positive clockwise; null without points
    ("luminance_mean", pa.float32(), "nullable"),  # of linear light, 0 to 1
    ("luminance_variance", pa.float32(), "nullable"),  # of the same
    ("dynamic_range", pa.float32(), "nullable"),  # entropy of the luminance in bits, 0 to 8
    ("under_exposure", pa.float32(), "nullable"),  # share of pixels of luminance 25 of 255 or less
    ("over_exposure", pa.float32(), "nullable"),  # share of pixels of luminance 247 or more
    ("illumination_uniformity", pa.float32(), "nullable"),  # what the histograms of both cheeks share, 0 to 1
)


FACES = Manifest(
    "faces",
    2,
    _columns(
        ("face_id", pa.string()),  # first 32 hex digits of the SHA-256 of the crop's pixels: same pixels, same id
        ("photo_path", pa.string()),  # relative to the photo folder, with forward slashes
        ("photo_sha256", pa.string()),  # of the photo's bytes
        ("identity", pa.string()),  # the first folder level of photo_path, in Unicode's form NFC
        ("box", BOX),  # the detector's; may reach beyond the photo
        ("crop_box", BOX),  # what was cut out: square, inside the photo; for an aligned face, its bounds
        ("detector", pa.string()),  # name and version, as "dlib-hog 20.0.1"; "none" for a crop that was imported
        ("score", pa.float32()),  # the detector's confidence: larger is surer; it has no fixed range
        ("landmarks", pa.list_(pa.float32(), 10), "nullable"),  # x, y of five points in the photo, when aligned
        # perceptual hash of the whole photo: equal for resized or re-encoded copies; of an imported crop, of its pixels
        ("phash", pa.uint64()),
        ("image", pa.binary()),  # the crop, square, encoded as JPEG; an imported one may be PNG
        ("width", pa.int32()),  # of the encoded crop, in pixels
        ("height", pa.int32()),
        *_QUALITY,
    ),
    "extract",
    ("identity", "photo_path"),
    since={name: 2 for name, *_ in _QUALITY},
)


REJECTS = Manifest(
    "rejects",
    1,
    _columns(
        ("photo_path", pa.string()),
        ("photo_sha256", pa.string(), "nullable"),  # null when the bytes could not be read
        ("reason", pa.string()),  # one of components.extract.reasons, or of components.import_faces.reasons
        ("detail", pa.string()),  # for people: the library's own words, or numbers
    ),
    "extract",
    ("photo_path",),
    ("detail",),
)


DATASET = Manifest(
    "dataset",
    1,
    _columns(
        ("face_id", pa.string()),
        ("identity", pa.string()),  # of a person without a name, that of the face alone: FOLDER/FACE_ID
        ("split", pa.string()),  # train, validation or test: a function of the identity's name alone
        ("phash", pa.uint64()),
        ("photo_path", pa.string()),
        ("part", pa.int32()),  # the crop lies in row `row` of the part-th file of the faces manifest
        ("row", pa.int32()),
    ),
    "collect",
    ("identity", "photo_path"),
)


DROPPED = Manifest(
    "dropped",
    1,
    _columns(
        ("face_id", pa.string()),
        ("identity", pa.string()),
        ("photo_path", pa.string()),
        ("reason", pa.string()),  # one of components.collect.filters
        ("detail", pa.string()),
    ),
    "collect",
    ("identity", "photo_path"),
    ("detail",),
)


EMBEDDINGS = Manifest(
    "embeddings",
    1,
    _columns(
        ("face_id", pa.string()),
        ("identity", pa.string()),
        ("split", pa.string()),
        ("photo_path", pa.string()),
        (
            "embedding",
            pa.list_(pa.float32()),
        ),  # unit length; every row as long as the checkpoint's embedding size
        ("checkpoint_sha256", pa.string()),
    ),
    "embed",
    ("identity", "photo_path"),
)


PAIRS = Manifest(
    "pairs",
    1,
    _columns(
        ("face_id_a", pa.string()),
        ("face_id_b", pa.string()),
        ("same", pa.bool_()),
        ("fold", pa.int32()),  # 0 to folds - 1
        ("slice", pa.string(), "nullable"),  # a named part of the pairs, when the pairs file has them
        ("distance", pa.float32()),  # Euclidean, between unit-length embeddings: 0 to 2
    ),
    "evaluate",
    ("face_id_a", "face_id_b"),
    ("slice",),
)


# Every kind by its name; those that know faces by their ids alone come last.
MANIFESTS = {manifest.name: manifest for manifest in (FACES, REJECTS, DATASET, DROPPED, EMBEDDINGS, PAIRS)}


def about_person(table: pa.Table, manifest: Manifest, name: str, face_ids: set[str]) -> pa.Array:
    """Which rows of a manifest are about a person: bool [rows].

    Args:
        table: some rows, with the columns that `manifest.person` names.
        manifest: the kind of manifest that they are of.
        name: the person's folder of photos, or one photo as FOLDER/1.jpg, in either of Unicode's forms.
        face_ids: the person's faces.
    """
    name, about = one_form(name), pa.scalar(False)
    for column in manifest.person:
        values = table[column]
        if column in ("identity", "photo_path"):
            values = pc.utf8_normalize(values, "NFC")
            matches = pc.or_(pc.equal(values, name), pc.starts_with(values, f"{name}/"))
        else:
            matches = pc.is_in(values, pa.array(sorted(face_ids), pa.string()))
        about = pc.or_(about, matches)
    return about


def unnamed(table: pa.Table) -> pa.Array:
    """Which rows of a dataset, or of embeddings, show a person without a name: bool [rows]."""
    return pc.match_substring(table["identity"].combine_chunks(), UNNAMED)
