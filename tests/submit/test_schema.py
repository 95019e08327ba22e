"""The check of what arrives: it must be able to fail."""

import pytest

from tests.submit.schema import NotTheSchemaError, check

RUN = {
    "display_name": "a run",
    "created_at": "2026-01-01T00:00:00Z",
    "state": "RUNNING",
    "runtime_config": {"parameters": {"rounds": 3, "photos": "gs://a"}},
    "state_history": [{"state": "PENDING"}, {"state": "RUNNING"}],
}


def test_what_the_schema_describes_passes():
    check(RUN, "V2beta1Run", "run")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"name": "a run"}, "V2beta1Run has no field name"),
        ({"display_name": 3}, "run.display_name"),
        ({"state": "running"}, "run.state"),
        ({"state_history": {"state": "PENDING"}}, "run.state_history"),
        ({"state_history": [{"when": "now"}]}, r"run.state_history\[0\]: V2beta1RuntimeStatus has no field when"),
        ({"runtime_config": {"parameter": {}}}, "run.runtime_config: V2beta1RuntimeConfig has no field parameter"),
        ({"runtime_config": {"parameters": []}}, "run.runtime_config.parameters"),
    ],
)
def test_what_it_does_not_is_named(change, where):
    with pytest.raises(NotTheSchemaError, match=where):
        check(RUN | change, "V2beta1Run", "run")


def test_a_truth_is_no_number():
    with pytest.raises(NotTheSchemaError, match="total_size"):
        check({"total_size": True}, "V2beta1ListRunsResponse", "runs")
