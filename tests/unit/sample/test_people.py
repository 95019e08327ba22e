"""The photos as photos: faces that a detector finds, and people who differ in more than colour."""

import io
from dataclasses import fields

import numpy as np
import pytest
from PIL import Image

from components.sample.head import bust
from components.sample.person import Person, person
from components.sample.picture import portraits


def grey(encoded: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("L"))


@pytest.fixture(scope="module")
def detections():
    """Photos of 12 people, 8 each, with the boxes that dlib finds in them: {(person, photo): (photo, boxes)}."""
    dlib = pytest.importorskip("dlib")
    detector = dlib.get_frontal_face_detector()
    return {
        (number, k): (photo, detector(grey(photo), 1))
        for number in range(12)
        for k, photo in enumerate(portraits(1, number, 8))
    }


def test_dlib_finds_one_face_in_at_least_98_of_100_photos(detections):
    found = [len(boxes) == 1 for _, boxes in detections.values()]
    assert np.mean(found) >= 0.98


def test_photos_are_colour_jpegs_of_varied_size():
    pictures = [Image.open(io.BytesIO(photo)) for photo in portraits(0, 0, 12)]
    assert {(picture.format, picture.mode) for picture in pictures} == {("JPEG", "RGB")}
    assert all(200 <= side <= 480 for picture in pictures for side in picture.size)
    assert len({picture.size for picture in pictures}) > 6


def test_a_person_is_the_same_for_the_same_numbers_only():
    assert person(3, 4) == person(3, 4)
    assert person(3, 4) != person(4, 3)


def test_every_trait_differs_between_people():
    people = [person(0, number) for number in range(40)]
    same = [field.name for field in fields(Person) if len({getattr(one, field.name) for one in people}) < 3]
    assert same == []


def test_the_shapes_of_heads_differ_between_people():
    heights = np.stack([bust(person(0, number)).height for number in range(8)])
    face = heights[:, 70:170, 70:150]
    apart = [np.abs(a - b).mean() for i, a in enumerate(face) for b in face[:i]]
    # In half head widths; a nose stands out by about 0.3.
    assert min(apart) > 0.02


def test_faces_are_told_apart_in_grey_and_not_by_their_mean_colour(detections):
    shapes, colours = {}, {}
    for key, (photo, boxes) in detections.items():
        for box in boxes[:1]:
            crop = (box.left(), box.top(), box.right(), box.bottom())
            face = Image.open(io.BytesIO(photo)).crop(crop).resize((32, 32))
            shapes[key] = gradients(np.asarray(face.convert("L"), np.float32))
            colours[key] = np.asarray(face, np.float32).mean((0, 1))
    # Of 12 people; chance is 0.08.
    assert nearest_mean_accuracy(shapes) > 0.5
    assert nearest_mean_accuracy(shapes) > nearest_mean_accuracy(colours) + 0.2


def gradients(image: np.ndarray) -> np.ndarray:
    """Histograms of gradient directions in 4 x 4 cells, as Dalal and Triggs (2005) describe a shape."""
    dy, dx = np.gradient(image)
    size, direction = np.hypot(dx, dy), np.arctan2(dy, dx) % np.pi
    bins = [np.where((direction * 8 / np.pi).astype(int) == k, size, 0) for k in range(8)]
    cells = np.stack(bins).reshape(8, 8, 4, 8, 4).sum((2, 4)).ravel()
    return np.sqrt(cells / cells.sum())


def nearest_mean_accuracy(features: dict[tuple[int, int], np.ndarray]) -> float:
    """Half of each person's photos make a mean, the other half is put to the nearest mean."""
    numbers = sorted({number for number, _ in features})
    means = np.stack([np.mean([f for (n, k), f in features.items() if n == number and k % 2], 0) for number in numbers])
    right = [
        numbers[int(np.argmin(np.square(means - feature).sum(1)))] == number
        for (number, k), feature in features.items()
        if not k % 2
    ]
    return float(np.mean(right))
