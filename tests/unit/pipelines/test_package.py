"""What a person sets, written into the compiled pipeline: into tasks in loops too, and both documents go on."""

import copy

import pytest
import yaml

from pipelines.cluster.package import Package
from pipelines.cluster.package import package as packaged


def task(name, **inputs):
    return {"componentRef": {"name": f"comp-{name}"}, "cachingOptions": {"enableCache": True}, **inputs}


SPEC = {
    "pipelineInfo": {"name": "tiny"},
    "components": {
        "comp-extract": {"executorLabel": "exec-extract"},
        "comp-collect": {"executorLabel": "exec-collect"},
        "comp-for-loop-1": {
            "dag": {
                "tasks": {
                    "extract": task(
                        "extract",
                        inputs={"parameters": {"shard": {"componentInputParameter": "shards-item"}}},
                    )
                }
            }
        },
    },
    "deploymentSpec": {"executors": {"exec-extract": {"container": {}}, "exec-collect": {"container": {}}}},
    "root": {"dag": {"tasks": {"for-loop-1": task("for-loop-1"), "collect": task("collect")}}},
}
PLATFORM = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-extract": {"pvcMount": []}}}}}}


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "pipeline.yaml"
    file.write_text("# a comment\n" + yaml.safe_dump_all([SPEC, PLATFORM]))
    return file


def package(file, settings, cached) -> Package:
    """Without models to import, for a server whose version is not known."""
    return packaged(file, settings, {}, cached=cached, server=None)


def test_nothing_set_is_the_same_pipeline_whatever_its_comments_and_order(file):
    before = package(file, {}, cached=True)
    assert list(yaml.safe_load_all(before.text)) == [SPEC, PLATFORM]
    file.write_text(yaml.safe_dump_all([SPEC, PLATFORM], sort_keys=False))
    assert package(file, {}, cached=True) == before
    assert before.pipeline == "tiny"


def test_settings_reach_tasks_with_and_without_inputs_in_loops_and_outside(file):
    settings = {"extract.margin": 0.5, "collect.names": ["a", "b"]}
    spec, platform = yaml.safe_load_all(package(file, settings, cached=True).text)
    expected = copy.deepcopy(SPEC)
    inside = expected["components"]["comp-for-loop-1"]["dag"]["tasks"]["extract"]
    inside["inputs"]["parameters"]["margin"] = {"runtimeValue": {"constant": 0.5}}
    outside = expected["root"]["dag"]["tasks"]["collect"]
    outside["inputs"] = {"parameters": {"names": {"runtimeValue": {"constant": ["a", "b"]}}}}
    assert spec == expected
    assert platform == PLATFORM


def test_every_task_loses_the_cache_those_in_loops_too(file):
    spec, _ = yaml.safe_load_all(package(file, {}, cached=False).text)
    tasks = spec["root"]["dag"]["tasks"] | spec["components"]["comp-for-loop-1"]["dag"]["tasks"]
    assert [tasks[name]["cachingOptions"] for name in ("for-loop-1", "collect", "extract")] == [
        {"enableCache": False}
    ] * 3


def test_each_content_has_its_own_version(file):
    made = [package(file, settings, cached) for settings in ({}, {"extract.margin": 1}) for cached in (True, False)]
    assert len({one.version for one in made}) == 4
    file.write_text(yaml.safe_dump_all([SPEC, {"platforms": {}}]))
    assert package(file, {}, cached=True).version not in {one.version for one in made}
