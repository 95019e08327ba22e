"""How many people there are to train and to measure on, counted by the names of folders before anything starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from components.collect.splits import TEST, TRAIN, VALIDATION, place_of, split_of
from components.common.errors import UsageError
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
        names: of those with at least `least` photos.
        least: how many photos that is.
        validation: share of people for validation.
        test: share of people for the test.
    """

    photos: int
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
        return (
            f"{self.photos:,} photos; {len(self.names):,} people have {self.least} or more: by their names "
            f"{splits[TRAIN]:,} are to be trained on, {splits[VALIDATION]:,} for validation, "
            f"{splits[TEST]:,} for the test"
        )


def without_training(pipeline: Pipeline, written: Collection[str]) -> tuple[dict[str, Value], str]:
    """What to set where training on so few could not be told to help: dlib's network needs none.

    Args:
        pipeline: as recipe and flags want it.
        written: the names of what a person set: who shares out people by hand is left to it.

    Returns:
        Settings, and why they are made; neither where there are people enough, or nothing that works untrained.

    Raises:
        UsageError: there are no two people.
    """
    from components.common import published  # it loads numpy, and --help should appear at once

    people, _, rounds = _count(pipeline)
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


def check_people(pipeline: Pipeline) -> list[str]:
    """Counts who is there to train and to measure on, where the pipeline is one that splits people as `collect` does.

    Args:
        pipeline: as it will be run.

    Returns:
        Lines for people.

    Raises:
        UsageError: a stage would fail for want of people; with the settings that help. Or no photos at all.
    """
    people, split, rounds = _count(pipeline)
    if people is None:
        return []
    splits, helps = people.splits(), _helpful(people)
    measured = len(people.names) if split == "all" else splits[split] if split else None
    # Whoever is measured, an export is compared with the network on people that it was not trained on.
    unmeasured = measured is not None and (measured < _LEAST or splits[TRAIN] == len(people.names))
    if (rounds and splits[TRAIN] < _LEAST) or unmeasured:
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
    if split == TEST and splits[TEST] < LEAST_PEOPLE:
        kept = _test_size(people)
        more = f"; {helps} keeps {kept}" if kept > splits[TEST] else "; more people would help"
        lines.append(
            f"{splits[TEST]} people for the test are too few to tell the result from guessing ({LEAST_PEOPLE} are the "
            f"least){more}."
        )
    return lines


def _advice(people: PeopleCount, helps: str) -> str:
    if not helps:
        return f"Add people: {2 * _LEAST} with {people.least} photos or more are the least, and dozens make sense."
    if _test_size(people) < _LEAST:
        return (
            "Nothing can be measured with so few: add people. For an export all the same, whose numbers say nothing "
            f"because those who are trained on are measured too: {helps}"
        )
    return f"Share them out in another way: {helps}"


def _count(pipeline: Pipeline) -> tuple[PeopleCount | None, str | None, int]:
    """The people, the split that is measured, and the rounds of training; None for a pipeline without such tasks."""
    values = pipeline.values()
    tasks = {task.template: parameter_values(task, values, None) for task in pipeline.tasks}
    folders = [
        str(tasks[task.template][task.executor.parameter])
        for task in pipeline.tasks
        if isinstance(task.executor, Importer)
    ]
    collect = tasks.get("collect", {})
    if "mine-and-train" not in tasks or not collect.keys() >= set(_SETTINGS) or len(folders) != 1:
        return None, None, 0
    least, validation, test = (float(str(collect[name])) for name in _SETTINGS)
    photos = scan(local_path(folders[0])).photos
    needed = max(2, int(least))  # one photo makes no pair
    names = sorted(name for name, count in Counter(map(identity_of, photos)).items() if count >= needed)
    measured = tasks.get("evaluate", {}).get("split")
    counted = PeopleCount(len(photos), names, needed, validation, test)
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
    left = PeopleCount(people.photos, people.names, people.least, people.validation, test).splits()
    crowded = test + people.validation >= 1 or left[TRAIN] < max(_LEAST, kept)
    if crowded:
        left = PeopleCount(people.photos, people.names, people.least, 0.0, test).splits()
    return " ".join(
        [
            f"--set collect.test={test}",
            *(["--set collect.validation=0"] if crowded else []),
            *(["--set evaluate.split=all"] if kept < _LEAST else []),
            # The faces of two people are too few to calibrate int8 on: the export would fail in the end.
            *(["--set export=float32"] if left[TRAIN] <= _LEAST else []),
        ]
    )
