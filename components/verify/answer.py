"""Who is in a photo, as plain values and as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from components.common.errors import UsageError
from components.common.names import plain
from components.common.quantity import quantity
from components.extract.crop import Box
from components.extract.reasons import Reject
from components.verify.approximate import Approximate
from components.verify.faces import EmbeddedFace, reject_record
from components.verify.gallery import open_gallery
from components.verify.model import Model, open_model
from components.verify.search import Enrolled
from components.verify.settings import NamingSettings
from components.verify.threshold import MAX_FPIR, ChosenThreshold, choose_for_gallery, fpir

UNKNOWN = "unknown"


@contextmanager
def prepare(settings: NamingSettings) -> Iterator[tuple[Model, ChosenThreshold, Enrolled]]:
    """What it takes to name faces: the network, its threshold, and the people of the gallery.

    Their gallery is closed again, unless it is searched by its index.

    Raises:
        UsageError: one of the flags does not fit.
    """
    if settings.top < 1:
        raise UsageError("--top must be at least 1.", received=settings.top)
    model = open_model(settings)
    with open_gallery(settings.gallery, model.network) as gallery:
        gallery.say_detectors()
        if settings.approximate:
            indexed = Approximate(gallery)
            yield model, choose_for_gallery(settings, model, indexed), indexed
            return
        people = gallery.people()
    yield model, choose_for_gallery(settings, model, people), people


def answers(
    seen: Sequence[EmbeddedFace], people: Enrolled, threshold: ChosenThreshold, top: int
) -> list[dict[str, Any]]:
    """Whose faces these are: an `answer` for each."""
    return [answer(face.face.box, face.embedding, people, threshold, top) for face in seen]


def answer(
    box: Box, embedding: npt.NDArray[np.float32], people: Enrolled, threshold: ChosenThreshold, top: int
) -> dict[str, Any]:
    """Whose face this is.

    Args:
        box: of the face.
        embedding: float32 [size], unit length.
        people: the gallery.
        threshold: up to which distance a face is a person's.
        top: how many people at most.

    Returns:
        The `box` (x0, y0, x1, y1 in pixels of the upright photo), the `name`, None when nobody's face is near enough,
        and as `candidates` the nearest people (name, distance), the nearest first.
    """
    candidates = people.nearest(embedding, top)
    name = candidates[0].name if candidates and threshold.accepts(candidates[0].distance) else None
    return {"box": box, "name": name, "candidates": [asdict(each) for each in candidates]}


def about(model: Model, threshold: ChosenThreshold, people: Enrolled) -> dict[str, Any]:
    """What goes before the answers: by which network, up to which distance, and what to expect of strangers."""
    return {"model": model.to_json(), "threshold": threshold.to_json(), "strangers": strangers(people, threshold)}


def of_photo(
    photo: object, seen: Sequence[EmbeddedFace] | Reject, people: Enrolled, threshold: ChosenThreshold, top: int
) -> dict[str, Any]:
    """Who is in a photo, or why it gave no face; `answers.schema.json` says what is in it."""
    if isinstance(seen, Reject):
        return {**reject_record(photo, seen), "faces": []}
    return {"photo": str(photo), "faces": answers(seen, people, threshold, top)}


def lines(photo: dict[str, Any]) -> list[str]:
    """A line for each face of a photo: its place, the name, and who else is near; or why the photo gave none."""
    if "reason" in photo:
        return [f"{photo['reason']}, {plain(photo['detail'])}"]
    texts = []
    for record in photo["faces"]:
        box = "{},{} to {},{}".format(*record["box"])
        near = [f"{plain(each['name'])} {each['distance']:.3f}" for each in record["candidates"]]
        if record["name"] is None:
            text = f"{UNKNOWN}  (nearest {', '.join(near)})"
        else:
            text = near[0] + (f"  (then {', '.join(near[1:])})" if near[1:] else "")
        texts.append(f"{box:<22} {text}")
    return texts


def strangers(people: Enrolled, threshold: ChosenThreshold) -> dict[str, Any]:
    """What to expect of people who are not in the gallery.

    Returns:
        How many `people` and `faces` are enrolled; `fpir`, the share of strangers that may be called by a name, None
        when the threshold's rate is not known; `interval`, its 95 % interval, None when that was not evaluated; `said`,
        the same in words and what the rate was chosen by, "" likewise.
    """
    faces = people.total_faces
    gallery = {"people": people.total_people, "faces": faces}
    if (promised := threshold.promised) is not None:
        said = (
            f"At most about {_one_in(promised.fpir)} gets a name, in a gallery of "
            f"{quantity(people.total_people, 'person', 'people')} with {quantity(faces, 'face')} "
            f"(FPIR {promised.fpir:g}; 95 % interval {promised.low:.2g} to {promised.high:.2g}, by the evaluation)."
        )
        return {**gallery, "fpir": promised.fpir, "interval": [promised.low, promised.high], "said": said}
    if threshold.evaluated is None:
        return {**gallery, "fpir": None, "interval": None, "said": ""}
    far = threshold.evaluated.far
    rate = fpir(far, faces)
    of_100 = max(1, round(100 * rate))
    enrolled = f"with {quantity(faces, 'face')} of {quantity(people.total_people, 'person', 'people')} enrolled"
    if threshold.for_gallery and rate <= MAX_FPIR:
        why = f"so that at most {100 * MAX_FPIR:g} of 100 strangers are called by a name"
        said = f"False-accept rate {far:g}, chosen {why}: {enrolled}, about {of_100}."
    else:
        why = "the smallest that was measured" if threshold.for_gallery else "as --far says"
        said = f"False-accept rate {far:g}, {why}: {enrolled}, about {of_100} of 100 strangers may be called by a name."
    return {**gallery, "fpir": rate, "interval": None, "said": said}


def _one_in(rate: float) -> str:
    """A share of strangers in words: "1 in 100 strangers", or "3 in 100" where it is no such part."""
    whole = round(1 / rate)
    return f"1 in {whole:,} strangers" if abs(whole * rate - 1) < 0.01 else f"{100 * rate:g} in 100 strangers"
