"""How many people there are to train and to measure on, counted by the names of folders before anything starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from components.collect.splits import TEST, TRAIN, VALIDATION, place_of, split_of
from components.common.errors import UsageError
from components.common.names import one_form
from components.evaluate.chance import LEAST_PEOPLE
from components.extract.scan import identity_of, scan
from pipelines.plan.check import local_path
from pipelines.plan.tasks import Importer, Pipeline, parameter_values
from pipelines.plan.values import Value

_LEAST = 2  # people to train on, and as many to measure: fewer make no pair of different people
_ALONE = (
    "Add people, or photos of them. To find one person in other photos nothing needs to be trained: `facenet enroll` "
    "and `facenet identify` (components/verify/README.md)."
)
_TO_SCORE = "\nTo score a network that there is on all of them: facenet score -c NETWORK -i PHOTOS"
_SETTINGS = ("min_examples", "validation", "test")
# With these a network that needs no training is measured on everybody. int8 is calibrated on people trained on.
_UNTRAINED: Mapping[str, Value] = {"rounds": 0, "collect.test": 1.0, "export": "float32"}


@dataclass(frozen=True)
class PeopleCount:
    """The people who have enough photos, and what becomes of them.

    Args:
        photos: how many photos there are, of anybody.
        unnamed: how many of them are of people without names.
        names: of those with at least `least` photos.
        least: how many photos that is.
        validation: share of people for validation.
        test: share of people for the test.
    """

    photos: int
    unnamed: int
    names: Sequence[str]
    least: int
    validation: float
    test: float

    def splits(self) -> Counter[str]:
        """How many of them are in each split."""
        return Counter(split_of(name, self.validation, self.test) for name in self.names)

    def __str__(self) -> str:
        """The counts in a sentence. Photos that show no face are counted too, because none has been opened yet."""
        splits = self.splits()
        unnamed = f", {self.unnamed:,} of them of unnamed people" if self.unnamed else ""
        return (
            f"{self.photos:,} photos{unnamed}; {len(self.names):,} people have {self.least} or more: by their names "
            f"{splits[TRAIN]:,} are to be trained on, {splits[VALIDATION]:,} for validation, "
            f"{splits[TEST]:,} for the test"
        )


def splits_people(pipeline: Pipeline) -> bool:
    """Whether a pipeline trains on some people of a folder and keeps others, by the rule of `collect`."""
    tasks = _parameters(pipeline)
    return "mine-and-train" in tasks and tasks.get("collect", {}).keys() >= set(_SETTINGS)


def count_photos(pipeline: Pipeline) -> Counter[str]:
    """How many photos each folder has, where the pipeline is one that splits people as `collect` does; else none.

    Raises:
        UsageError: there are no photos, or they lie as no people's do.
    """
    tasks = _parameters(pipeline)
    folders = [
        str(tasks[task.template][task.executor.parameter])
        for task in pipeline.tasks
        if isinstance(task.executor, Importer)
    ]
    if len(folders) != 1 or not splits_people(pipeline) or "extract" not in tasks:  # crops lie in one file
        return Counter()
    return Counter(map(identity_of, scan(local_path(folders[0])).photos))


def without_training(
    pipeline: Pipeline, photos: Counter[str], written: Collection[str]
) -> tuple[dict[str, Value], str]:
    """What to set where training on so few could not be told to help: dlib's network needs none.

    Args:
        pipeline: as recipe and flags want it.
        photos: of `count_photos`.
        written: the names of what a person set: who shares out people by hand is left to it.

    Returns:
        Settings, and why they are made; neither where there are people enough, or nothing that works untrained.

    Raises:
        UsageError: there are no two people.
    """
    from components.common import published  # it loads numpy, and --help should appear at once

    people, _, rounds = _count(pipeline, photos)
    mine = {"rounds", "mine-and-train.rounds", "collect.test", "collect.validation", "evaluate.split"}
    if people is None or pipeline.values().get("pretrained") != published.NAME or not rounds or mine & set(written):
        return {}, ""
    splits, count = people.splits(), len(people.names)
    if count < _LEAST:
        raise UsageError(
            f"Telling people apart takes two who have {people.least} photos or more each.",
            received=f"{people.photos:,} photos; {count} {'person has' if count else 'people have'} so many",
            advice=_ALONE,
        )
    if min(splits[VALIDATION], splits[TEST]) >= LEAST_PEOPLE <= splits[TRAIN]:
        return {}, ""
    settings = {name: value for name, value in _UNTRAINED.items() if name not in written}
    thresholds = ", with the thresholds of its published evaluation (docs/dlib.md)" if count < LEAST_PEOPLE else ""
    return settings, (
        f"{count} people are too few to train on some of them and to see whether that helps the others: dlib's network "
        f"is taken as it is{thresholds}."
    )


def check_people(pipeline: Pipeline, photos: Counter[str]) -> list[str]:
    """Counts who is there to train and to measure on.

    Args:
        pipeline: as it will be run.
        photos: of `count_photos`.

    Returns:
        Lines for people.

    Raises:
        UsageError: a stage would fail for want of people; with the settings that help.
    """
    people, split, rounds = _count(pipeline, photos)
    if people is None:
        return []
    splits, helps = people.splits(), _helpful(people)
    measured = len(people.names) if split == "all" else splits[split] if split else None
    # Whoever is measured, an export is compared with the network on people that it was not trained on.
    unmeasured = measured is not None and (measured < _LEAST or splits[TRAIN] == len(people.names))
    taught = bool(pipeline.values().get("teacher"))
    learns = splits[TRAIN] >= _LEAST or (taught and people.unnamed >= _LEAST)
    if (rounds and not learns) or unmeasured:
        raise UsageError(
            "There would be too few people to train on, or to measure, and a task would fail for it in the end."
            if splits[TRAIN] or not rounds
            else "There would be nobody to train on.",
            received=str(people),
            advice=_advice(people, helps) + (_TO_SCORE if people.test == 1 else "")
            if rounds
            else "Add people, or measure all there are: --set collect.test=1.",
        )
    lines = [f"{people}."]
    if people.unnamed and rounds and not taught:
        lines.append("The unnamed people are left out: they say nothing without a teacher, as --set teacher=dlib.")
    if split == TEST and splits[TEST] < LEAST_PEOPLE:
        kept = _test_size(people)
        more = f"; {helps} keeps {kept}" if kept > splits[TEST] else "; more people would help"
        lines.append(
            f"{splits[TEST]} people for the test are too few to tell the result from guessing ({LEAST_PEOPLE} are the "
            f"least){more}."
        )
    return lines


def people_validated(pipeline: Pipeline, photos: Counter[str]) -> int | None:
    """How many people would be held out for validation; None where nobody can tell."""
    people, _, _ = _count(pipeline, photos)
    return None if people is None else people.splits()[VALIDATION]


def _advice(people: PeopleCount, helps: str) -> str:
    if not helps:
        return f"Add people: {2 * _LEAST} with {people.least} photos or more are the least, and dozens make sense."
    if _test_size(people) < _LEAST:
        return (
            "Nothing can be measured with so few: add people. For an export all the same, whose numbers say nothing "
            f"because those who are trained on are measured too: {helps}"
        )
    return f"Share them out in another way: {helps}"


def _parameters(pipeline: Pipeline) -> dict[str, dict[str, Value]]:
    """The parameters of tasks, by their templates."""
    values = pipeline.values()
    return {task.template: parameter_values(task, values, None) for task in pipeline.tasks}


def _count(pipeline: Pipeline, photos: Counter[str]) -> tuple[PeopleCount | None, str | None, int]:
    """The people, the split that is measured, and the rounds of training; None for a pipeline without such tasks."""
    if not photos:
        return None, None, 0
    tasks = _parameters(pipeline)
    collect = tasks["collect"]
    least, validation, test = (float(str(collect[name])) for name in _SETTINGS)
    unnamed = one_form(str(collect.get("unnamed", "")))
    if unnamed and unnamed not in photos:
        raise UsageError(
            "There is no such folder of unnamed people.",
            received=f"collect.unnamed={unnamed}",
            advice="Give the name of a folder with photos in the folder of photos.",
        )
    needed = max(2, int(least))  # one photo makes no pair
    names = sorted(name for name, count in photos.items() if count >= needed and name != unnamed)
    measured = tasks.get("evaluate", {}).get("split")
    counted = PeopleCount(photos.total(), photos[unnamed], names, needed, validation, test)
    rounds = int(str(tasks["mine-and-train"].get("rounds", 1)))
    return counted, None if measured is None else str(measured), rounds


def _test_size(people: PeopleCount) -> int:
    """How many people to keep for the test where there are few: half of them, and no more than show something."""
    return min(LEAST_PEOPLE, len(people.names) // 2)


def _helpful(people: PeopleCount) -> str:
    """The flags with which `_test_size` people are kept for the test; "" when there are too few for any."""
    kept = _test_size(people)
    if not kept or len(people.names) <= _LEAST:
        return ""
    places = sorted(map(place_of, people.names))
    # A share is a border between two people's places: nobody moves but those who are to.
    test = next(
        share
        for digits in range(1, 20)
        if places[kept - 1] < (share := round((places[kept - 1] + places[kept]) / 2, digits)) <= places[kept]
    )
    left = replace(people, test=test).splits()
    crowded = test + people.validation >= 1 or left[TRAIN] < max(_LEAST, kept)
    if crowded:
        left = replace(people, validation=0.0, test=test).splits()
    return " ".join(
        [
            f"--set collect.test={test}",
            *(["--set collect.validation=0"] if crowded else []),
            *(["--set evaluate.split=all"] if kept < _LEAST else []),
            # The faces of two people are too few to calibrate int8 on: the export would fail in the end.
            *(["--set export=float32"] if left[TRAIN] <= _LEAST else []),
        ]
    )
