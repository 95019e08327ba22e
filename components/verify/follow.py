"""Faces in consecutive pictures: searched for near where they were, and embedded when there is something to learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from components.extract import blazeface
from components.extract.crop import Box, overlap, square
from components.extract.decode import Photo
from components.extract.detect import LONG_SIDE, NEARLY, Detection, detect
from components.extract.photo import cut_out
from components.verify.model import Model
from components.verify.tracks import Track, Tracks

# The whole picture is searched when nobody is there, and in every so manieth picture: so long may somebody stay unseen
# who comes to those who are there.
_EVERY = 5
# The part of the picture that is searched around a face, and how large the face is there, in pixels; dlib's detector
# sees faces from 80 on.
_AROUND, _SIDE = 2.0, 110
# Detections that have in common more than this part of what they cover are of one face.
_SAME_FACE = 0.3


class Follower:
    """Keeps track of the people in consecutive pictures.

    Args:
        model: the network.
        distance: up to which two faces are called the same person, 0 to 2.
    """

    def __init__(self, model: Model, distance: float) -> None:
        self._model = model
        # At the largest distance that was evaluated most people are told apart, and from one picture to the next
        # nobody changes so much.
        self._tracks = Tracks(max([distance, *(each.distance for each in model.network.thresholds)]))
        self._pictures = 0

    def see(self, picture: Image.Image) -> list[Track]:
        """Who is there with the next picture, an RGB image: also those who are not seen for a moment."""
        photo = Photo.decoded(picture)
        there = [track.box for track in self._tracks.alive if not track.missed]
        whole = not there or self._pictures % _EVERY == 0
        faces = self._search(photo) if whole else self._search_near(photo, there)
        self._pictures += 1
        self._tracks.update([face.box for face in faces], lambda some: self._embed(photo, [faces[i] for i in some]))
        return list(self._tracks.alive)

    def _search(self, photo: Photo) -> list[Detection]:
        if self._model.network.crop.detector == "dlib":
            return detect(photo.small("L", LONG_SIDE), photo.width, photo.height)
        return blazeface.detect(photo, small=True)

    def _search_near(self, photo: Photo, boxes: Sequence[Box]) -> list[Detection]:
        if self._model.network.crop.detector != "dlib":
            return blazeface.detect(photo, small=False)
        found = [face for box in boxes for face in _detect_near(photo, box)]
        return _distinct(found)

    def _embed(self, photo: Photo, faces: Sequence[Detection]) -> npt.NDArray[np.float32]:
        network, landmarks = self._model.network, self._model.landmarks
        size = network.image_size, network.image_size
        crops = [cut_out(photo, face, network.crop, landmarks)[0] for face in faces]
        return network.embed(
            np.stack([np.asarray(crop.resize(size, Image.Resampling.BILINEAR)) for crop in crops]), None
        )


def _detect_near(photo: Photo, box: Box) -> list[Detection]:
    """The faces around a place where one was a moment ago."""
    x0, y0, x1, y1 = square(box, (_AROUND - 1) / 2, photo.width, photo.height)
    side = max(1, round((x1 - x0) * _SIDE / (box[2] - box[0])))
    part = photo.colour(1).resize((side, side), Image.Resampling.BILINEAR, (x0, y0, x1, y1)).convert("L")
    # What was nearly sure to be a face there still is one when it scores a little less.
    faces = detect(np.asarray(part), x1 - x0, y1 - y0, upsample=0, threshold=NEARLY)
    return [
        replace(face, box=(face.box[0] + x0, face.box[1] + y0, face.box[2] + x0, face.box[3] + y0)) for face in faces
    ]


def _distinct(faces: Sequence[Detection]) -> list[Detection]:
    """Each face once, where the places around two people overlap: the surest detection of it."""
    kept: list[Detection] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(overlap(face.box, other.box) <= _SAME_FACE for other in kept):
            kept.append(face)
    return kept
