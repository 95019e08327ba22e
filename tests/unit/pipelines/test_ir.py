"""What the local run does not do is refused by name: each case is compiled by kfp itself where kfp can make it."""

from pathlib import Path

import pytest
import yaml
from kfp import compiler, dsl

from components.common.errors import UsageError
from pipelines.compile import DEFAULT_OUTPUT
from pipelines.local import ir
from pipelines.local.check import check
from pipelines.local.plan import ancestors, descendants, up_to


@dsl.container_component
def step(size: int = 1, data: dsl.Output[dsl.Dataset] = None):
    return dsl.ContainerSpec(image="x:1", command=["true"], args=[size, data.path])


@dsl.container_component
def number(value: dsl.OutputPath(int)):
    return dsl.ContainerSpec(image="x:1", command=["true"], args=[value])


@dsl.container_component
def many(data: dsl.Input[list[dsl.Dataset]]):
    return dsl.ContainerSpec(image="x:1", command=["true"], args=[dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER])


@dsl.container_component
def optional(size: int = 1):
    return dsl.ContainerSpec(image="x:1", command=["true"], args=[dsl.IfPresentPlaceholder("size", ["-s", size])])


@dsl.container_component
def job_name():
    return dsl.ContainerSpec(image="x:1", command=["true"], args=[dsl.PIPELINE_JOB_NAME_PLACEHOLDER])


@dsl.pipeline(name="inner")
def inner():
    step()


def condition():
    with dsl.If(number().output == 1):
        step()


def loop():
    with dsl.ParallelFor([1, 2]) as size:
        step(size=size)


def collected():
    with dsl.ParallelFor([1, 2]) as size:
        made = step(size=size)
    many(data=dsl.Collected(made.outputs["data"]))


def exit_handler():
    with dsl.ExitHandler(step()):
        number()


def nested():
    inner()


def conditional_argument():
    optional()


def placeholder_of_the_cluster():
    job_name()


def imported_to_the_workspace():
    dsl.importer("/x", artifact_class=dsl.Dataset, metadata={"a": "b"})


def compiled(function, folder: Path) -> Path:
    file = folder / "pipeline.yaml"
    compiler.Compiler().compile(dsl.pipeline(name="case")(function), str(file))
    return file


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (condition, "a condition"),
        (loop, "a loop"),
        (collected, "a loop"),
        (exit_handler, "an exit handler"),
        (nested, "a pipeline inside the pipeline"),
        (conditional_argument, "IfPresent"),
        (placeholder_of_the_cluster, "{{$.pipeline_job_name}}"),
        (imported_to_the_workspace, "importer.metadata"),
    ],
)
def test_what_kfp_compiles_and_a_local_run_does_not_do_is_refused_by_name(function, words, tmp_path):
    with pytest.raises(UsageError) as error:
        check(ir.read(compiled(function, tmp_path)))
    assert words in str(error.value)


def changed(folder: Path, change) -> Path:
    document = yaml.safe_load(DEFAULT_OUTPUT.read_text())
    change(document)
    file = folder / "pipeline.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def extract(document):
    return document["root"]["dag"]["tasks"]["extract"]


def executor(document):
    return document["deploymentSpec"]["executors"]["exec-extract"]["container"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(schemaVersion="3.0.0"), "schema version 3.0.0"),
        (lambda d: d.update(defaultPipelineRoot="gs://x"), "a pipeline root"),
        (lambda d: extract(d).update(novelty=1), "a field that it does not know: root.dag.tasks.extract.novelty"),
        (lambda d: extract(d)["cachingOptions"].update(cacheKey="k"), "a cache key of its own"),
        (lambda d: executor(d).update(lifecycle={}), "a container lifecycle hook"),
        (lambda d: executor(d).pop("command"), "without a command"),
        (
            lambda d: extract(d)["inputs"]["artifacts"]["photos"].update(componentInputArtifact="x"),
            "an artifact as an input",
        ),
        (
            lambda d: extract(d)["inputs"].update(
                parameters={"margin": {"runtimeValue": {"constant": "{{$.inputs.parameters['x']}}"}}}
            ),
            "a placeholder in the value",
        ),
        (
            lambda d: d["components"]["comp-collect"]["inputDefinitions"]["artifacts"]["faces"].update(
                isArtifactList=True
            ),
            "a list of artifacts",
        ),
        (
            lambda d: d["root"]["inputDefinitions"]["parameters"]["photos"].update(parameterType="TASK_CONFIG"),
            "a parameter of type TASK_CONFIG",
        ),
        (lambda d: extract(d)["dependentTasks"].append("evaluate"), "CycleError"),
        (lambda d: extract(d)["componentRef"].update(name="comp-none"), "not a compiled pipeline"),
        (lambda d: d["root"]["dag"]["tasks"].update({"../../x": extract(d)}), "cannot be the name of a file"),
    ],
)
def test_a_field_that_a_local_run_does_not_honour_is_refused_by_name(change, words, tmp_path):
    with pytest.raises(UsageError) as error:
        ir.read(changed(tmp_path, change))
    assert words in str(error.value)


def test_settings_for_kubernetes_in_a_second_document_are_refused(tmp_path):
    file = tmp_path / "pipeline.yaml"
    file.write_text(DEFAULT_OUTPUT.read_text() + "\n---\nplatforms: {kubernetes: {}}\n")
    with pytest.raises(UsageError, match="local run does not do") as error:
        ir.read(file)
    assert "settings for Kubernetes" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"[1, 2]", b"a: [", b"pipelineInfo: {}", b"\xff\xfe\x00"])
def test_another_file_is_not_a_compiled_pipeline(content, tmp_path):
    file = tmp_path / "x.yaml"
    file.write_bytes(content)
    with pytest.raises(UsageError) as error:
        ir.read(file)
    assert "compile" in str(error.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        ir.read(tmp_path / "none.yaml")


def test_the_image_and_what_a_task_may_use_are_read(tmp_path):
    def limited():
        step().set_cpu_limit("2").set_cpu_request("500m").set_memory_limit("4Gi").set_memory_request("1G").set_retry(2)

    container = ir.read(compiled(limited, tmp_path)).task("step").executor
    assert (container.image, container.cpus, container.memory) == ("x:1", 2.0, 4 * 2**30)


def test_what_a_task_depends_on():
    pipeline = ir.read(DEFAULT_OUTPUT)
    assert ancestors(pipeline, "mine-and-train") == {"importer", "extract", "collect"}
    assert descendants(pipeline, "mine-and-train") == {"embed", "evaluate"}
    assert [task.name for task in up_to(pipeline, "collect").tasks] == ["importer", "extract", "collect"]
