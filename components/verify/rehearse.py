"""`facenet rehearse`: how identify would do with these people, and which setting suits them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from components.common.command import run
from components.common.errors import FacenetError, UsageError
from components.common.flags import Flag
from components.common.names import one_form, plain
from components.common.quantity import quantity
from components.verify.enroll import Rejects, Seen, enrollments, photos_of_people
from components.verify.evaluation import Evaluation, evaluation_of
from components.verify.faces import no_face_error, photos_of, reject_record
from components.verify.gallery import Enrollment
from components.verify.model import Model, open_model
from components.verify.rehearsal import Outcome, Searches, as_strangers, held_back, nearest_distances
from components.verify.search import People
from components.verify.settings import EvaluationSettings
from components.verify.threshold import ChosenThreshold, by_default, keeping

# The rates of named strangers that are tried, where the evaluation says something of them.
_FPIRS = (0.1, 0.01, 0.001)


@dataclass(frozen=True)
class Settings(EvaluationSettings):
    """Say how identify would do with people: each photo is held back once and searched for, and strangers are.

    Nothing is enrolled. The answer proposes a flag for identify and watch.
    """

    people: Annotated[tuple[Path, ...], Flag("FOLDER", positional=True)] = ()
    """Folders that hold a folder for each person, named after them, as enroll takes them; best two photos or more of
    each."""
    strangers: tuple[Path, ...] = ()
    """Photos, or folders of them, of people who are not among those; in folders named after them where several show one
    person. Without them, each of the people is a stranger to the others."""


@dataclass(frozen=True)
class _Tried:
    """A flag of identify, "" for none, and what it gives; whether no flag gives the same."""

    flag: str
    threshold: ChosenThreshold
    outcome: Outcome
    is_default: bool

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        outcome = self.outcome
        return {
            "flag": self.flag,
            "default": self.is_default,
            "threshold": self.threshold.to_json(),
            "recall": outcome.recall.to_json(),
            "wrong": outcome.wrong.to_json(),
            "strangers": outcome.strangers.to_json(),
            "precision": outcome.precision and outcome.precision.to_json(),
        }


def _gallery(faces: Sequence[Enrollment]) -> People:
    names = sorted({one_form(face.name) for face in faces})
    place = {name: number for number, name in enumerate(names)}
    person = np.array([place[one_form(face.name)] for face in faces], np.int32)
    return People(names, person, np.stack([face.embedding for face in faces]))


def _distinct(faces: Sequence[Enrollment], known: dict[str, Enrollment]) -> list[Enrollment]:
    """The faces without copies of a picture, as a gallery enrolls none twice; fills `known` by the pictures' ids."""
    kept = []
    for face in faces:
        other = known.setdefault(face.face_id, face)
        if one_form(other.name) != one_form(face.name):
            raise UsageError(
                "The same picture shows two people.",
                received=f"{face.photo} as {face.name or 'a stranger'}; {other.photo} as {other.name or 'a stranger'}",
                advice="Keep it where it belongs.",
            )
        if other is face:
            kept.append(face)
    return kept


def _searches(people: People, strangers: Sequence[Enrollment], folders: Sequence[Path]) -> Searches:
    if np.bincount(people.person).max() < 2:
        raise FacenetError(
            "Nobody has two photos with a face, so that none can be held back and searched for.",
            received=f"{quantity(len(people.embeddings), 'face')} of {quantity(len(people.names), 'person', 'people')}",
            advice="Give two photos or more of each person.",
        )
    if not folders and len(people.names) < 2:
        raise UsageError(
            "Nobody here is a stranger.",
            received=f"photos of {people.names[0]} alone",
            advice="Give photos of other people with --strangers, or of two people or more.",
        )
    own = held_back(people)
    if not folders:
        return Searches(*own, *as_strangers(people))
    # Photos that lie in no folder of their own are of different people.
    whose = [photo if (photo := Path(face.photo)).parent in folders else photo.parent for face in strangers]
    number = np.unique([str(one) for one in whose], return_inverse=True)[1].astype(np.int64)
    return Searches(*own, number, nearest_distances(people, np.stack([face.embedding for face in strangers])))


def _tried(evaluation: Evaluation, people: People, searches: Searches) -> Iterator[_Tried]:
    """What can be asked of identify: rates of strangers, or else of pairs; and what no flag gives."""
    default = by_default(evaluation, people)
    asked = [(f"--fpir {rate:g}", chosen) for rate in _FPIRS if (chosen := keeping(rate, evaluation, people))]
    if not asked:
        asked = [
            (f"--far {each.far:g}", ChosenThreshold(each.distance, evaluation.source, each))
            for each in reversed(evaluation.thresholds)
        ]
    if all(chosen.distance != default.distance for _, chosen in asked):
        asked.append(("", default))
    for flag, chosen in asked:
        yield _Tried(flag, chosen, searches.outcome(chosen.distance), chosen.distance == default.distance)


def _said(tried: Sequence[_Tried], best: _Tried, people: People, searches: Searches, own: bool) -> Iterator[str]:
    """Lines for people."""
    held, strangers = len(searches.person), len(searches.stranger)
    faces, names = quantity(len(people.embeddings), "face"), quantity(len(people.names), "person", "people")
    others = "the same people, each without their own name" if own else "the strangers given"
    yield (
        f"{faces} of {names}; {held:,} were held back once, and {quantity(strangers, 'face')} of strangers searched "
        f"for ({others})."
    )
    yield "Photos, and in brackets the 95 % interval of their share:"
    header = ("setting", "distance", "right name", "wrong name", "strangers named", "right of all names")
    rows = [header, *(_row(one) for one in tried)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    missing = [f"{rate:g}" for rate in _FPIRS if all(one.flag != f"--fpir {rate:g}" for one in tried)]
    if missing:
        yield f"FPIR {', '.join(missing)}: the evaluation says nothing of it for a gallery like this one."
    yield (
        f"Proposed for identify and watch: {best.flag or 'no flag'}. Of these settings it gives most right answers, "
        f"{100 * best.outcome.right_answers:.0f} %, when every second face is a stranger's."
    )


def _row(one: _Tried) -> tuple[str, ...]:
    outcome = one.outcome
    name = f"{one.flag} (default)" if one.flag and one.is_default else one.flag or "no flag"
    precision = "-" if outcome.precision is None else str(outcome.precision)
    distance = f"{one.threshold.distance:.3f}"
    return name, distance, str(outcome.recall), str(outcome.wrong), str(outcome.strangers), precision


def _faces(settings: Settings, model: Model, rejects: Rejects) -> tuple[People, list[Enrollment], int]:
    """The gallery, the strangers' faces, and how many pictures were copies of others."""
    known: dict[str, Enrollment] = {}
    named = photos_of_people(settings.people, rejects)
    others = [(photo, "") for photo in photos_of(settings.strangers, rejects)] if settings.strangers else []
    # Of every quality: identify sees poor faces too.
    found = [list(enrollments(some, model, Seen(rejects), min_quality=0)) for some in (named, others)]
    if not found[0] or (settings.strangers and not found[1]):
        raise no_face_error(rejects)
    people, strangers = (_distinct(some, known) for some in found)
    return _gallery(people), strangers, sum(map(len, found)) - len(people) - len(strangers)


def _rehearse(settings: Settings) -> None:
    if not settings.people:
        raise UsageError("Whose photos?", received="no folder", advice="facenet rehearse PEOPLE [--strangers FOLDER]")
    model = open_model(settings)
    evaluation = evaluation_of(settings, model)
    rejects: Rejects = []
    people, strangers, copies = _faces(settings, model, rejects)
    searches = _searches(people, strangers, settings.strangers)
    tried = list(_tried(evaluation, people, searches))
    # Of settings that are as good, the one with which fewer strangers get a name.
    best = max(tried, key=lambda one: (one.outcome.right_answers, -one.threshold.distance))
    lines = list(_said(tried, best, people, searches, not settings.strangers))
    if settings.json:
        answer = {
            "model": model.to_json(),
            "people": len(people.names),
            "faces": len(people.embeddings),
            "copies": copies,
            "settings": [one.to_json() for one in tried],
            "proposed": best.flag,
            "said": lines[-1],
            "rejected": [reject_record(*each) for each in rejects],
        }
        print(json.dumps(answer, indent=1))
        return
    for photo, reject in rejects:
        print(f"{plain(photo)}  rejected: {reject.reason}, {plain(reject.detail)}")
    if copies:
        print(f"{quantity(copies, 'picture')} left out: copies of others.")
    print("\n".join(lines))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _rehearse, argv, prog="facenet rehearse")


if __name__ == "__main__":
    sys.exit(main())
