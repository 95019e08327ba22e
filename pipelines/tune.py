"""`facenet tune`: searches for settings on this machine, and runs the pipeline with the best ones."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from components.common.command import run
from components.common.errors import UsageError
from components.common.flags import RUNS, Flag, Runs
from components.common.quantity import quantity
from components.specification.code import Names
from pipelines.cache.cache import Cache, out_of_use
from pipelines.cache.ingredients import Program
from pipelines.configure import DEFAULT_PIPELINE, configure, hint_at_setting
from pipelines.launch import Launch, RunnerName, back_end, failure, launch, print_line, record_of, stop_with_terminal
from pipelines.people import check_people, count_photos, people_validated
from pipelines.plan import recipe
from pipelines.plan.changes import in_words, with_setting
from pipelines.plan.check import check, local_path
from pipelines.plan.loops import expand
from pipelines.plan.tasks import Container, Importer, Pipeline, parameter_values
from pipelines.plan.values import Value, as_text
from pipelines.records.alive import alive, is_alive
from pipelines.records.files import read_run, read_search, read_task
from pipelines.records.lock import share
from pipelines.records.record import FAILED, RUNNING, STOPPED, SUCCEEDED, RunRecord
from pipelines.records.search import SEARCHES, SearchRecord, scores_of
from pipelines.records.summary import command, summary
from pipelines.tuning import search as searches
from pipelines.tuning.search import ROUNDS, TRAINED, UNTIL, Search
from pipelines.tuning.searching import Searching, best_first
from pipelines.tuning.side_by_side import SideBySide

_LEAST_VALIDATED = 2
_LISTED = 10
_REFIT: Mapping[str, Value] = {"collect.validation": 0.0, f"{TRAINED}.patience": 0}


@dataclass(frozen=True)
class Settings:
    """Search for settings: train with many of them, by the people held out for validation, and run the best.

    A search that was stopped goes on when the same command is given again, and comes to the same result.
    """

    search: Annotated[Path, Flag("SEARCH.yaml", positional=True)]
    """What to try; pipelines/README.md says how such a file is written."""
    input: Annotated[str | None, Flag("PHOTOS", short="-i")] = None
    """The folder of photos: one folder per person, named after them."""
    at_once: int | None = None
    """How many trials run at a time; as many as processors and memory have room for when not given; one on a GPU."""
    runs: Runs = RUNS
    runner: RunnerName = "process"
    """How tasks run, as for `facenet run`: process or compose."""
    pipeline: Annotated[Path, Flag("FILE")] = DEFAULT_PIPELINE
    """The compiled pipeline, as `facenet compile` writes it; with pipeline-source.yaml, -i names crops of others."""


@dataclass(frozen=True)
class _Asked:
    """A search as it was asked for.

    Args:
        name: of the search.
        content: of its file.
        search: fitted to the pipeline.
        pipeline: with the settings that all trials have.
        recipe: the recipe's name, or None.
        of_recipe: its settings.
        given: what differs from the pipeline's defaults.
    """

    name: str
    content: Mapping[str, Value]
    search: Search
    pipeline: Pipeline
    recipe: str | None
    of_recipe: Mapping[str, Value]
    given: Mapping[str, Value]


def _read(settings: Settings) -> _Asked:
    search, content = searches.read(settings.search)
    named = search.recipe or (recipe.DEFAULT if settings.pipeline == DEFAULT_PIPELINE else None)
    pipeline, name, given = configure(settings.pipeline, named, settings.input, ())
    for key, value in (search.set or {}).items():
        pipeline = with_setting(pipeline, key, value)
    pipeline = expand(pipeline)
    pipeline.task(TRAINED)
    return _Asked(
        name=settings.search.stem,
        content=content,
        search=searches.fitted(search, pipeline),
        pipeline=pipeline,
        recipe=name,
        of_recipe=recipe.read(named).settings if named else {},
        given=given | dict(search.set or {}),
    )


def _check(asked: _Asked, settings: Settings) -> None:
    """Refuses a search that would fail, and says who is there to train and to validate on."""
    if settings.at_once is not None and settings.at_once < 1:
        raise UsageError("--at-once is a number of trials.", received=settings.at_once, advice="Give 1 or more.")
    photos = count_photos(asked.pipeline)
    check(asked.pipeline)
    for line in check_people(asked.pipeline, photos):
        print(line)
    validated = people_validated(asked.pipeline, photos)
    if validated is not None and validated < _LEAST_VALIDATED:
        raise UsageError(
            "A search chooses by people who are held out for validation, and there are too few.",
            received=f"{validated} for validation",
            advice="Hold more out: `set: {collect.validation: 0.2}` in the search file. Or add people.",
        )


def _launch(asked: _Asked, settings: Settings, lock: int | None, added: Mapping[str, Value]) -> Launch:
    """A run with the settings of all trials, and with these."""
    pipeline, given = asked.pipeline, {**asked.given, **added}
    for name, value in added.items():
        pipeline = with_setting(pipeline, name, value)
    return Launch(
        pipeline=pipeline,
        pipeline_file=str(settings.pipeline.absolute()),
        recipe=asked.recipe,
        settings=given,
        recipe_settings={key: value for key, value in asked.of_recipe.items() if key in given},
        runs=settings.runs.absolute(),
        runner=settings.runner,
        lock=lock,
    )


def _refit(asked: _Asked, winner: Mapping[str, Value], kept: RunRecord) -> dict[str, Value]:
    """The winner's settings for a training on the people for validation too, where nothing can be validated.

    The test people stay unseen: the report is to say how good the network is. Where the best round was taken, it is
    known now which one that is.
    """
    known = {f"{task.name}.{name}" for task in asked.pipeline.tasks for name in task.parameters}
    added = {name: value for name, value in _REFIT.items() if name in known}
    trained = kept.metrics.get(TRAINED, {})
    if trained.get("kept_round", trained.get("rounds")) != trained.get("rounds"):
        added |= {UNTIL: trained["kept_round"]} if trained["kept_round"] else {ROUNDS: 0}
    return {**winner, **added}


def _identity(asked: _Asked, settings: Settings, cache: Cache, program: Callable[[Container, Names], Program]) -> str:
    """Of all that the scores of trials depend on besides their own settings."""
    values = asked.pipeline.values()
    of = [json.dumps(asked.given, sort_keys=True), settings.pipeline.read_text(encoding="utf-8")]
    for task in asked.pipeline.tasks:
        if isinstance(task.executor, Importer):
            place = local_path(str(parameter_values(task, values, {})[task.executor.parameter]))
            of.append(cache.contents.sha256(place))
        else:
            of.append(json.dumps(program(task.executor, cache.contents.names_in).identity, sort_keys=True))
    return hashlib.sha256("\0".join(of).encode()).hexdigest()


def _begun(asked: _Asked, runs: Path, identity: str) -> SearchRecord:
    """The record of the search, with what an earlier attempt noted of the same photos and code."""
    former = read_search(runs, asked.name)
    record = SearchRecord(id=asked.name, asked=dict(asked.content), by=asked.search.by, identity=identity)
    if former is None:
        return record
    if former.identity != identity or former.by != record.by:
        print("Photos, code or settings of all trials have changed since: trials are done again.")
        return record
    record.trials, record.peak_bytes, record.started = former.trials, former.peak_bytes, former.started
    if former.asked == record.asked:
        record.winner, record.final, record.refit = former.winner, former.final, former.refit
    return record


def _tune(settings: Settings) -> None:
    asked = _read(settings)
    _check(asked, settings)
    stop_with_terminal()
    runs = settings.runs.absolute()
    folder = runs / SEARCHES
    with share(runs) as lock:
        (folder / asked.name).mkdir(parents=True, exist_ok=True)
        if (former := read_search(runs, asked.name)) and former.state == RUNNING and is_alive(folder, asked.name):
            print(f"Waiting: the search {asked.name} is going on already.", file=sys.stderr, flush=True)
        with alive(folder, asked.name):
            _search(asked, settings, runs, lock)


def _search(asked: _Asked, settings: Settings, runs: Path, lock: int | None) -> None:
    executes, program = back_end(asked.pipeline, settings.runner, lock, lambda line: None)
    cache = Cache(runs, program)
    record = _begun(asked, runs, _identity(asked, settings, cache, program))
    searching = Searching(
        search=asked.search,
        pipeline=asked.pipeline,
        runs=runs,
        record=record,
        new_record=lambda pipeline, added, run: record_of(
            replace(_launch(asked, settings, lock, added), pipeline=pipeline), run
        ),
        failure=lambda tasks: failure(tasks, runs),
        say=print_line,
        side_by_side=lambda begun, ended: SideBySide(
            runs, cache, executes, at_once=settings.at_once, peak=record.peak_bytes, begun=begun, ended=ended
        ),
    )
    state = STOPPED
    try:
        print_line(_plan(asked.search))
        winner = searching.settings(searching())
        print_line(_ranking(record))
        record.final = _done(record.final, _launch(asked, settings, lock, winner), runs)
        if asked.search.refit:
            added = _refit(asked, winner, read_run(runs, record.final))
            record.refit = _done(record.refit, _launch(asked, settings, lock, added), runs)
        state = SUCCEEDED
        print_line(_end(asked, settings, record, winner))
    except (KeyboardInterrupt, SystemExit):
        print("\nStopped. The same command goes on from here.", flush=True)
        raise
    except sqlite3.Error as error:
        raise out_of_use(runs, error) from error
    except Exception:
        state = FAILED
        raise
    finally:
        searching.end(state)


def _done(former: str | None, launched: Launch, runs: Path) -> str:
    """The id of the run, which is there already or is made."""
    names = [path.parent.name for path in runs.glob(f"{former}/run.json")] if former else []
    if names and (record := read_run(runs, names[0])).state == SUCCEEDED:
        tasks = {name: task for name in record.tasks if (task := read_task(runs, record.id, name)) is not None}
        print_line(f"\n{summary(record, tasks, runs)}")
        return record.id
    print_line("")
    return launch(launched).id


def _plan(search: Search) -> str:
    trials = quantity(search.trials or 0, "trial")
    if search.rungs == 1:
        return f"{trials}, each trained to its end; chosen by {search.by}."
    left = [max(1, (search.trials or 1) // search.halving**rung) for rung in range(search.rungs)]
    return f"{trials} in {search.rungs} rungs of {', '.join(map(str, left))}; chosen by {search.by}."


def _ranking(record: SearchRecord) -> str:
    lines = ["", f"The best of {len(record.trials)}, by {record.by} after the most rounds:"]
    for trial in best_first(record.trials)[:_LISTED]:
        scores = scores_of(trial)
        last = f"{scores[-1][1]:.4f} after {scores[-1][0]} rounds" if scores else "no score"
        lines.append(f"  trial {trial['number']:>3}  {last:<24}  {in_words(trial['settings'])}")
    return "\n".join(lines)


def _end(asked: _Asked, settings: Settings, record: SearchRecord, winner: Mapping[str, Value]) -> str:
    given = {**(asked.search.set or {}), **winner}
    words = [word for name, value in given.items() for word in ("--set", f"{name}={as_text(value)}")]
    named = ["--recipe", asked.search.recipe] if asked.search.recipe else []
    lines = ["", f"The search {record.id} is done; the winner is trial {record.winner}, run {record.final}."]
    if record.refit:
        lines.append(f"Trained on the people for validation too: run {record.refit}.")
    lines += ["The same by hand:", f"  {command('run', '-i', str(settings.input), *named, *words)}"]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _tune, argv, prog="facenet tune", hint=hint_at_setting)


if __name__ == "__main__":
    sys.exit(main())
