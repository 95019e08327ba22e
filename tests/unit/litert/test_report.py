from __future__ import annotations

import json

import pytest

from components.common.errors import UsageError
from components.litert.report import read_report, thresholds_of
from components.litert.specification import Threshold


def row(far, threshold, interval):
    return {"far": far, "val": 0.5, "threshold": threshold, "threshold_interval": interval}


METRICS = {
    "checkpoint_sha256": "ab" * 32,
    "val_at_far": [row(0.1, 1.2, [1.1, 1.3]), row(0.01, 1.0, None), row(0.001, None, None)],
}


def test_a_rate_that_was_not_measurable_has_no_threshold():
    assert thresholds_of(METRICS) == (Threshold(0.1, 1.2, 1.1, 1.3, 0.5), Threshold(0.01, 1.0, None, None, 0.5))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(METRICS), "about another network"),
        (json.dumps(METRICS | {"schema_version": 99}), "it has version 99; up to 4 is read"),
        (json.dumps(METRICS | {"schema_version": True}), "a whole number is needed"),
        (json.dumps({"checkpoint_sha256": "cd" * 32}), "no evaluation report"),
        ("{", "no evaluation report"),
        (None, "no evaluation report"),
    ],
)
def test_a_report_that_does_not_fit_is_named(tmp_path, text, message):
    if text:
        (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_report(tmp_path, "cd" * 32)


def test_the_report_of_the_checkpoint_is_read(tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps(METRICS))
    assert read_report(tmp_path, "ab" * 32) == METRICS
