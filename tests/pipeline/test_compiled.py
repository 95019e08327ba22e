"""The committed pipeline.yaml: fresh, valid, runnable, and in step with the stages' flags."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components.specification.code import module_of
from pipelines.compile import DEFAULT_OUTPUT, compile_pipeline, main
from pipelines.compiled import ir
from pipelines.plan import recipe
from pipelines.plan.changes import with_setting
from pipelines.plan.check import check
from pipelines.plan.loops import expand
from pipelines.plan.render import Artifact, executor_input, render
from pipelines.plan.tasks import Container, Task, parameter_values

REPOSITORY = DEFAULT_OUTPUT.parent
PIPELINE = expand(with_setting(ir.read(DEFAULT_OUTPUT), "photos", "photos"))
TASKS = [task for task in PIPELINE.tasks if isinstance(task.executor, Container)]


def test_the_committed_pipeline_is_fresh():
    assert DEFAULT_OUTPUT.read_text() == compile_pipeline(), (
        "pipeline.yaml is stale: run `facenet compile` and commit it"
    )


def test_compiling_gives_the_same_bytes_in_every_process():
    code = "from pipelines.compile import compile_pipeline; import sys; sys.stdout.write(compile_pipeline())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONHASHSEED": "1"},  # here, and where the committed file was compiled, it is any other
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == DEFAULT_OUTPUT.read_text()


def test_check_names_the_command_when_the_file_is_stale(tmp_path, capsys):
    file = tmp_path / "pipeline.yaml"
    assert main(["-o", str(file), "--check"]) == 1
    assert main(["-o", str(file)]) == 0
    assert main(["-o", str(file), "--check"]) == 0
    file.write_text(file.read_text() + "# edited\n")
    assert main(["-o", str(file), "--check"]) == 1
    assert f"Run `facenet compile -o {file}`" in capsys.readouterr().err


def test_the_pipeline_follows_kubeflows_schema():
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    document, *_ = yaml.safe_load_all(DEFAULT_OUTPUT.read_text())
    spec = json_format.ParseDict(document, pipeline_spec_pb2.PipelineSpec())
    json_format.ParseDict(document["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig())
    inside = (dict(component.dag.tasks) for component in spec.components.values() if component.HasField("dag"))
    tasks = {**spec.root.dag.tasks, **{name: task for dag in inside for name, task in dag.items()}}
    plain = {name for name, task in tasks.items() if not spec.components[task.component_ref.name].HasField("dag")}
    assert plain == {task.name for task in PIPELINE.tasks}


def test_the_tasks_come_in_an_order_in_which_they_can_run():
    before: set[str] = set()
    for task in PIPELINE.tasks:
        assert task.after <= before
        before.add(task.name)
    assert PIPELINE.tasks[0].name == "photos" and len(before) == len(TASKS) + 1


def _command(task: Task) -> list[str]:
    parameters = parameter_values(task, PIPELINE.values(), None)
    artifacts = {name: [Artifact(Path("in") / name, "system.Artifact", "")] for name in task.artifacts}
    assert isinstance(task.executor, Container)
    return render(task.executor.command, executor_input(task, parameters, artifacts, Path("out")))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_argument_of_a_task_is_a_flag_of_its_stage(task):
    from components.common.parsing import parse

    command = _command(task)
    module = module_of(command)
    stage = importlib.import_module(f"{module}.__main__")
    arguments = command[command.index(module) + 1 :]
    settings = parse(stage.Settings, arguments, prog=task.name)
    for flag, text in zip(arguments[::2], arguments[1::2], strict=True):
        if flag in ("--input", "--output", "--checkpoint"):
            assert str(getattr(settings, flag[2:])) == text
    assert all(json.loads(settings.executor_input)["inputs"]["artifacts"][name]["artifacts"] for name in task.artifacts)


@pytest.mark.parametrize("name", sorted(path.stem for path in recipe.FOLDER.glob("*.yaml")))
def test_every_recipe_fits_the_pipeline(name, tmp_path):
    pipeline = with_setting(ir.read(DEFAULT_OUTPUT), "photos", str(tmp_path))
    for key, value in recipe.read(name).settings.items():
        pipeline = with_setting(pipeline, key, value)
    check(expand(pipeline))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_stage_has_a_card_and_numbers_for_kubeflows_ui(task):
    kinds = {"system.HTML", "system.Metrics"}
    assert set(task.outputs.values()) >= kinds | (
        {"system.ClassificationMetrics"} if task.name == "evaluate" else set()
    )


def test_one_setting_leaves_the_pictures_out_of_every_card():
    pipeline = expand(with_setting(with_setting(ir.read(DEFAULT_OUTPUT), "photos", "photos"), "pictures", False))
    stages = [task for task in pipeline.tasks if isinstance(task.executor, Container)]
    values = {task.name: parameter_values(task, pipeline.values(), None).get("pictures") for task in stages}
    # The card of an export has none.
    assert {name for name, value in values.items() if value is not False} == {"export"}
