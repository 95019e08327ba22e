"""The course of a search: every rung of every trial, in an order that depends on scores and on no clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.common.command import FAILED_TRAINING
from components.common.errors import FacenetError, UsageError
from pipelines.local.runner import Runner
from pipelines.plan.changes import in_words, with_setting
from pipelines.plan.tasks import Pipeline, parameter_values, up_to
from pipelines.plan.values import Value
from pipelines.records.files import read_task, write_search
from pipelines.records.record import DONE, FAILED, RUNNING, SUCCEEDED, TaskRecord, now
from pipelines.records.search import Part, SearchRecord, Trial, scores_of
from pipelines.records.summary import duration
from pipelines.tuning.sampling import batches
from pipelines.tuning.search import ROUNDS, TRAINED, UNTIL, Search, ranking, rounds_of_rungs
from pipelines.tuning.side_by_side import Begun, SideBySide

# What says something of the settings; any other end of a task, as for want of memory, says nothing of them.
_OF_SETTINGS = (FAILED_TRAINING, UsageError.exit_code)


@dataclass
class Searching:
    """A search under way.

    Args:
        search: fitted to the pipeline.
        pipeline: with the settings that all trials have.
        runs: the runs folder, absolute.
        record: of the search; what another attempt at the same noted stands in it.
        new_record: makes the record of a trial's run, given its pipeline, its own settings and its id.
        failure: what to say of a run in which a task failed.
        say: is given a line for people.
        side_by_side: makes what runs the parts; it is given what to call when one has begun, and when it has ended.
    """

    search: Search
    pipeline: Pipeline
    runs: Path
    record: SearchRecord
    new_record: Callable[[Pipeline, Mapping[str, Value], str], Any]
    failure: Callable[[Mapping[str, TaskRecord]], FacenetError]
    say: Callable[[str], None]
    side_by_side: Callable[[Callable[[int, Runner], None], Callable[[int, Runner], None]], SideBySide]
    _known: dict[str, Part] = field(init=False)

    def __post_init__(self) -> None:
        parts = [(trial["settings"], part) for trial in self.record.trials for part in trial["parts"]]
        self._known = {_key(settings, part["until"]): part for settings, part in parts if self._holds(part)}
        self.record.trials = []
        self._run = self.side_by_side(self._begun, self._ended)

    def __call__(self) -> int:
        """Runs what is not known yet; the number of the best trial.

        Raises:
            FacenetError: a task failed for a reason that is not the settings', or every trial failed.
        """
        final: dict[int, float | None] = {}
        ended: list[float | None] = []
        for drawn in batches(self.search, ended):
            scores: dict[int, float | None] = {}
            for rung in range(self.search.rungs):
                wanted = len(drawn) // self.search.halving**rung if self.search.halving else len(drawn)
                going = [self._new_trial(one) for one in drawn] if not rung else ranking(scores)
                scores = self._rung(rung, going, max(1, wanted))
            ended += scores.values() if self.search.rungs == 1 else ()
            final |= scores
        best = ranking(final)
        if not best:
            raise FacenetError(
                "No trial came to a score.",
                received=f"{len(self.record.trials)} trials; each one's reason is above, and in the log of its run",
                advice="Give the search other settings.",
            )
        self.record.winner = best[0]
        self._write()
        return best[0]

    def settings(self, number: int) -> Mapping[str, Value]:
        """The settings that a trial tries."""
        return self._trial(number)["settings"]

    def _new_trial(self, settings: Mapping[str, Value]) -> int:
        self.record.trials.append(Trial(number=len(self.record.trials) + 1, settings=dict(settings), parts=[]))
        return len(self.record.trials)

    def _trial(self, number: int) -> Trial:
        return self.record.trials[number - 1]

    def _rung(self, rung: int, candidates: list[int], count: int) -> dict[int, float | None]:
        """The scores of the first `count` candidates after a rung; of the next one too while none has any."""
        scores: dict[int, float | None] = {}
        while candidates and not any(score is not None for score in scores.values()):
            some, candidates, count = candidates[:count], candidates[count:], 1
            parts = [part for number in sorted(some) if (part := self._part(number, rung)) is not None]
            self._write()
            self._run(parts)
            scores |= {number: self._trial(number)["parts"][rung]["score"] for number in sorted(some)}
        if self.search.rungs > 1:
            best = ", ".join(map(str, ranking(scores)[:5]))
            self.say(f"Rung {rung + 1} of {self.search.rungs}: {len(scores)} trials; the best: {best or 'none'}")
        return scores

    def _part(self, number: int, rung: int) -> Begun | None:
        """What a trial is to do in a rung; None when that is known."""
        trial = self._trial(number)
        pipeline = self.pipeline
        for name, value in trial["settings"].items():
            pipeline = with_setting(pipeline, name, value)
        given = parameter_values(pipeline.task(TRAINED), pipeline.values(), None)
        rounds = int(str(given[ROUNDS]))
        until = rounds_of_rungs(rounds, self.search)[rung]
        if (known := self._known.get(_key(trial["settings"], until))) is not None:
            trial["parts"].append(known)
            return None
        trial["parts"].append(Part(until=until, run="", made_by="", state=RUNNING, score=None, seconds=None))
        # Of the last round nothing is said: it is the run that `facenet run` makes with these settings.
        added: dict[str, Value] = {**trial["settings"], **({UNTIL: until} if until != rounds else {})}
        if until != rounds:
            pipeline = with_setting(pipeline, UNTIL, until)
        pipeline = up_to(pipeline, TRAINED)
        former = trial["parts"][rung - 1]["made_by"] if rung else ""
        return Begun(
            trial=number,
            pipeline=pipeline,
            record=lambda run: self.new_record(pipeline, added, run),
            goes_on_from={TRAINED: former} if former else {},
        )

    def _begun(self, number: int, runner: Runner) -> None:
        self._trial(number)["parts"][-1]["run"] = runner.run.id
        self._write()

    def _ended(self, number: int, runner: Runner) -> None:
        trial, task = self._trial(number), runner.tasks[TRAINED]
        part = trial["parts"][-1]
        part["state"], part["seconds"] = runner.run.state, runner.run.seconds
        part["made_by"] = task.origin["run"] if task.origin else runner.run.id
        failed = [one for one in runner.tasks.values() if one.state == FAILED]
        if any(one.exit_code not in _OF_SETTINGS for one in failed):
            raise self.failure(runner.tasks)
        if not failed:
            part["score"] = self._score(task)
        self.record.peak_bytes = self._run.peak
        self._write()
        result = f"failed: {failed[0].message}; run {runner.run.id}" if failed else f"{part['score']:.4f}"
        self.say(
            f"trial {number:>3}  {part['until']:>4} rounds  {result}  {duration(runner.run.seconds or 0.0):>8}  "
            f"{in_words(trial['settings'])}"
        )

    def _score(self, task: TaskRecord) -> float:
        score = task.metrics.get(self.search.by)
        if not isinstance(score, int | float):
            raise FacenetError(
                "A training has no score of people held out for validation.",
                received=f"{self.search.by} is not among what {TRAINED} reported",
                advice="Hold more people out: collect.validation, under `set` in the search file.",
            )
        return float(score)

    def _holds(self, part: Part) -> bool:
        """Whether the run of a part is still there, with a score."""
        if part["state"] != SUCCEEDED or part["score"] is None:
            return False
        task = read_task(self.runs, part["run"], TRAINED)
        return task is not None and task.state in DONE

    def _write(self) -> None:
        write_search(self.runs, self.record)

    def end(self, state: str) -> None:
        """Notes how the search ended."""
        self.record.state, self.record.ended = state, now()
        self._write()


def _key(settings: Mapping[str, Any], until: int) -> str:
    return json.dumps([settings, until], sort_keys=True)


def best_first(trials: Iterable[Trial]) -> list[Trial]:
    """Trials by how far they came, and then by their last score: the best first."""

    def place(trial: Trial) -> tuple[int, float, int]:
        scores = scores_of(trial)
        return -len(scores), -scores[-1][1] if scores else 0.0, trial["number"]

    return sorted(trials, key=place)
