import json
from pathlib import Path

import pytest

from components.common.errors import UsageError
from pipelines.plan.render import Artifact, executor_input, render
from pipelines.plan.tasks import Container, Parameter, Task, TaskOutput

TASK = Task(
    name="train",
    label="train",
    executor=Container((), {}),
    parameters={"rounds": Parameter("NUMBER_INTEGER"), "names": Parameter("LIST")},
    sources={},
    artifacts={"faces": (TaskOutput("extract", "faces"), TaskOutput("extract-2", "faces"))},
    outputs={"checkpoint": "system.Model"},
    output_parameters={"loss": Parameter("NUMBER_DOUBLE")},
    after=frozenset(),
    cacheable=True,
    template="train",
)
FACES = Artifact(Path("/runs/1/extract/faces"), "system.Artifact", "0f", {"photos": 3})
MORE = Artifact(Path("/runs/1/extract-2/faces"), "system.Artifact", "1f")
INPUT = executor_input(TASK, {"rounds": 20, "names": ["a b", "{{$}}"]}, {"faces": [FACES, MORE]}, Path("/runs/2/train"))


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("--plain", "--plain"),
        ("{{$.inputs.parameters['rounds']}}", "20"),
        ("--rounds={{$.inputs.parameters['rounds']}}!", "--rounds=20!"),
        ("{{$.inputs.artifacts['faces'].path}}/part", "/runs/1/extract/faces/part"),  # of a list, the first
        ("{{$.inputs.artifacts['faces'].uri}}", "/runs/1/extract/faces"),
        ("{{$.outputs.artifacts['checkpoint'].path}}", "/runs/2/train/checkpoint"),
        ("{{$.outputs.artifacts['checkpoint'].uri}}", "/runs/2/train/checkpoint"),
        ("{{$.outputs.parameters['loss'].output_file}}", "/runs/2/train/parameters/loss"),
        ("{{$.inputs.parameters['names']}}", '["a b","{{$}}"]'),  # and not searched again
        ("{{not.ours}}", "{{not.ours}}"),
    ],
)
def test_placeholders_are_filled_in(template, text):
    assert render([template], INPUT) == [text]


def test_the_workspace_is_the_tasks_own_folder():
    description = executor_input(TASK, {"training": "{{$.workspace_path}}/training"}, {}, Path("/runs/2/train"))
    assert render(["{{$.inputs.parameters['training']}}"], description) == ["/runs/2/train/training"]
    assert description["inputs"]["parameterValues"] == {"training": "/runs/2/train/training"}


def test_two_placeholders_in_one_word():
    word = "{{$.inputs.parameters['rounds']}}-{{$.inputs.parameters['rounds']}}"
    assert render([word], INPUT) == ["20-20"]


def test_the_description_of_the_task_is_kubeflows_executor_input():
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    (text,) = render(["{{$}}"], INPUT)
    message = json_format.Parse(text, pipeline_spec_pb2.ExecutorInput())
    assert message.outputs.artifacts["checkpoint"].artifacts[0].type.schema_title == "system.Model"
    assert message.inputs.artifacts["faces"].artifacts[0].metadata["photos"] == 3
    assert message.inputs.artifacts["faces"].artifacts[1].uri == "/runs/1/extract-2/faces"
    assert message.inputs.parameter_values["rounds"].number_value == 20
    assert message.outputs.output_file == "/runs/2/train/executor_output.json"


@pytest.mark.parametrize(
    "placeholder",
    [
        "{{$.inputs.parameters['round']}}",
        "{{$.inputs.artifacts['faces']}}",
        "{{$.outputs.output_file}}",
        "{{$.pipeline_job_name}}",
        "{{$.json_escape[1]}}",
    ],
)
def test_an_unknown_placeholder_is_refused_by_name(placeholder):
    with pytest.raises(UsageError) as error:
        render(["-x", placeholder], INPUT)
    assert error.value.received == placeholder


def test_metrics_written_by_a_stage_are_where_the_runner_looks(tmp_path):
    import sqlite3

    from components.common.executor import write_metrics
    from pipelines.cache.content import TABLES, Contents
    from pipelines.local.results import collect

    task = Task("t", "t", Container((), {}), {}, {}, {}, {"metrics": "system.Metrics"}, {}, frozenset(), True, "t")
    (text,) = render(["{{$}}"], executor_input(task, {}, {}, tmp_path))
    write_metrics(text, {"faces": 7, "share": 0.5})
    database = sqlite3.connect(":memory:")
    database.executescript(TABLES)
    assert collect(task.outputs, {}, tmp_path, Contents(database)).metrics == {"faces": 7, "share": 0.5}
    assert json.loads((tmp_path / "executor_output.json").read_text())
