"""From an encoded crop to the pixels a network sees: one specification, stored with every checkpoint.

Training, embedding and verification all come through here. Different preprocessing on the two sides is the reason
the public FaceNet numbers so often fail to reproduce.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from components.common.alignment import NONE, UNKNOWN, canonical
from components.common.errors import MALFORMED, FacenetError, UsageError
from components.common.records import number, whole

RESIZE_FILTER = "bilinear-antialiased"
SCALING = "[-1, 1]"
STANDARDISED: Literal["standardised"] = "standardised"
SCALINGS = (SCALING, STANDARDISED)
LARGEST_IMAGE = 1024
# The entry of a LiteRT file's metadata that says, as JSON, how to use the network; and the format of that.
LITERT_ENTRY, LITERT_FORMAT = "FACENET", 1
Detector = Literal["dlib", "blazeface"]
DETECTORS: tuple[Detector, ...] = get_args(Detector)
# What crops that others made were found by, too.
FoundBy = Literal["dlib", "blazeface", "mtcnn", "unknown"]


def mixed(found_by: str, wanted: str) -> str:
    """What to expect where faces that one detector found are compared with another's: components/extract/README.md."""
    return f"faces found by {found_by} are compared with others, found by {wanted}. Where measured, thresholds held."


@dataclass(frozen=True)
class Crop:
    """How a face was cut out of its photo.

    Args:
        margin: what is added around the detector's box on every side, as a fraction of the box's longer side.
            Of an aligned face, as a fraction of the side of the template's square.
        alignment: "none", or the template that a similarity transform puts eyes and nose at; see
            `components.common.alignment`. "unknown" of crops that others made in a way that nobody knows.
        detector: what found it.

    Raises:
        TypeError, ValueError: no such alignment or detector.
    """

    margin: float
    alignment: str
    detector: FoundBy = "dlib"  # of faces and networks from before there were two

    def __post_init__(self) -> None:
        object.__setattr__(self, "alignment", canonical(self.alignment))
        if self.detector not in get_args(FoundBy):
            raise ValueError(f"the detector is {self.detector!r}; known: {', '.join(get_args(FoundBy))}")

    @property
    def flags(self) -> str:
        """What makes extract cut out such faces."""
        return f"--margin {self.margin} --alignment {self.alignment} --detector {self.finder}"

    @property
    def how_to_get(self) -> str:
        """What to do for a dataset of such faces."""
        try:
            extract = f"`facenet extract {self.flags}`, or "
        except UsageError:  # only others make them so
            extract = ""
        return f"Run {extract}`facenet import` on crops that are like that, then collect"

    @property
    def finder(self) -> Detector:
        """What finds faces in photos that are to be cut out so. Aligned ones may be found by any detector.

        Raises:
            UsageError: nobody can cut out faces so: they are crops that others made, in a way that is not known here.
        """
        for detector in DETECTORS:
            if self.detector == detector and self.alignment != UNKNOWN:
                return detector
        if self.alignment in (NONE, UNKNOWN):
            raise UsageError(
                "Faces in photos cannot be cut out in this way.",
                received=self,
                advice="It is said of crops that others made. If you know a template that is like theirs, say it to "
                "`facenet import --alignment`, and train on that.",
            )
        return DETECTORS[0]

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Crop:
        """Reads the plain values.

        Raises:
            TypeError, ValueError: a field is missing or unknown, or its value does not fit.
        """
        crop = cls(**record)
        if not 0 <= number(crop.margin) <= 2:
            raise ValueError(f"a margin from 0 to 2 is needed, not {crop.margin}")
        return crop

    def mixed_with(self, other: Crop) -> str:
        """What to expect of faces that another detector found, in a sentence; "" where it is the same."""
        unsaid = "unknown" in (self.detector, other.detector)
        return "" if unsaid or other.detector == self.detector else mixed(other.detector, self.detector)

    def middle(self, share: float) -> Crop:
        """The crop that is the middle part of this one, by its side; the inverse of `share_of`.

        Raises:
            UsageError: faces that are not aligned have none.
        """
        if share == 1:
            return self
        if self.alignment == NONE:
            raise UsageError(
                "Only of aligned faces the middle shows all of them alike.",
                received=f"{self}, a share of {share:g}",
                advice="Run `facenet extract --alignment dlib`, then collect again; or take the whole faces.",
            )
        return replace(self, margin=round(((1 + 2 * self.margin) * share - 1) / 2, 6))

    def share_of(self, wider: Crop) -> float | None:
        """The middle part of a face that was cut out in a wider way which is this crop.

        Aligned faces lie at one place whatever the margin: a closer cut is the middle of a wider one. Others are cut
        off where the photo ends, so their middle may be elsewhere, and each detector has boxes of its own.

        Returns:
            The part of the side, in (0, 1]; None where this crop is not inside the other one.
        """
        if self == wider:
            return 1.0
        if self.alignment != wider.alignment or self.alignment == NONE or self.margin > wider.margin:
            return None
        return (1 + 2 * self.margin) / (1 + 2 * wider.margin)


@dataclass(frozen=True)
class Preprocessing:
    """What must be done to a face before the network sees it.

    Args:
        image_size: side of the square input, in pixels.
        crop: how faces are cut out of photos.
        resize_filter: the interpolation; only "bilinear-antialiased" (Pillow's BILINEAR with its support
            scaled by the reduction) is known.
        scaling: one of `SCALINGS`: the range that 0 to 255 is mapped to; or each image brought to mean 0 and
            deviation 1 ("prewhitened"), which the FaceNet community's networks of 2017 want.
        flip_averaging: whether an embedding is the mean of the embeddings of the image and of its mirror image,
            normalised to length 1.
    """

    image_size: int
    crop: Crop
    resize_filter: str = RESIZE_FILTER
    scaling: str = SCALING
    flip_averaging: bool = False

    def to_json(self) -> dict[str, Any]:
        """The specification as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Preprocessing:
        """Reads `to_json`'s record.

        Raises:
            UsageError: a field is missing or unknown, or has a value that this program cannot apply.
        """
        try:
            spec = cls(**{**record, "crop": Crop.from_json(record["crop"])})
            understood = 1 <= whole(spec.image_size) <= LARGEST_IMAGE and isinstance(spec.flip_averaging, bool)
        except MALFORMED as error:
            raise UsageError(
                "The preprocessing specification is not complete.",
                received=f"{record} ({error})",
                advice="Take the whole checkpoint folder again from where it was made.",
            ) from error
        known = spec.resize_filter == RESIZE_FILTER and spec.scaling in SCALINGS
        if not understood or not known:
            raise UsageError(
                "The preprocessing specification asks for something that this program does not do.",
                received=record,
                advice=f"Known: resize_filter {RESIZE_FILTER!r}, scaling {' or '.join(map(repr, SCALINGS))}, "
                f"image_size 1 to {LARGEST_IMAGE}.",
            )
        return spec


def digest_of(face: Image.Image) -> str:
    """SHA-256 of the shape and the pixels of a face, in RGB, as hex digits: its first 32 are the face's id."""
    digest = hashlib.sha256(repr((face.height, face.width, 3)).encode())
    digest.update(face.tobytes())
    return digest.hexdigest()


@contextmanager
def open_crop(image: bytes) -> Iterator[Image.Image]:
    """Opens an encoded crop; whatever Pillow raises inside the block means that the crop is damaged.

    Raises:
        FacenetError: the crop is damaged.
    """
    try:
        # No other formats: some of Pillow's start programs.
        with Image.open(io.BytesIO(image), formats=("JPEG", "PNG")) as picture:
            yield picture
    except Exception as error:
        raise FacenetError(
            "A crop in the faces manifest is damaged.",
            received=f"{len(image)} bytes that begin with {image[:8]!r} ({type(error).__name__}: {error})",
            advice="Make the manifest anew, with `facenet extract` or `facenet import`.",
        ) from error


def pixels(image: bytes, image_size: int, share: float = 1.0) -> npt.NDArray[np.uint8]:
    """Decodes an encoded crop and brings it to the network's size.

    Args:
        image: an encoded square RGB crop, as in the faces manifest.
        image_size: side of the result in pixels.
        share: the middle part of the crop's side to take, in (0, 1]; see `Crop.share_of`.

    Returns:
        uint8 [image_size, image_size, 3], RGB.

    Raises:
        FacenetError: the crop is damaged.
    """
    with open_crop(image) as picture:
        # libjpeg scales by 1/2, 1/4 or 1/8 while decoding, never below the size asked for.
        least = math.ceil(image_size / share)
        picture.draft("RGB", (least, least))
        edge = (1 - share) / 2
        middle = (edge * picture.width, edge * picture.height, (1 - edge) * picture.width, (1 - edge) * picture.height)
        resized = picture.convert("RGB").resize((image_size, image_size), Image.Resampling.BILINEAR, middle)
    return np.asarray(resized)
