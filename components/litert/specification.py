"""What a LiteRT face embedder wants of a face, and what its distances mean: from the file, or from a JSON beside it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from components.common.errors import MALFORMED, UsageError
from components.common.preprocessing import LARGEST_IMAGE, LITERT_FORMAT, RESIZE_FILTER, SCALING, STANDARDISED, Crop
from components.common.records import is_version, number, read_json, whole
from components.litert.identification import GalleryThreshold

LAYOUTS = ("NHWC", "NCHW")
COLOURS = ("RGB", "BGR")
Standardised = Literal["standardised"]
_ADVICE = "components/litert/README.md describes the fields."


@dataclass(frozen=True)
class Scaling:
    """From pixels to what the network sees: (pixel - mean) / deviation, channel by channel in the model's colour order.

    Args:
        mean: 3 numbers.
        deviation: 3 positive numbers.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]


# The most usual first.
RANGES = {
    SCALING: Scaling((127.5,) * 3, (127.5,) * 3),
    "[0, 1]": Scaling((0.0,) * 3, (255.0,) * 3),
    "[0, 255]": Scaling((0.0,) * 3, (1.0,) * 3),
}


@dataclass(frozen=True)
class Threshold:
    """A distance chosen for a false-accept rate by an evaluation.

    Args:
        far: the share of pairs of different people that are called the same, 0 to 1.
        distance: Euclidean, 0 to 2: the same person at this distance or nearer.
        low: lower end of the 95 % confidence interval of the distance; None when it was not estimated.
        high: its upper end, likewise.
        val: the share of pairs of one person that are called the same at this distance; None likewise.

    Raises:
        ValueError: one is no number, or half of the interval is missing.
    """

    far: float
    distance: float
    low: float | None = None
    high: float | None = None
    val: float | None = None

    def __post_init__(self) -> None:
        for value in (self.far, self.distance):
            number(value)
        for estimated in (self.low, self.high, self.val):
            number(0 if estimated is None else estimated)
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval has two ends")


@dataclass(frozen=True)
class Specification:
    """What must be done to a face before the model sees it, and to what comes out.

    Args:
        crop: how faces are cut out of photos.
        image_size: side of the square input in pixels; None for what the model's input says.
        scaling: see `Scaling`; `STANDARDISED` to bring each image to mean 0 and deviation 1; None where the record does
            not say, which means the first of `RANGES` unless the model's input has no room for it.
        colours: order of the channels, one of `COLOURS`.
        layout: order of the input's axes, one of `LAYOUTS`.
        flip_averaging: whether an embedding is the mean of those of the image and of its mirror image.
        thresholds: by ascending false-accept rate; empty when nobody evaluated the model.
        identification: those for galleries; empty likewise, and in files from before there were any.
        about: what else the file says of the model, such as the checkpoint that it was made from.
    """

    crop: Crop
    image_size: int | None = None
    scaling: Scaling | Standardised | None = None
    colours: str = "RGB"
    layout: str = "NHWC"
    flip_averaging: bool = False
    thresholds: tuple[Threshold, ...] = ()
    identification: tuple[GalleryThreshold, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)


def path_beside(model: Path) -> Path:
    """Where the specification beside a model lies."""
    return model.with_suffix(".json")


def record_of(
    preprocessing: dict[str, Any],
    thresholds: tuple[Threshold, ...],
    about: dict[str, Any],
    identification: tuple[GalleryThreshold, ...] = (),
) -> dict[str, Any]:
    """The record that `parse` reads, of a model exported here.

    Args:
        preprocessing: the checkpoint's; see `Preprocessing.to_json`.
        thresholds: see `Specification`.
        about: see `Specification`.
        identification: see `Specification`.
    """
    return {
        "format": LITERT_FORMAT,
        "preprocessing": preprocessing,
        "thresholds": [asdict(threshold) for threshold in thresholds],
        "identification": [asdict(threshold) for threshold in identification],
        "about": about,
    }


def parse(text: str | bytes, source: str) -> Specification:
    """Reads a record.

    Args:
        text: JSON; README.md describes it. Bytes may be in UTF-8, with or without a mark at the beginning, or UTF-16.
        source: where it was found, for messages.

    Raises:
        UsageError: not JSON, or a field is missing, unknown, or has a value that this program cannot apply.
    """
    try:
        record = read_json(text)
        if not is_version(record["format"], LITERT_FORMAT):
            raise ValueError(f"format {record['format']!r}; format {LITERT_FORMAT} is read")
        thresholds = tuple(Threshold(**each) for each in record.get("thresholds", []))
        return Specification(
            **_input(**record["preprocessing"]),
            thresholds=tuple(sorted(thresholds, key=lambda each: each.far)),
            identification=tuple(GalleryThreshold(**each) for each in record.get("identification", [])),
            about=dict(record.get("about", {})),
        )
    except MALFORMED as error:
        reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
        raise UsageError(
            "This specification of a face embedder cannot be applied.", received=f"{source} ({reason})", advice=_ADVICE
        ) from error


def _input(
    *,
    crop: dict[str, Any],
    image_size: int | None = None,
    resize_filter: str = RESIZE_FILTER,
    scaling: Any = None,
    colours: str = "RGB",
    layout: str = "NHWC",
    flip_averaging: bool = False,
) -> dict[str, Any]:
    """The fields of a record's `preprocessing`, checked, as those of a `Specification`."""
    _one_of("resize_filter", resize_filter, (RESIZE_FILTER,))
    _one_of("colours", colours, COLOURS)
    _one_of("layout", layout, LAYOUTS)
    if not isinstance(flip_averaging, bool):
        raise ValueError(f"flip_averaging is {flip_averaging!r}; true or false is needed")
    if image_size is not None and not 1 <= whole(image_size) <= LARGEST_IMAGE:
        raise ValueError(f"image_size is {image_size!r}; a whole number from 1 to {LARGEST_IMAGE} is needed")
    return {
        "crop": Crop.from_json(
            {"margin": crop["margin"], "alignment": crop["alignment"], "detector": crop.get("detector", "dlib")}
        ),
        "image_size": image_size,
        "scaling": _scaling(scaling),
        "colours": colours,
        "layout": layout,
        "flip_averaging": flip_averaging,
    }


def _one_of(name: str, value: object, known: tuple[object, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} is {value!r}; known: {', '.join(map(str, known))}")


def _scaling(value: Any) -> Scaling | Standardised | None:
    if value is None:
        return None
    if isinstance(value, dict):
        scaling = Scaling(_per_channel(value["mean"]), _per_channel(value["deviation"]))
        if min(scaling.deviation) <= 0:
            raise ValueError("the deviation of a scaling must be positive")
        return scaling
    _one_of("scaling", value, (*RANGES, STANDARDISED))
    return RANGES.get(value, STANDARDISED)


def _per_channel(value: Any) -> tuple[float, ...]:
    numbers = tuple(map(number, value if isinstance(value, list) else [value] * 3))
    if len(numbers) != 3:
        raise ValueError(f"a scaling has one number or three, not {value!r}")
    return numbers
