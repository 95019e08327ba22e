"""Who is not in a gallery is seldom called by a name, however many are in it, and the commands say how seldom."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.common.errors import UsageError
from components.evaluate.identification import RULE
from components.evaluate.measure import FALSE_ACCEPT_RATES
from components.evaluate.metrics import curve, val_at_far
from components.evaluate.references import on_grid
from components.evaluate.strangers import thresholds as gallery_thresholds
from components.litert.report import identification_of
from components.litert.specification import Threshold
from components.verify.answer import strangers
from components.verify.model import Model
from components.verify.search import People
from components.verify.settings import NamingSettings, ThresholdSettings
from components.verify.threshold import DEFAULT_FPIRS, MAX_FPIR, choose_for_gallery, choose_threshold, fpir
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


@pytest.fixture(scope="module")
def of_galleries(model):
    """The same with what an evaluation says of galleries, of 350 people."""
    embeddings, person = drawn(350, 3, 9)
    rows = gallery_thresholds(on_grid(embeddings), person.astype(np.int64), RULE, 0)
    found = identification_of({"identification": {"thresholds": rows}})
    return replace(model, network=replace(model.network, identification=found))


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
    return [threshold.accepts(people.nearest(face, 1)[0].distance) for face in faces]


@pytest.mark.parametrize(("people", "far"), [(5, 0.01), (15, 0.003), (50, 0.001), (150, 0.0003)])
def test_the_rate_that_suits_a_gallery_keeps_strangers_unknown(model, people, far):
    known, others, unknown = gallery(people)
    faces = len(known.embeddings)
    threshold = choose_for_gallery(NamingSettings(), model, known)
    assert threshold.evaluated.far == far and fpir(far, faces) <= MAX_FPIR
    assert np.mean(named(unknown, known, threshold)) <= MAX_FPIR
    assert np.mean(named(others, known, threshold)) > 0.9
    if far < 0.01:
        of_a_pair = choose_for_gallery(NamingSettings(far=0.01), model, known)
        assert np.mean(named(unknown, known, of_a_pair)) > MAX_FPIR
    said = strangers(known, threshold)
    assert said["fpir"] == fpir(far, faces) and (said["people"], said["faces"]) == (people, faces)
    assert f"at most 10 of 100 strangers are called by a name: with {faces} faces of {people} people" in said["said"]


def test_where_no_rate_is_small_enough_the_smallest_is_taken_and_what_to_expect_is_said(model):
    known, _, unknown = gallery(200)
    coarse = of_rates(model, 0.001)
    threshold = choose_for_gallery(NamingSettings(), coarse, known)
    said = strangers(known, threshold)
    assert threshold.evaluated.far == 0.001
    assert MAX_FPIR < np.mean(named(unknown, known, threshold)) < said["fpir"] == fpir(0.001, 400)
    assert "the smallest that was measured: with 400 faces of 200 people enrolled, about 33 of 100" in said["said"]


def test_what_the_user_gives_wins_and_a_pair_has_its_own_rate(model):
    known = gallery(5)[0]
    assert choose_for_gallery(NamingSettings(far=0.1), model, known).evaluated.far == 0.1
    by_hand = choose_for_gallery(NamingSettings(threshold=0.5), model, known)
    assert by_hand.distance == 0.5 and strangers(known, by_hand)["said"] == ""
    assert choose_threshold(ThresholdSettings(), model).evaluated.far == 0.01
    # One enrolled face is a pair; a network whose evaluation could not show a smaller rate has the one it could.
    alone = People(["p"], np.zeros(1, np.int32), known.embeddings[:1])
    assert choose_for_gallery(NamingSettings(), model, alone).evaluated.far == 0.01
    assert choose_for_gallery(NamingSettings(), of_rates(model, 0.1), alone).evaluated.far == 0.1


@pytest.mark.parametrize(("people", "rate"), [(15, 0.1), (50, 0.1), (150, 0.1), (50, 0.01)])
def test_the_rate_of_strangers_that_is_asked_for_is_kept_and_said(of_galleries, people, rate):
    known, others, unknown = gallery(people)
    threshold = choose_for_gallery(NamingSettings(fpir=rate), of_galleries, known)
    assert rate / 3 < np.mean(named(unknown, known, threshold)) < 2 * rate
    assert np.mean(named(others, known, threshold)) > 0.85
    said = strangers(known, threshold)
    assert said["fpir"] == rate and said["interval"][0] < rate < said["interval"][1]
    assert (
        f"1 in {round(1 / rate)} strangers gets a name, in a gallery of {people} people with {2 * people} faces"
        in (said["said"])
    )


def test_without_a_flag_one_in_a_hundred_strangers_gets_a_name_or_what_was_measured(of_galleries):
    known = gallery(50)[0]
    assert choose_for_gallery(NamingSettings(), of_galleries, known).promised.fpir == DEFAULT_FPIRS[0] == 0.01
    rows = tuple(row for row in of_galleries.network.identification if row.fpir == 0.1)
    of_few = replace(of_galleries, network=replace(of_galleries.network, identification=rows))
    assert choose_for_gallery(NamingSettings(), of_few, known).promised.fpir == 0.1


def test_what_was_not_measured_is_not_promised_and_flags_that_exclude_each_other_are_refused(model, of_galleries):
    known = gallery(5)[0]
    for settings, of_model, message in (
        (NamingSettings(fpir=0.01), model, "(?s)says nothing of strangers.*--report"),
        (
            NamingSettings(fpir=1e-5),
            of_galleries,
            "(?s)nothing of this rate.*10 faces of 5 people.*, 175 people",
        ),
        (NamingSettings(fpir=1.0), of_galleries, "above 0 and below 1"),
        (NamingSettings(fpir=0.01, far=0.01), of_galleries, "(?s)Only one.*--fpir 0.01 --far 0.01"),
        (NamingSettings(far=0.01, threshold=0.0), of_galleries, "Only one"),
    ):
        with pytest.raises(UsageError, match=message):
            choose_for_gallery(settings, of_model, known)
