"""What the local run does not do is refused by name: each case is compiled by kfp itself where kfp can make it."""

from pathlib import Path

import pytest
import yaml
from kfp import compiler, dsl
from kfp import kubernetes as kfp_kubernetes

from components.common.errors import UsageError
from pipelines.compile import DEFAULT_OUTPUT
from pipelines.compiled import ir
from pipelines.plan.changes import setting_from_text, with_setting
from pipelines.plan.check import check
from pipelines.plan.loops import expand
from pipelines.plan.tasks import TaskOutput, ancestors, descendants, parameter_values, up_to


@dsl.container_component
def step(size: int = 1, data: dsl.Output[dsl.Dataset] = None):
    return dsl.ContainerSpec(image="x:1", command=["true"], args=[size, data.path])


@dsl.container_component
def other(size: int, data: dsl.Output[dsl.Dataset]):
    return dsl.ContainerSpec(image="x:1", command=["true"], args=[size, data.path])


@dsl.container_component
def number(value: dsl.OutputPath(int)):
    return dsl.ContainerSpec(image="x:1", command=["true"], args=[value])


@dsl.container_component
def many(data: dsl.Input[list[dsl.Dataset]]):
    return dsl.ContainerSpec(image="x:1", command=["true"], args=[dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER])


@dsl.container_component
def both(size: int, one: dsl.Input[dsl.Dataset], all: dsl.Input[list[dsl.Dataset]]):
    return dsl.ContainerSpec(
        image="x:1", command=["true"], args=[size, one.path, dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER]
    )


@dsl.container_component
def numbers(values: list):
    return dsl.ContainerSpec(image="x:1", command=["true"], args=[values])


@dsl.container_component
def optional(size: int = 1):
    return dsl.ContainerSpec(image="x:1", command=["true"], args=[dsl.IfPresentPlaceholder("size", ["-s", size])])


@dsl.container_component
def accelerated():
    return dsl.ContainerSpec(image="x:1", command=["true"])


@dsl.container_component
def job_name():
    return dsl.ContainerSpec(image="x:1", command=["true"], args=[dsl.PIPELINE_JOB_NAME_PLACEHOLDER])


@dsl.pipeline(name="inner")
def inner(sizes: list, data: dsl.Input[list[dsl.Dataset]]) -> list[dsl.Dataset]:
    with dsl.ParallelFor(sizes) as size:
        made = other(size=size)
        both(size=size, one=made.outputs["data"], all=data)
    return dsl.Collected(made.outputs["data"])


def condition():
    with dsl.If(number().output == 1):
        step()


@dsl.component(base_image="x:1")
def sizes() -> list[int]:
    return [1, 2]


def loop_of_a_loop():
    with dsl.ParallelFor([1, 2]), dsl.ParallelFor([3, 4]) as size:
        step(size=size)


def loop_over_a_result():
    with dsl.ParallelFor(sizes().output) as size:
        step(size=size)


def limited_loop():
    with dsl.ParallelFor([1, 2], parallelism=1) as size:
        step(size=size)


def part_of_an_item():
    with dsl.ParallelFor([{"size": 1}]) as item:
        step(size=item.size)


def collected_values():
    with dsl.ParallelFor([1, 2]):
        made = number()
    numbers(values=dsl.Collected(made.output))


def exit_handler():
    with dsl.ExitHandler(step()):
        number()


def one_name_at_two_places():
    with dsl.ParallelFor([1]) as size:
        made = other(size=size)
    inner(sizes=[1], data=dsl.Collected(made.outputs["data"]))


def conditional_argument():
    optional()


def placeholder_of_the_cluster():
    job_name()


def another_accelerator():
    accelerated().set_accelerator_type("cloud-tpus.google.com/v3")


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
        (loop_of_a_loop, "a loop in a loop"),
        (loop_over_a_result, "a loop over what a task hands on"),
        (limited_loop, "a limit on the tasks of a loop"),
        (part_of_an_item, "a part of a parameter"),
        (collected_values, "a value that a loop"),
        (one_name_at_two_places, "two tasks of the name other"),
        (exit_handler, "an exit handler"),
        (conditional_argument, "IfPresent"),
        (placeholder_of_the_cluster, "{{$.pipeline_job_name}}"),
        (imported_to_the_workspace, "importer.metadata"),
        (another_accelerator, "an accelerator of the type cloud-tpus.google.com/v3"),
    ],
)
def test_what_kfp_compiles_and_a_local_run_does_not_do_is_refused_by_name(function, words, tmp_path):
    with pytest.raises(UsageError) as error:
        check(ir.read(compiled(function, tmp_path)))
    assert words in str(error.value)


def changed(folder: Path, change) -> Path:
    document, *_ = yaml.safe_load_all(DEFAULT_OUTPUT.read_text())
    change(document)
    file = folder / "pipeline.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def collect(document):
    return document["root"]["dag"]["tasks"]["collect"]


def loop(document):
    return document["root"]["dag"]["tasks"]["for-loop-1"]


def executor(document):
    return document["deploymentSpec"]["executors"]["exec-extract"]["container"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(schemaVersion="3.0.0"), "schema version 3.0.0"),
        (lambda d: d.update(defaultPipelineRoot="gs://x"), "a pipeline root"),
        (lambda d: collect(d).update(novelty=1), "a field that it does not know: root.dag.tasks.collect.novelty"),
        (lambda d: collect(d)["cachingOptions"].update(cacheKey="k"), "a cache key of its own"),
        (lambda d: executor(d).update(lifecycle={}), "a container lifecycle hook"),
        (lambda d: executor(d).pop("command"), "without a command"),
        (
            lambda d: collect(d)["inputs"]["artifacts"]["extracted"].update(componentInputArtifact="x"),
            "an artifact as an input",
        ),
        (
            lambda d: collect(d)["inputs"].update(
                parameters={"margin": {"runtimeValue": {"constant": "{{$.inputs.parameters['x']}}"}}}
            ),
            "a placeholder in the value",
        ),
        (lambda d: loop(d).update(iteratorPolicy={"parallelismLimit": 2}), "a limit on the tasks of a loop"),
        (lambda d: loop(d)["parameterIterator"]["items"].update(x=1), "for-loop-1.parameterIterator.items.x"),
        (lambda d: loop(d).update(artifactIterator={}), "a loop over artifacts"),
        (lambda d: d["root"].update(outputDefinitions={}), "outputs of the pipeline"),
        (
            lambda d: d["root"]["inputDefinitions"]["parameters"]["photos"].update(parameterType="TASK_CONFIG"),
            "a parameter of type TASK_CONFIG",
        ),
        (lambda d: collect(d)["dependentTasks"].append("evaluate"), "CycleError"),
        (lambda d: executor(d).update(resources={"cpuLimit": 10**400}), "OverflowError"),
        (lambda d: collect(d)["componentRef"].update(name="comp-none"), "not a compiled pipeline"),
        (lambda d: d["root"]["dag"]["tasks"].update({"../../x": collect(d)}), "cannot be the name of a file"),
    ],
)
def test_a_field_that_a_local_run_does_not_honour_is_refused_by_name(change, words, tmp_path):
    with pytest.raises(UsageError) as error:
        ir.read(changed(tmp_path, change))
    assert words in str(error.value)


def kubernetes(document):
    return document["platforms"]["kubernetes"]


def settings(document):
    return kubernetes(document)["deploymentSpec"]["executors"]["exec-extract"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["platforms"].update(vertex={}), "platforms.vertex"),
        (lambda d: kubernetes(d)["pipelineConfig"].update(activeDeadlineSeconds=3), "pipelineConfig.activeDeadline"),
        (lambda d: settings(d).update(secretAsEnv=[]), "a secret in a variable"),
        (lambda d: settings(d).update(pvcMount=[]), "a volume: platforms.kubernetes.deploymentSpec.executors"),
        (lambda d: settings(d)["emptyDirMounts"][0].update(mountPath="/data"), "other than shared memory"),
        (lambda d: settings(d)["emptyDirMounts"][0].pop("medium"), "other than shared memory"),
        (lambda d: settings(d)["emptyDirMounts"][0].update(sizeLimit="1G"), "of a size in Mi or Gi"),
        (lambda d: d.update(more=1), "the second document.more"),
    ],
)
def test_a_setting_for_kubernetes_that_a_local_run_does_not_honour_is_refused_by_name(change, words, tmp_path):
    documents = list(yaml.safe_load_all(DEFAULT_OUTPUT.read_text()))
    change(documents[1])
    file = tmp_path / "pipeline.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    with pytest.raises(UsageError, match="local run does not do") as error:
        ir.read(file)
    assert words in str(error.value)


def test_what_only_a_scheduler_needs_is_read_over(tmp_path):
    def pipeline():
        task = step()
        kfp_kubernetes.set_image_pull_secrets(task, ["name"])
        kfp_kubernetes.add_toleration(task, key="nvidia.com/gpu", operator="Exists")
        task.set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(3)

    container = ir.read(compiled(pipeline, tmp_path)).task("step").executor
    assert (container.gpus, container.shared_memory) == (3, 0)


def test_a_third_document_is_refused(tmp_path):
    file = tmp_path / "pipeline.yaml"
    file.write_text(DEFAULT_OUTPUT.read_text() + "\n---\n{}\n")
    with pytest.raises(UsageError, match="3 documents"):
        ir.read(file)


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


def loops(folder, *settings):
    def pipeline(sizes: list = [1]):  # noqa: B006
        with dsl.ParallelFor([7, 8]) as size:
            first = step(size=size)
        inside = inner(sizes=sizes, data=dsl.Collected(first.outputs["data"]))
        many(data=inside.output).after(first)

    read = ir.read(compiled(pipeline, folder))
    for text in settings:
        read = with_setting(read, "sizes", setting_from_text(read, "sizes", text))
    return read


def test_a_loop_becomes_a_task_for_each_item_and_one_item_keeps_the_name(tmp_path):
    pipeline = expand(loops(tmp_path))
    check(pipeline)
    assert sorted(task.name for task in pipeline.tasks) == ["both", "many", "other", "step-1", "step-2"]


def test_in_a_loop_an_input_is_of_the_same_item_and_outside_of_all_items(tmp_path):
    pipeline = expand(loops(tmp_path, "[4, 5, 6]"))
    check(pipeline)
    assert [parameter_values(task, {}, {})["size"] for task in pipeline.tasks_of("other")] == [4, 5, 6]
    made = tuple(TaskOutput(f"other-{number}", "data") for number in (1, 2, 3))
    assert pipeline.task("many").artifacts == {"data": made}
    waits = {f"{name}-{number}" for name in ("other", "both") for number in (1, 2, 3)}  # the whole pipeline inside
    assert pipeline.task("many").after == {"step-1", "step-2", *waits}
    second = pipeline.task("both-2")
    assert (second.template, second.label, second.loop) == ("both", "both-2", None)
    assert second.artifacts == {"one": made[1:2], "all": (TaskOutput("step-1", "data"), TaskOutput("step-2", "data"))}
    assert parameter_values(second, {}, {}) == {"size": 5}
    assert ancestors(pipeline, "both-2") == {"step-1", "step-2", "other-2"}
    assert descendants(pipeline, "step-2") == {"many", *waits}


def test_a_loop_over_nothing_is_refused(tmp_path):
    with pytest.raises(UsageError, match="something in it"):
        expand(loops(tmp_path, "[]"))


def two_steps():
    with dsl.ParallelFor([7, 8]) as size:
        step(size=size)  # step-1 and step-2
    step()  # step-2


def test_two_tasks_of_one_name_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"(?s)one name.*step-2"):
        expand(ir.read(compiled(two_steps, tmp_path)))


def test_what_a_task_depends_on():
    pipeline = ir.read(DEFAULT_OUTPUT)
    before, after = ancestors(pipeline, "mine-and-train"), descendants(pipeline, "mine-and-train")
    assert before >= {"photos", "extract", "collect"} and after >= {"embed", "evaluate", "export"}
    assert not before & after
    assert {task.name for task in up_to(pipeline, "mine-and-train").tasks} == before | {"mine-and-train"}
