import re
from datetime import UTC, datetime, timedelta

import pytest

from pipelines.look.history import LOST, Run
from pipelines.records.record import CACHED, PENDING, RUNNING, SKIPPED, SUCCEEDED, RunRecord
from pipelines.ui.timeline import timeline
from tests.ui.records import run_of, task_of

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds):
    return (BEGAN + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def run(state=SUCCEEDED, started=None, **fields):
    record = RunRecord("1", "facenet", "p.yaml", None, {}, {}, [], state, started or at(0), **fields)
    return Run(record, state)


def bars(found):
    return {bar.task.task: bar for bar in found.bars}


def test_a_task_is_drawn_from_its_beginning_to_its_end_and_its_waiting_before():
    tasks = [
        task_of("extract", started=at(0), ended=at(10)),
        task_of("collect", started=at(15), ended=at(20), after=["extract"]),
        task_of("embed", state=SKIPPED, after=["collect"]),
    ]
    found = timeline(run(ended=at(40)), tasks)
    extract, collect, embed = found.bars
    assert (extract.waiting, extract.working) == (None, (0, 25))
    assert (collect.waiting, collect.working) == ((25, 12.5), (37.5, 12.5))
    assert (embed.waiting, embed.working) == (None, None)
    assert extract.words == "It began after 0.0 s, and took 10.0 s."
    assert collect.words == "It began after 15.0 s and a wait of 5.0 s, and took 5.0 s."
    assert embed.words == "It was not begun."
    assert found.marks == [(0, "0"), (25, "10 s"), (50, "20 s"), (75, "30 s"), (100, "40 s")]


def test_a_cached_task_is_a_moment_and_says_what_it_took():
    task = task_of("train", state=CACHED, started=at(2), ended=at(2), origin={"run": "0", "seconds": 200.0})
    (bar,) = timeline(run(ended=at(4)), [task]).bars
    assert bar.working == (50, 0)
    assert bar.words.endswith("from an earlier run after 2.0 s, which took 3 min 20 s when it was made.")


def test_of_a_run_that_goes_on_what_works_and_what_waits_reach_to_now():
    started = datetime.now(UTC) - timedelta(seconds=100)
    moments = {seconds: (started + timedelta(seconds=seconds)).isoformat() for seconds in (0, 10)}
    tasks = [
        task_of("extract", started=moments[0], ended=moments[10]),
        task_of("train", state=RUNNING, started=moments[10], after=["extract"]),
        task_of("other", state=PENDING, after=["extract"]),
        task_of("embed", state=PENDING, after=["train"]),
    ]
    found = bars(timeline(run(RUNNING, moments[0]), tasks))
    assert sum(found["train"].working) == pytest.approx(sum(found["other"].waiting)) == pytest.approx(100)
    assert found["embed"].waiting is None
    assert re.fullmatch(r"It began after 10\.0 s, and has taken 1 min 3\d s so far\.", found["train"].words)
    assert found["other"].words == "It waits since 10.0 s."
    assert found["embed"].words == "It waits for others."


def test_times_that_cannot_be_are_drawn_inside_or_not_at_all():
    tasks = [
        task_of("before", started=at(-50), ended=at(-40)),
        task_of("backwards", started=at(9), ended=at(3)),
        task_of("nonsense", started="yesterday", ended=7 * "9"),
        task_of("no-zone", started="2026-01-01T00:00:01", ended="2026-01-01T00:00:02"),
        task_of("late", started="9999-12-31T23:59:59+00:00", ended="9999-12-31T23:59:59+00:00", after=["before"]),
        task_of("lost", state=LOST, started=at(5)),
    ]
    found = timeline(run(), tasks)
    for bar in found.bars:
        for start, length in filter(None, (bar.waiting, bar.working)):
            assert 0 <= start <= start + length <= 100 + 1e-9
        assert bar.words.endswith(".")
    assert found.bars[-1].words == "It began after 5.0 s and a wait of 5.0 s, and nobody wrote down its end."
    assert len(found.marks) == 2
    assert not timeline(run(started="nonsense"), tasks).marks


@pytest.mark.parametrize("seconds", [0.004, 0.9, 1, 7, 59, 61, 500, 3600, 40_000, 1e6])
def test_there_are_few_marks_at_round_times(seconds):
    marks = timeline(run(), [task_of("task", started=at(0), ended=at(seconds))]).marks
    assert (2 if seconds >= 1 else 1) <= len(marks) <= 6
    assert [place for place, _ in marks] == sorted({place for place, _ in marks})
    assert marks[-1][0] <= 100


def test_the_page_of_a_run_has_its_timeline_in_words(site):
    tasks = [task_of("extract", started=at(0), ended=at(10)), task_of("<b>", started=at(10), ended=at(20))]
    run_of(site.runs, "20260101-000000-000", *tasks, started=at(0), ended=at(20))
    page = site.get("/runs/20260101-000000-000").text
    assert page.count('role="img" aria-label="It began after') == 2
    assert 'width="50.0%"' in page
    assert "<b>" not in page
    run_of(site.runs, "20260102-000000-000", task_of("extract", state=PENDING))
    assert "Timeline" not in site.get("/runs/20260102-000000-000").text
