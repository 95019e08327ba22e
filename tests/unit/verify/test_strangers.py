"""Who is not in a gallery is seldom called by a name, however many are in it, and the commands say how seldom."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.evaluate.measure import FALSE_ACCEPT_RATES
from components.evaluate.metrics import curve, val_at_far
from components.litert.specification import Threshold
from components.verify.answer import strangers
from components.verify.model import Model
from components.verify.search import People, nearest
from components.verify.settings import NamingSettings, ThresholdSettings
from components.verify.threshold import MAX_FPIR, choose_threshold, fpir
from tests.unit.verify.rows import SIZE, network, unit


def drawn(people, faces, seed):
    """Embeddings of people, each one's faces around a place of their own: float32 [people * faces, SIZE]; and whose."""
    rng = np.random.default_rng(seed)
    places = np.repeat(rng.normal(size=(people, SIZE)), faces, axis=0)
    return unit(places + 0.6 * rng.normal(size=places.shape)), np.repeat(np.arange(people, dtype=np.int32), faces)


@pytest.fixture(scope="module")
def model():
    """A network with the thresholds that an evaluation of it on 200 people chooses."""
    embeddings, person = drawn(200, 3, 0)
    one, other = np.triu_indices(len(person), 1)
    distances = np.linalg.norm(embeddings[one] - embeddings[other], axis=1).astype(np.float64)
    whole = curve(distances, person[one] == person[other])
    found = [(far, val_at_far(whole, far)) for far in sorted(FALSE_ACCEPT_RATES)]
    thresholds = tuple(Threshold(far, measured[1], val=measured[0]) for far, measured in found)
    return Model(Path("m.tflite"), replace(network(), thresholds=thresholds), None, {})


def of_rates(model, smallest):
    """The same with an evaluation of fewer people, which could show no smaller rates."""
    thresholds = tuple(each for each in model.network.thresholds if each.far >= smallest)
    return replace(model, network=replace(model.network, thresholds=thresholds))


def gallery(people):
    """A gallery of two faces of each, another face of each, and those of 500 strangers."""
    embeddings, person = drawn(people, 3, people)
    enrolled = np.arange(len(person)) % 3 < 2
    known = People([f"p{i:03}" for i in range(people)], person[enrolled], embeddings[enrolled])
    return known, embeddings[~enrolled], drawn(500, 1, people + 1)[0]


def named(faces, people, threshold):
    return [threshold.accepts(nearest(people, face, 1)[0].distance) for face in faces]


@pytest.mark.parametrize(("people", "far"), [(5, 0.01), (15, 0.003), (50, 0.001), (150, 0.0003)])
def test_the_rate_that_suits_a_gallery_keeps_strangers_unknown(model, people, far):
    known, others, unknown = gallery(people)
    faces = len(known.embeddings)
    threshold = choose_threshold(NamingSettings(), model, faces)
    assert threshold.evaluated.far == far and fpir(far, faces) <= MAX_FPIR
    assert np.mean(named(unknown, known, threshold)) <= MAX_FPIR
    assert np.mean(named(others, known, threshold)) > 0.9
    if far < 0.01:
        of_a_pair = choose_threshold(NamingSettings(far=0.01), model, faces)
        assert np.mean(named(unknown, known, of_a_pair)) > MAX_FPIR
    said = strangers(known, threshold)
    assert said["fpir"] == fpir(far, faces) and (said["people"], said["faces"]) == (people, faces)
    assert f"at most 10 of 100 strangers are called by a name: with {faces} faces of {people} people" in said["said"]


def test_where_no_rate_is_small_enough_the_smallest_is_taken_and_what_to_expect_is_said(model):
    known, _, unknown = gallery(200)
    coarse = of_rates(model, 0.001)
    threshold = choose_threshold(NamingSettings(), coarse, len(known.embeddings))
    said = strangers(known, threshold)
    assert threshold.evaluated.far == 0.001
    assert MAX_FPIR < np.mean(named(unknown, known, threshold)) < said["fpir"] == fpir(0.001, 400)
    assert "the smallest that was measured: with 400 faces of 200 people enrolled, about 33 of 100" in said["said"]


def test_what_the_user_gives_wins_and_a_pair_has_its_own_rate(model):
    assert choose_threshold(NamingSettings(far=0.1), model, 80).evaluated.far == 0.1
    by_hand = choose_threshold(NamingSettings(threshold=0.5), model, 80)
    assert by_hand.distance == 0.5 and strangers(gallery(5)[0], by_hand)["said"] == ""
    assert choose_threshold(ThresholdSettings(), model).evaluated.far == 0.01
    # One enrolled face is a pair; a network whose evaluation could not show a smaller rate has the one it could.
    assert choose_threshold(NamingSettings(), model, 1).evaluated.far == 0.01
    assert choose_threshold(NamingSettings(), of_rates(model, 0.1), 1).evaluated.far == 0.1
