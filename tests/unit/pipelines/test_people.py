"""What `facenet run` says of the people in a folder before anything is started."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from components.collect.splits import split_of
from components.common.errors import UsageError
from components.evaluate.chance import LEAST_PEOPLE
from pipelines.configure import DEFAULT_PIPELINE, configure
from pipelines.people import check_people, count_photos, without_training
from pipelines.plan.changes import with_setting
from pipelines.plan.tasks import up_to


def folder_of(here: Path, people: int, photos: int = 2) -> Path:
    """Photos that nobody needs to open: counted are names."""
    for person in range(people):
        folder = here / "photos" / f"person-{person:05d}"
        folder.mkdir(parents=True)
        for photo in range(photos):
            (folder / f"{photo}.jpg").touch()
    return here / "photos"


def said(photos: Path, recipe: str = "laptop", *settings: str, to: str | None = None) -> list[str]:
    pipeline = configure(DEFAULT_PIPELINE, recipe, str(photos), settings)[0]
    pipeline = up_to(pipeline, to) if to else pipeline
    return check_people(pipeline, count_photos(pipeline))


def test_the_people_are_counted_by_the_rule_of_collect(tmp_path):
    splits = Counter(split_of(f"person-{person:05d}", 0.1, 0.2) for person in range(60))
    photos = folder_of(tmp_path, 60)
    (photos / "once").mkdir()
    (photos / "once" / "1.jpg").touch()
    assert said(photos) == [
        f"121 photos; 60 people have 2 or more: by their names {splits['train']} are to be trained on, "
        f"{splits['validation']} for validation, {splits['test']} for the test."
    ]


@pytest.mark.parametrize("recipe", ["laptop", "faces"])
@pytest.mark.parametrize("people", [3, 4, 5, 8, 13, 42])
def test_what_a_small_folder_lacks_is_said_with_settings_that_help(tmp_path, people, recipe):
    photos, settings = folder_of(tmp_path, people), []
    for _ in range(2):  # refused, or found to be few
        try:
            text = " ".join(said(photos, recipe, *settings))
        except UsageError as error:
            assert not settings, "what was advised does not help"
            text = str(error)
        settings = re.findall(r"--set (\S+?)[;.]?(?: |$)", text) or settings
    counts = re.search(r"names (\d+) are to be trained on, (\d+) for validation, (\d+) for the test", text)
    train, _, test = map(int, counts.groups())
    assert train >= 2
    assert test >= min(6, people // 2)
    assert ("evaluate.split=all" in settings) == (people == 3)
    assert ("export=float32" in settings) == (train == 2)


def test_a_folder_of_unnamed_people_is_no_person(tmp_path):
    photos = folder_of(tmp_path, 60)
    counted = said(photos)
    for photo in range(500):
        (photos / "some").mkdir(exist_ok=True)
        (photos / "some" / f"{photo}.jpg").touch()
    strangers = ["collect.unnamed=some"]
    known = counted[0].replace("120 photos", "620 photos, 500 of them of unnamed people")
    assert said(photos, "laptop", *strangers, "teacher=dlib") == [known]
    assert said(photos, "laptop", *strangers)[1].startswith("The unnamed people are left out")
    with pytest.raises(UsageError, match="no such folder of unnamed people"):
        said(photos, "laptop", "collect.unnamed=nobody")
    few = folder_of(tmp_path / "few", 1)
    (photos / "some").rename(few / "some")
    assert said(few, "laptop", *strangers, "teacher=dlib", to="mine-and-train")
    with pytest.raises(UsageError, match="too few people to train on"):
        said(few, "laptop", *strangers, to="mine-and-train")


@pytest.mark.parametrize("people", [1, 2])
def test_with_hardly_anybody_no_setting_helps(tmp_path, people):
    photos = folder_of(tmp_path, people, photos=3)
    with pytest.raises(UsageError, match="Add people: 4 with 2 photos or more"):
        said(photos)


def test_with_everybody_in_the_test_there_is_nobody_to_train_on(tmp_path):
    photos = folder_of(tmp_path, 30)
    for shares in (["collect.test=1"], ["collect.test=0.9"]):
        with pytest.raises(UsageError, match="nobody to train on") as refused:
            said(photos, "laptop", *shares)
        assert ("facenet score" in str(refused.value)) == (shares == ["collect.test=1"])


def test_what_is_not_asked_for_needs_nobody(tmp_path):
    photos = folder_of(tmp_path, 1)
    assert said(photos, to="collect") == []
    with pytest.raises(UsageError, match="too few people to train on"):
        said(photos, to="mine-and-train")
    assert (
        len(said(folder_of(tmp_path / "more", 2), "laptop", "collect.test=0", "collect.validation=0", to="embed")) == 1
    )


def test_too_few_to_tell_from_guessing_is_said_and_no_reason_not_to_begin(tmp_path):
    photos = folder_of(tmp_path, 12)
    few = said(photos, "laptop", "collect.test=0.3", "collect.validation=0")[1]
    assert "too few to tell the result from guessing (6 are the least)" in few
    assert "keeps 6" in few


def own(photos: Path, *settings: str) -> tuple[dict[str, object], str, list[str]]:
    """What the recipe `own` makes of a folder, and what is said of its people then."""
    pipeline = configure(DEFAULT_PIPELINE, "own", str(photos), settings)[0]
    counted = count_photos(pipeline)
    untrained, why = without_training(pipeline, counted, [each.partition("=")[0] for each in settings])
    for name, value in untrained.items():
        pipeline = with_setting(pipeline, name, value)
    return untrained, why, check_people(pipeline, counted)


@pytest.mark.parametrize("people", [2, 4, 5, 8])
def test_a_family_gets_the_network_as_it_is_and_measures_it(tmp_path, people):
    untrained, why, lines = own(folder_of(tmp_path, people))
    assert untrained == {"rounds": 0, "collect.test": 1.0, "export": "float32"}
    assert f"{people} people are too few" in why and "taken as it is" in why
    few = people < LEAST_PEOPLE
    assert ("thresholds of its published evaluation" in why) == few
    assert f"{people} for the test" in lines[0]
    assert ("too few to tell the result from guessing" in " ".join(lines)) == few


def test_people_enough_are_trained_on_and_who_shares_them_out_by_hand_is_left_to_it(tmp_path):
    photos = folder_of(tmp_path, 80)
    assert own(photos)[:2] == ({}, "")
    few = folder_of(tmp_path / "few", 20)
    assert own(few, "collect.test=0.3")[:2] == ({}, "")
    assert own(few, "export=")[0] == {"rounds": 0, "collect.test": 1.0}


def test_one_person_alone_hears_what_is_needed(tmp_path):
    with pytest.raises(UsageError, match="takes two who have 2 photos or more each") as refused:
        own(folder_of(tmp_path, 1, photos=9))
    assert "9 photos; 1 person has so many" in str(refused.value) and "facenet identify" in str(refused.value)


def test_a_network_that_is_not_trained_needs_people_to_measure_it(tmp_path):
    with pytest.raises(UsageError, match=r"--set collect\.test=1"):
        own(folder_of(tmp_path, 3), "rounds=0", "collect.test=0", "collect.validation=0")
