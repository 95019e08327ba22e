"""A search compiled for a cluster: loops over trials, and a choice between the rungs, by the rules of each release."""

from __future__ import annotations

import json

import pytest
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as spec

from components.common.errors import UsageError
from pipelines.compile import compile_pipeline
from tests.cluster.compiled import documents
from tests.cluster.records import records
from tests.cluster.versions import SUPPORTED, VERSIONS
from tests.cluster.workflow import workspace_claim

SEARCH = """
recipe: laptop
set: {rounds: 16, extract.margin: 0.3}
search:
  mine-and-train.learning_rate: {log: [1e-4, 1e-2]}
  backbone: [small_resnet, mobilefacenet]
trials: 4
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Of a search without halving, and of one that halves twice."""
    folder, texts = tmp_path_factory.mktemp("search"), []
    for name, more in (("whole", ""), ("halved", "halving: 2\n")):
        file = folder / f"{name}.yaml"
        file.write_text(SEARCH + more)
        texts.append(compile_pipeline(search=file))
    return texts


@pytest.mark.parametrize("version", SUPPORTED)
def test_each_trial_has_a_pod_and_the_choice_sees_all_of_them(compiled, version):
    found = {one["task"]: one for one in records(compiled[0], version, {"photos": "gs://our-photos/people"})}
    assert {name: one["refused"] for name, one in found.items() if one["refused"]} == {}
    trained = [one for name, one in found.items() if name.endswith("/mine-and-train")]
    trials = [one["words"][one["words"].index("--trial") + 1] for one in trained]
    assert len({*trials}) == 4
    for trial, one in zip(trials, trained, strict=True):
        assert set(json.loads(trial)) == {"learning_rate", "backbone"}, "to the last round, of which nothing is said"
        assert one["words"][one["words"].index("--rounds") + 1] == "16"
        assert not [mount for mount in one["mounts"] if "claim" in mount]
    (chosen,) = [one for name, one in found.items() if name.endswith("choose")]
    assert len(chosen["executor_input"]["inputs"]["artifacts"]["checkpoints"]["artifacts"]) == 4
    assert json.loads(chosen["words"][chosen["words"].index("--these") + 1]) == trials
    (extracted,) = [one for name, one in found.items() if name.endswith("/extract")]
    assert extracted["words"][extracted["words"].index("--margin") + 1] == "0.3"
    made = chosen["executor_input"]["outputs"]["artifacts"]["checkpoint"]["artifacts"][0]["uri"]
    for name in ("for-loop-1/0/embed", "export"):
        (reader,) = [one for task, one in found.items() if task.endswith(name.rsplit("/", 1)[-1])]
        read = reader["executor_input"]["inputs"]["artifacts"]["checkpoint"]["artifacts"][0]["uri"]
        assert read == made, "what is embedded and exported is the best one"
    assert workspace_claim(compiled[0], VERSIONS[version]) is None


def test_with_halving_each_rung_loops_over_what_the_choice_before_it_let_go_on(compiled):
    document, _ = documents(compiled[1])
    pipeline = json_format.ParseDict(document, spec.PipelineSpec())  # kfp's own: nothing that Kubeflow does not know
    tasks, components = pipeline.root.dag.tasks, pipeline.components
    loops = [
        task
        for task in tasks.values()
        if task.HasField("parameter_iterator")
        and any(name.startswith("mine-and-train") for name in components[task.component_ref.name].dag.tasks)
    ]
    assert len(loops) == 3
    over = [
        task.inputs.parameters[task.parameter_iterator.items.input_parameter]
        for task in loops
        if not task.parameter_iterator.items.raw
    ]
    assert sorted(one.task_output_parameter.producer_task for one in over) == ["choose", "choose-2"]
    given = {name: task.inputs.parameters for name, task in tasks.items() if name.startswith("choose")}
    rungs = {
        name: [json.loads(value.string_value) for value in one["these"].runtime_value.constant.list_value.values]
        for name, one in given.items()
    }
    assert [one.get("until") for one in rungs["choose"]] == [4] * 4
    assert [one.get("until") for one in rungs["choose-2"]] == [8] * 4
    assert [one.get("until") for one in rungs["choose-3"]] == [None] * 4
    assert [given[name]["keep"].runtime_value.constant.number_value for name in sorted(rungs)] == [2, 1, 1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("search: {mine-and-train.margin: [0.1, 0.2]}\ntrials: 2\nsampler: tpe\n", "names its trials before it runs"),
        ("search: {collect.min_examples: [2, 3]}\ntrials: 2\n", "tries settings of mine-and-train"),
        ("search: {mine-and-train.margin: [0.1]}\nset: {rounds: many}\ntrials: 2\n", "rounds is a whole number"),
    ],
)
def test_what_a_cluster_cannot_search_is_refused(tmp_path, content, said):
    file = tmp_path / "search.yaml"
    file.write_text(content)
    with pytest.raises(UsageError) as refused:
        compile_pipeline(search=file)
    assert said in str(refused.value)
