"""The committed pipeline on every release of Kubeflow that we support, task by task, for one shard and for two."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

from pipelines.compile import DEFAULT_OUTPUT, compile_pipeline
from tests.cluster.argo import DELETED, decide
from tests.cluster.compiled import documents
from tests.cluster.pods import LOG, Run
from tests.cluster.records import records
from tests.cluster.store import pipeline_root
from tests.cluster.versions import SUPPORTED, VERSIONS, Version
from tests.cluster.workflow import retries, workspace_claim

DAY = 86400
# What an administrator may have set.
DEFAULT_CLAIM = {"accessModes": ["ReadWriteOnce"], "storageClassName": "standard"}


@pytest.fixture(scope="module")
def compiled() -> str:
    """The pipeline that is held against the rules."""
    return DEFAULT_OUTPUT.read_text()


@pytest.fixture(params=SUPPORTED)
def version(request) -> str:
    """A release."""
    return request.param


@pytest.fixture(params=[1, 2])
def shards(request) -> int:
    """How many tasks extract and embed are divided among."""
    return request.param


@cache
def of(compiled: str, version: str, shards: int, run: Run | None = None) -> dict[str, dict[str, Any]]:
    """The records by task."""
    given = {"photos": "gs://our-photos/people", "shards": [f"{shard + 1}/{shards}" for shard in range(shards)]}
    return {record["task"]: record for record in records(compiled, version, given, run)}


def components(compiled: str) -> dict[str, dict[str, Any]]:
    """What each component that is a container takes, by its name."""
    document, _ = documents(compiled)
    return {
        name.removeprefix("comp-"): component["inputDefinitions"]
        for name, component in document["components"].items()
        if "container" in document["deploymentSpec"]["executors"].get(component.get("executorLabel"), {})
    }


@cache
def without_workspace() -> str:
    """The pipeline for a cluster without volumes."""
    return compile_pipeline(workspace="")


def test_every_component_has_a_pod(compiled, version, shards):
    found = [path.rsplit("/", 1)[-1] for path in of(compiled, version, shards)]
    found_in_loops = {name for name, takes in components(compiled).items() if "shard" in takes["parameters"]}
    assert found_in_loops >= {"extract", "embed"}
    many = {name: shards if name in found_in_loops else 1 for name in components(compiled)}
    assert {name: found.count(name) for name in found} == many


def test_no_task_is_refused(compiled, version, shards):
    assert {
        path: record["refused"] for path, record in of(compiled, version, shards).items() if record["refused"]
    } == {}


def test_no_placeholder_is_left(compiled, version, shards):
    for path, record in of(compiled, version, shards).items():
        assert not [word for word in record["words"] if "{{" in word], path


def test_every_parameter_is_passed_so_that_a_changed_default_is_another_cache_key(compiled, version):
    left: dict[str, set[str]] = {}
    for path, record in of(compiled, version, 1).items():
        name = path.rsplit("/", 1)[-1]
        given = record["executor_input"]["inputs"].get("parameterValues", {})
        left[name] = components(compiled)[name]["parameters"].keys() - given
    assert not any(left.values()), left


def test_a_list_of_artifacts_is_whole_wherever_it_is_read(compiled, version, shards):
    found: dict[str, int] = {}
    for path, record in of(compiled, version, shards).items():
        definitions = components(compiled)[path.rsplit("/", 1)[-1]]["artifacts"]
        for name, listed in record["executor_input"]["inputs"]["artifacts"].items():
            if definitions[name].get("isArtifactList"):
                found[f"{path} {name}"] = len(listed["artifacts"])
    assert found == dict.fromkeys(found, shards)


def test_outputs_lie_in_a_folder_of_each_tasks_own(compiled, version, shards):
    seen = set()
    for path, record in of(compiled, version, shards).items():
        outputs = record["executor_input"]["outputs"]
        assert LOG in outputs["artifacts"]
        uris = [listed["artifacts"][0]["uri"] for listed in outputs["artifacts"].values()]
        (folder,) = {uri.rsplit("/", 1)[0] for uri in uris}
        assert folder not in seen, path
        seen.add(folder)
        assert outputs["outputFile"] == folder.replace("minio://", "/minio/") + "/output_metadata.json"


def test_only_photos_are_read_with_other_credentials_than_the_pipeline_roots(compiled, version, shards):
    for record in of(compiled, version, shards).values():
        for name, buckets in record["buckets"].items():
            assert set(buckets) == ({"environment"} if name == "photos" else {"root"})


def test_photos_in_the_pipeline_roots_bucket_are_read_with_its_credentials(compiled, version):
    photos = pipeline_root(Run().roots[0]).uri + "/people"
    assert records(compiled, version, {"photos": photos})[0]["buckets"] == {"photos": ["root"]}


def test_only_the_training_has_the_workspace(compiled, version):
    found = {
        path: [mount.get("claim") for mount in record["mounts"]] for path, record in of(compiled, version, 1).items()
    }
    claims = {path: [claim for claim in listed if claim] for path, listed in found.items()}
    assert {path: claim for path, claim in claims.items() if claim} == {"mine-and-train": ["facenet-x-kfp-workspace"]}


def test_another_run_has_the_same_cache_keys_but_for_the_task_with_the_workspace(compiled, version):
    one, other = (of(compiled, version, 2, Run(name=name, id=name)) for name in ("one", "other"))
    differ = {path for path in one if one[path]["fingerprint"] != other[path]["fingerprint"]}
    assert differ == {"mine-and-train"}


def test_without_a_workspace_every_task_is_answered_from_another_run(version):
    text = without_workspace()
    one, other = (of(text, version, 1, Run(name=name, id=name)) for name in ("one", "other"))
    assert [record["fingerprint"] for record in one.values()] == [record["fingerprint"] for record in other.values()]
    assert workspace_claim(text, VERSIONS[version]) is None


def test_the_workspace_is_taken(compiled, version):
    default = DEFAULT_CLAIM if VERSIONS[version].storage_class_required else None
    claim = workspace_claim(compiled, VERSIONS[version], default)
    assert claim
    assert claim["accessModes"] == ["ReadWriteOnce"]
    assert claim["resources"] == {"requests": {"storage": "20Gi"}}


def test_only_the_training_asks_for_more_attempts_and_after_days_too(compiled):
    told = retries(compiled, Version("without an installation's own", "3.7.3"))
    assert {path for path, known in told.items() if known.pod} == {"mine-and-train"}
    anew = told["mine-and-train"].pod
    assert anew
    for policy_of in SUPPORTED:
        known = retries(compiled, VERSIONS[policy_of])["mine-and-train"].pod
        assert known
        assert "max duration" not in decide(known, [DELETED], 0, 5 * DAY).why.lower()


def test_records_are_plain_data(compiled, version):
    made = of(compiled, version, 2)
    assert json.loads(json.dumps(made)) == made
