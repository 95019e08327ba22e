"""What is left without the worst faces, against loops that spell it out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from components.evaluate import discard
from components.evaluate.compared import MeasuredPairs
from components.evaluate.embeddings import Embeddings
from components.evaluate.galleries import Plan, galleries
from components.evaluate.references import on_grid

PEOPLE, FACES = 80, 5
THRESHOLD = 0.9


@pytest.fixture(scope="module")
def measured():
    """People whose faces lie the farther from their middle the worse they are; pairs of one person; qualities."""
    rng = np.random.default_rng(0)
    identity = np.repeat(np.arange(PEOPLE), FACES)
    quality = rng.integers(0, 50, len(identity)).astype(np.float32)  # many are equal
    noise = rng.normal(size=(len(identity), 8)) * (1.2 - quality / 50)[:, None]
    vectors = rng.normal(size=(PEOPLE, 8))[identity] + noise
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    names = np.array([f"{number:03}" for number in identity], object)
    people = Embeddings(names, names, names, names, vectors, "x")
    first, second = np.nonzero(np.triu(identity[:, None] == identity[None], 1))
    distances = np.linalg.norm(vectors[first].astype(float) - vectors[second], axis=1)
    return people, MeasuredPairs(first.astype(np.int32), second.astype(np.int32), distances), quality


def fnir(people, kept):
    """The searches that are left, one by one; where one stranger in a hundred is named at most."""
    exact = on_grid(people.vectors).astype(float)
    identity = people.identity_codes()
    plan = Plan.of(identity)
    mated, strangers = [], []
    for gallery in galleries(identity, plan, plan.sizes[-1], 0):
        enrolled = [face for face in gallery.enrolled[:, 0] if face in kept]
        for probe in (face for face in [*gallery.mated, *gallery.strangers] if face in kept):
            near = {identity[face]: math.dist(exact[probe], exact[face]) for face in enrolled}
            if probe in gallery.strangers:
                strangers.append(min(near.values()))
            elif identity[probe] in near:
                best = min(near, key=near.get)
                mated.append(near[best] if best == identity[probe] else math.inf)
    allowed = math.floor(len(strangers) / 100)
    return np.mean([distance >= sorted(strangers)[allowed] for distance in mated])


def test_every_share_is_what_the_definitions_say_of_the_faces_that_are_left(measured):
    people, pairs, quality = measured
    found = discard.discard(quality, pairs, THRESHOLD, people, quality, seed=0)
    assert [point["discarded"] for point in found["points"]] == list(discard.SHARES)
    for point in (found["points"][0], found["points"][-2]):
        order = sorted(range(len(quality)), key=lambda face: (quality[face], face))
        kept = set(order[round(point["discarded"] * len(order)) :])
        left = [
            distance > THRESHOLD
            for first, second, distance in zip(pairs.first, pairs.second, pairs.distances, strict=True)
            if first in kept and second in kept
        ]
        assert point["fnmr"] == pytest.approx(np.mean(left))
        assert point["fnir"] == pytest.approx(fnir(people, kept))
        assert point["quality"] == min(quality[face] for face in kept)
    first, last = found["points"][0], found["points"][-1]
    assert last["fnmr"] < 0.7 * first["fnmr"] and last["fnir"] < first["fnir"]


def test_faces_without_a_quality_have_no_curve_and_few_people_none_of_fnir(measured):
    people, pairs, quality = measured
    unknown = np.full_like(quality, np.nan)
    found = discard.discard(quality, pairs, THRESHOLD, people, unknown, seed=0)
    assert found["points"] == [] and "--faces" in found["not_measured"]
    nobody = people.of_split("test")
    found = discard.discard(quality, pairs, THRESHOLD, nobody, quality[:0], seed=0)
    assert found["points"] == [] and "nobody in this split" in found["not_measured"]
    few = people.of_split("000")
    pair = MeasuredPairs(pairs.first[:1], pairs.second[:1], pairs.distances[:1])
    found = discard.discard(quality, pair, THRESHOLD, few, quality[:FACES], seed=0)
    assert found["people"] is None and {point["fnir"] for point in found["points"]} == {None}
