"""From an encoded crop to the pixels a network sees: one specification, stored with every checkpoint.

Training, embedding and verification all come through here. Different preprocessing on the two sides is the reason
the public FaceNet numbers so often fail to reproduce.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from components.common.alignment import canonical
from components.common.errors import MALFORMED, FacenetError, UsageError
from components.common.records import number, whole

RESIZE_FILTER = "bilinear-antialiased"
SCALING = "[-1, 1]"
LARGEST_IMAGE = 1024


@dataclass(frozen=True)
class Crop:
    """How a face was cut out of its photo.

    Args:
        margin: what is added around the detector's box on every side, as a fraction of the box's longer side.
            Of an aligned face, as a fraction of the side of the template's square.
        alignment: "none", or the template that a similarity transform puts eyes and nose at; see
            `components.common.alignment`.

    Raises:
        TypeError, ValueError: no such alignment.
    """

    margin: float
    alignment: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "alignment", canonical(self.alignment))

    @property
    def flags(self) -> str:
        """What makes extract cut out such faces."""
        return f"--margin {self.margin} --alignment {self.alignment}"

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Crop:
        """Reads the plain values.

        Raises:
            TypeError, ValueError: a field is missing, unknown, or has no value of its kind.
        """
        crop = cls(**record)
        if not 0 <= number(crop.margin) <= 2:
            raise ValueError(f"a margin from 0 to 2 is needed, not {crop.margin}")
        return crop


@dataclass(frozen=True)
class Preprocessing:
    """What must be done to a face before the network sees it.

    Args:
        image_size: side of the square input in pixels.
        crop: how faces are cut out of photos.
        resize_filter: the interpolation; only "bilinear-antialiased" (Pillow's BILINEAR with its support
            scaled by the reduction) is known.
        scaling: range that 0 to 255 is mapped to; only "[-1, 1]" is known.
        flip_averaging: whether an embedding is the mean of those of the image and of its mirror image, brought to
            length 1.
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
            UsageError: a field is missing, unknown, or has a value that this program cannot apply.
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
        known = (spec.resize_filter, spec.scaling) == (RESIZE_FILTER, SCALING)
        if not understood or not known:
            raise UsageError(
                "The preprocessing specification asks for something that this program does not do.",
                received=record,
                advice=f"Known: resize_filter {RESIZE_FILTER!r}, scaling {SCALING!r}, image_size 1 to {LARGEST_IMAGE}.",
            )
        return spec


@contextmanager
def opened(image: bytes) -> Iterator[Image.Image]:
    """Opens an encoded crop; what Pillow raises inside the block, whatever it is, says that the crop is damaged.

    Raises:
        FacenetError: it is.
    """
    try:
        # No other formats: some of Pillow's start programs.
        with Image.open(io.BytesIO(image), formats=("JPEG", "PNG")) as picture:
            yield picture
    except Exception as error:
        raise FacenetError(
            "A crop in the faces manifest is damaged.",
            received=f"{len(image)} bytes that begin with {image[:8]!r} ({type(error).__name__}: {error})",
            advice="Run `facenet extract` again.",
        ) from error


def pixels(image: bytes, image_size: int) -> npt.NDArray[np.uint8]:
    """Decodes an encoded crop and brings it to the network's size.

    Args:
        image: an encoded square RGB crop, as in the faces manifest.
        image_size: side of the result in pixels.

    Returns:
        uint8 [image_size, image_size, 3], RGB.

    Raises:
        FacenetError: the crop is damaged.
    """
    with opened(image) as picture:
        # libjpeg scales by 1/2, 1/4 or 1/8 while decoding, never below the size asked for.
        picture.draft("RGB", (image_size, image_size))
        resized = picture.convert("RGB").resize((image_size, image_size), Image.Resampling.BILINEAR)
    return np.asarray(resized)
