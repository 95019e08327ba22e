"""Each way in which training fails is named, and what only looks like one is not."""

from __future__ import annotations

from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from components.mine_and_train import history
from components.mine_and_train.health import diagnose
from components.mine_and_train.history import Round

WELL = Round(
    number=1, step=10, phase="triplets", images=100, triplets_found=5000, triplets_kept=5000, triplets_trained=4000,
    active=0.4, loss=0.15, positive_distance=0.9, negative_distance=1.3, spread=1.5, learning_rate=0.001,
    images_per_second=200.0, seconds=5.0,
)  # fmt: skip
STUCK = replace(WELL, loss=0.2, positive_distance=1.0, negative_distance=1.001)


def rounds(*changes):
    return [replace(WELL, number=number, **change) for number, change in enumerate(changes, 1)]


@pytest.mark.parametrize(
    ("changes", "cause", "stops"),
    [
        ([{"loss": float("nan")}], "no longer a number", True),
        ([{"loss": 0.0, "spread": float("nan")}], "no longer a number", True),
        ([{"spread": 0.001}] * 3, "collapse", True),
        ([{"spread": 0.001, "phase": "contrastive"}] * 3, "collapse", True),
        ([{"triplets_found": 0}] * 3, "no triplet is active", False),
        ([{"active": 0.0}] * 3, "no triplet is active", False),
        ([{"loss": 0.2, "positive_distance": 1.0, "negative_distance": 1.001}] * 3, "stuck at the margin", False),
    ],
)
def test_a_failure_is_named_with_what_to_try(changes, cause, stops):
    found = diagnose(rounds(*changes), 0.2)
    assert found is not None
    assert cause in found.cause
    assert found.stops is stops
    assert "--" in found.advice


def test_a_bad_round_or_two_are_no_failure():
    assert diagnose(rounds({"spread": 0.001}, {"spread": 0.001}), 0.2) is None
    assert diagnose(rounds({"spread": 0.001}, {"spread": 0.001}, {}), 0.2) is None


def test_a_loss_near_the_margin_is_no_failure_while_the_active_share_falls():
    falling = [replace(STUCK, number=number, active=0.5 - 0.1 * number) for number in range(1, 4)]
    assert diagnose(falling, 0.2) is None


def test_a_classification_is_not_judged_by_its_triplets():
    assert diagnose(rounds(*[{"phase": "classification", "triplets_found": 0}] * 5), 0.2) is None


def test_the_history_is_a_table_with_a_row_a_round(tmp_path):
    scored = replace(WELL, number=2, validation_accuracy=0.9, validation_auc=0.95, validation_val=0.5)
    history.write(tmp_path / "history.parquet", [WELL, scored])
    table = pq.read_table(tmp_path / "history.parquet")
    assert table.schema.equals(history.SCHEMA)
    assert [Round(**row) for row in table.to_pylist()] == [WELL, scored]


def test_a_round_under_way_is_told_with_the_time_left():
    line = history.line(replace(WELL, number=4), 6, share=0.25)
    assert line.startswith("round 4/6, 25% done: 5,000 triplets")
    assert "0 min 55 s left" in line  # 20 s a round, two and three quarters to go


def test_a_round_is_told_in_a_line_with_the_time_left():
    line = history.line(replace(WELL, number=4, validation_accuracy=0.912, validation_auc=0.97, validation_val=0.6), 30)
    for part in ("round 4/30", "5,000 triplets (4,000 trained on)", "40.0% active", "loss 0.1500", "200 images/s"):
        assert part in line
    assert "2 min 10 s left" in line
    assert "accuracy 0.912, AUC 0.9700, VAL 0.600" in line
    sampled = history.line(replace(WELL, triplets_found=9000), 30)
    assert "9,000 triplets, a fair sample of 5,000 kept (4,000 trained on)" in sampled
    assert "12.0% wrong" in history.line(replace(WELL, phase="classification", active=0.12), 30)
    contrastive = replace(WELL, phase="contrastive", active=0.12, pairs_trained=7000)
    assert "contrastive, 7,000 pairs, 12.0% with a nearer negative" in history.line(contrastive, 30)
