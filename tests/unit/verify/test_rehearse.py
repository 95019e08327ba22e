"""Photos held back from one's own gallery, against loops in plain Python; and the command."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from components.common.errors import FacenetError, UsageError
from components.verify.rehearsal import Searches, Share, as_strangers, held_back, nearest_distances
from components.verify.rehearse import main as rehearse
from components.verify.search import People
from tests.answers import problems
from tests.unit.verify.rows import unit
from tests.unit.verify.test_json import DEFINITIONS

SIZE = 5


def crowd(seed, counts):
    """People with so many faces each, around places of their own, in no order."""
    rng = np.random.default_rng(seed)
    person = rng.permutation(np.repeat(np.arange(len(counts), dtype=np.int32), counts))
    places = rng.normal(size=(len(counts), SIZE))
    faces = unit(places[person] + 0.6 * rng.normal(size=(len(person), SIZE)))
    return People([f"p{i}" for i in range(len(counts))], person, faces)


def mean(faces):
    total = [math.fsum(column) for column in zip(*faces, strict=True)]
    return [x / math.hypot(*total) for x in total]


def nearest(probe, gallery):
    """The name and the distance of the nearest of people's means."""
    return min(((math.dist(mean(faces), probe), name) for name, faces in gallery.items() if faces))[::-1]


@pytest.mark.parametrize("distance", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("own", [True, False])
def test_counts_are_those_of_galleries_without_each_photo(own, distance):
    people, others = crowd(0, [1, 2, 3, 4, 1, 5, 2]), crowd(1, [3, 2, 4])
    faces = [(people.names[who], face) for who, face in zip(people.person, people.embeddings.tolist(), strict=True)]
    right = wrong = named = held = 0
    for number, (name, face) in enumerate(faces):
        rest = {one: [f for i, (who, f) in enumerate(faces) if who == one and i != number] for one in people.names}
        if not rest[name]:
            continue
        held += 1
        who, far = nearest(face, rest)
        right += far <= distance and who == name
        wrong += far <= distance and who != name
    whole = {one: [f for who, f in faces if who == one] for one in people.names}
    strangers = faces if own else [("", face) for face in others.embeddings.tolist()]
    for name, face in strangers:
        named += nearest(face, {one: of_one for one, of_one in whole.items() if one != name})[1] <= distance
    of_strangers = (
        as_strangers(people) if own else (others.person.astype(int), nearest_distances(people, others.embeddings))
    )
    found = Searches(*held_back(people), *of_strangers).outcome(distance)
    assert (found.recall.count, found.recall.of) == (right, held)
    assert (found.wrong.count, found.strangers.count, found.strangers.of) == (wrong, named, len(strangers))
    given = right + wrong + named
    assert found.precision is None if not given else (found.precision.count, found.precision.of) == (right, given)
    assert found.right_answers == pytest.approx((right / held + 1 - named / len(strangers)) / 2)


def score_interval(share, photos):
    """The shares that a score test with so many independent photos does not reject, tried one by one."""
    kept = [
        p / 10_000
        for p in range(1, 10_000)
        if abs(share - p / 10_000) <= 1.959964 * math.sqrt(p / 1e4 * (1 - p / 1e4) / photos)
    ]
    return min(kept), max(kept)


@pytest.mark.parametrize(
    ("flags", "people", "worth"),
    [
        ([1, 0, 1, 1, 0, 1, 0, 1], range(8), 8),
        ([1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0], np.repeat(range(4), 3), 36 / 11),  # all or none of each person's
        ([0] * 12, np.repeat(range(4), 3), 4),
        ([1] * 6, [0] * 6, 1),
    ],
)
def test_photos_of_one_person_count_as_often_as_they_differ(flags, people, worth):
    found = Share.among(np.array(flags, bool), np.array(people))
    assert (found.count, found.of) == (sum(flags), len(flags))
    assert (found.low, found.high) == pytest.approx(score_interval(sum(flags) / len(flags), worth), abs=2e-3)


@pytest.fixture
def folders(people, tmp_path):
    """Two photos each of three people, and of two strangers."""
    for number, (name, photos) in enumerate(list(people.items())[:5]):
        folder = tmp_path / ("known" if number < 3 else "others") / name
        folder.mkdir(parents=True)
        for photo in photos:
            (folder / photo.name).write_bytes(photo.read_bytes())
    return tmp_path


def test_the_command_counts_and_proposes_a_flag_of_identify(model, folders, capsys):
    flags = [str(folders / "known"), "--strangers", str(folders / "others"), "-c", str(model)]
    assert rehearse([*flags, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert not problems(answer, DEFINITIONS["rehearse"], DEFINITIONS)
    assert (answer["people"], answer["faces"], answer["settings"][0]["strangers"]["of"]) == (3, 6, 4)
    assert [one["flag"] for one in answer["settings"]] == ["--far 0.1", "--far 0.01", "--far 0.001"]
    assert [one["default"] for one in answer["settings"]].count(True) == 1
    assert rehearse(flags) == 0
    said = capsys.readouterr().out
    assert f"Proposed for identify and watch: {answer['proposed']}. " in said and "of 4 (" in said
    assert "FPIR 0.1, 0.01, 0.001: the evaluation says nothing" in said


def test_photos_that_do_not_suffice_are_refused_with_what_to_do(model, folders, people, capsys):
    name = next(iter(people))
    for photo in people[name][1:]:
        (folders / "known" / name / photo.name).unlink()
    for other in list(people)[1:3]:
        for photo in people[other][:2]:
            (folders / "known" / other / photo.name).unlink()
    assert rehearse([str(folders / "known"), "-c", str(model)]) == FacenetError.exit_code
    assert "Give two photos or more of each person" in capsys.readouterr().err
    alone = folders / "alone" / "Ada"
    alone.mkdir(parents=True)
    for photo in people[name][:2]:
        (alone / photo.name).write_bytes(photo.read_bytes())
    assert rehearse([str(alone.parent), "-c", str(model)]) == UsageError.exit_code
    assert "photos of Ada alone" in capsys.readouterr().err
    copy = folders / "others" / list(people)[3] / "copy.png"
    copy.write_bytes(people[name][0].read_bytes())
    flags = ["--strangers", str(folders / "others"), "-c", str(model)]
    assert rehearse([str(folders / "known"), *flags]) == UsageError.exit_code
    assert "The same picture shows two people" in capsys.readouterr().err
    assert rehearse(flags) == UsageError.exit_code
