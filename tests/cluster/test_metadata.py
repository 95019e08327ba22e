"""What comes back of an artifact from ML Metadata."""

from __future__ import annotations

import pytest
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as spec

from tests.cluster.metadata import Metadata, through_dag
from tests.cluster.versions import RefusedError

SESSION = {"Provider": "gs"}


def artifact(**metadata: object) -> spec.RuntimeArtifact:
    """An artifact with metadata."""
    return json_format.ParseDict({"uri": "gs://ours/x", "metadata": metadata}, spec.RuntimeArtifact())


def test_an_artifact_has_a_number_for_a_name_and_no_type():
    known = Metadata()
    first, second = (known.record("result", artifact(), SESSION) for _ in range(2))
    assert json_format.MessageToDict(second) == {
        "name": "2",
        "uri": "gs://ours/x",
        "type": {"instanceSchema": ""},
        "metadata": {"display_name": "result", "store_session_info": '{"Provider":"gs"}'},
    }
    assert first.name == "1"


@pytest.mark.parametrize(
    ("value", "kept"),
    [(True, 1.0), (0.5, 0.5), ("x", "x"), ([1, "a"], {"list": [1.0, "a"]}), ({"a": 1}, {"struct": {"a": 1.0}})],
)
def test_metadata_comes_back_as_numbers_texts_and_dictionaries(value, kept):
    record = Metadata().record("result", artifact(value=value), SESSION)
    assert json_format.MessageToDict(record.metadata)["value"] == kept


def test_metadata_that_is_nothing_is_refused():
    with pytest.raises(RefusedError, match="NullValue"):
        Metadata().record("result", artifact(value=None), SESSION)


def test_imported_photos_keep_their_number():
    known = Metadata()
    found = [known.imported("photos", artifact(), SESSION).name for _ in range(2)]
    assert found == ["1", "1"]


def test_of_what_goes_into_a_dag_one_artifact_of_each_name_is_left_and_one_name_of_each_artifact():
    known = Metadata()
    first, second, third = (known.record("result", artifact(), SESSION) for _ in range(3))
    left = through_dag({"faces": [first, second], "dataset": [third]})
    assert {name: [one.name for one in listed] for name, listed in left.items()} == {"faces": ["2"], "dataset": ["3"]}
    assert not any(one.HasField("type") for listed in left.values() for one in listed)
    assert len(through_dag({"one": [first], "other": [first]})) == 1
