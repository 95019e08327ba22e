"""The pages of searches: trials as curves, in parallel coordinates, and as a table that can be sorted."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.records.files import write_search
from pipelines.records.search import SearchRecord

HOSTILE = "<script>alert(1)</script>"

RATE, LOSS = "mine-and-train.learning_rate", "mine-and-train.loss"


def part(until: int, score: float | None, run: str = "20260101-000000-000") -> Any:
    state = "failed" if score is None else "succeeded"
    return {"until": until, "run": run, "made_by": run, "state": state, "score": score, "seconds": 1.0}


def searched(folder, name="small", **changes):
    trials = [
        {"number": 1, "settings": {RATE: 0.001, LOSS: "triplet"}, "parts": [part(2, 0.7)]},
        {"number": 2, "settings": {RATE: 0.01, LOSS: "contrastive"}, "parts": [part(2, 0.8), part(8, 0.9)]},
        {"number": 3, "settings": {RATE: 0.1, LOSS: HOSTILE}, "parts": [part(2, None)]},
    ]
    asked = {"search": {RATE: {"log": [0.001, 0.1]}, LOSS: ["triplet", "contrastive"]}}
    about: dict[str, Any] = {"state": "succeeded", "winner": 2, "trials": trials, "final": "20260102-000000-000"}
    record = SearchRecord(name, asked, "validation_auc", "", **(about | changes))
    (folder / "searches" / name).mkdir(parents=True)
    write_search(folder, record)
    return record


def rows(page):
    return [int(number) for number in re.findall(r'<th scope="row" class="number">(\d+)</th>', page.text)]


def test_without_searches_the_page_says_how_to_make_one(site):
    assert "facenet tune" in site.get("/searches").text
    assert site.get("/searches/nothing").status == 404
    assert "/searches" not in site.get("/").text


def test_a_search_is_listed_and_its_trials_are_lines_and_rows(site):
    searched(site.runs)
    assert '<a href="/searches/small">' in site.get("/searches").text
    page = site.get("/searches/small")
    assert page.status == 200
    assert 'href="/runs/20260102-000000-000"' in page.text
    assert HOSTILE not in page.text
    best = re.findall(r'<polyline points="([^"]+)" class="best"><title>Trial 2: 0.9000 after 8 rounds', page.text)
    assert [len(points.split()) for points in best] == [2, 3]  # by rounds; through two settings and the score
    assert page.text.count("<title>Trial 3") == 0, "it has no score"
    assert 'href="/searches"' in site.get("/").text


def test_trials_are_sorted_by_what_is_asked_and_those_without_a_value_come_last(site):
    searched(site.runs)
    assert rows(site.get("/searches/small")) == [2, 1, 3]
    assert rows(site.get("/searches/small?sort=score")) == [1, 2, 3]
    assert rows(site.get(f"/searches/small?sort=-{RATE}")) == [3, 2, 1]
    assert rows(site.get("/searches/small?sort=-trial")) == [3, 2, 1]
    assert rows(site.get("/searches/small?sort=nothing")) == [1, 2, 3]


def test_a_curve_has_the_scores_that_the_training_noted_in_between(site):
    record = searched(site.runs)
    run = record.trials[1]["parts"][-1]["run"]
    folder = site.runs / run / "mine-and-train" / "training"
    folder.mkdir(parents=True)
    noted = {"number": [1, 4, 8], "validation_auc": [None, 0.85, 0.9]}
    pq.write_table(pa.table(noted), folder / "history.parquet")
    page = site.get("/searches/small")
    (by_rounds, _) = re.findall(r'<polyline points="([^"]+)" class="best">', page.text)
    assert len(by_rounds.split()) == 3  # after 2 rounds, 4 and 8
    (folder / "history.parquet").write_text("damaged")
    assert site.get("/searches/small").status == 200


def test_a_search_that_was_killed_is_lost_and_one_that_cannot_be_read_is_not_there(site):
    searched(site.runs, state="running", winner=None, final=None)
    (site.runs / "searches" / "small" / ".alive").touch()
    assert "lost" in site.get("/searches/small").text
    (site.runs / "searches" / "small" / "search.json").write_text("{}")
    assert site.get("/searches/small").status == 404
