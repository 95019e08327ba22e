"""What pipeline.yaml asks of a cluster for each task, by the protocol buffers that a cluster reads it with."""

from __future__ import annotations

import dataclasses
from functools import cache

import pytest
import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2 as kubernetes
from kfp.pipeline_spec import pipeline_spec_pb2 as kubeflow

from components.collect.component import collect
from components.specification import images
from pipelines.compile import DEFAULT_OUTPUT, compile_pipeline, main
from pipelines.compiled import ir
from pipelines.local.containers import docker_run
from pipelines.local.processes import Invocation
from tests.stages import TASKS


# Compiling takes seconds: not whenever the tests are collected, and once.
@cache
def for_gpus():
    return compile_pipeline(gpus=2, image_pull_secret="regcred")


def read(text):
    """The pipeline, its executors, and their settings for Kubernetes, by label; every field must be known."""
    documents = list(yaml.safe_load_all(text))
    spec = json_format.ParseDict(documents[0], kubeflow.PipelineSpec())
    deployed = json_format.ParseDict(documents[0]["deploymentSpec"], kubeflow.PipelineDeploymentConfig())
    platform = json_format.ParseDict(documents[1], kubeflow.PlatformSpec()) if len(documents) > 1 else None
    settings = {
        label: json_format.Parse(json_format.MessageToJson(config), kubernetes.KubernetesExecutorConfig())
        for label, config in (platform.platforms["kubernetes"].deployment_spec.executors if platform else {}).items()
    }
    containers = {
        label.removeprefix("exec-"): executor.container
        for label, executor in deployed.executors.items()
        if executor.WhichOneof("spec") == "container"
    }
    return spec, platform, containers, {label.removeprefix("exec-"): one for label, one in settings.items()}


DEFAULT = read(DEFAULT_OUTPUT.read_text())


@pytest.fixture(scope="module")
def gpus():
    return read(for_gpus())


def tasks(spec):
    for component in (spec.root, *spec.components.values()):
        yield from component.dag.tasks.items()


def test_every_task_says_what_it_needs_and_what_it_may_use_at_most():
    _, _, containers, _ = DEFAULT
    assert set(containers) == set(TASKS)
    for name, container in containers.items():
        limits = container.resources
        assert 0 < limits.cpu_request < limits.cpu_limit, name
        assert 0 < limits.memory_request < limits.memory_limit, name
        assert limits.resource_cpu_limit, name
        assert limits.resource_memory_limit, name
        assert not limits.HasField("accelerator"), name


def test_only_the_training_is_tried_again_because_it_goes_on_where_it_was_however_long_an_attempt_took():
    for spec, volume in ((DEFAULT[0], True), (read(compile_pipeline(workspace=""))[0], False)):
        found = {name: task.retry_policy for name, task in tasks(spec) if task.HasField("retry_policy")}
        assert set(found) == ({"mine-and-train"} if volume else set())
        for retry in found.values():
            assert retry.max_retry_count >= 2
            assert retry.backoff_duration.seconds > 0
            assert retry.backoff_factor > 1
            # Argo counts this from the start of the first attempt, and makes no further one after it.
            assert retry.backoff_max_duration.seconds >= 7 * 24 * 3600


def test_every_task_is_passed_all_its_parameters(gpus):
    """A server 2.17.0 refuses an argument of one that is not, and no server's cache key has its component's default."""
    for spec in (DEFAULT[0], gpus[0]):
        for name, task in tasks(spec):
            wanted = spec.components[task.component_ref.name].input_definitions.parameters
            loop = {task.parameter_iterator.item_input} - {""}
            assert set(task.inputs.parameters) | loop == set(wanted), name


def test_a_changed_default_of_a_component_changes_what_a_cluster_compares(monkeypatch):
    inputs = collect.component_spec.inputs
    monkeypatch.setitem(inputs, "validation", dataclasses.replace(inputs["validation"], default=0.15))
    (task,) = (task for name, task in tasks(read(compile_pipeline())[0]) if name == "collect")
    assert task.inputs.parameters["validation"].runtime_value.constant.number_value == 0.15


def test_every_task_may_be_answered_from_the_cache():
    # Each is a function of its inputs, settings and image, and the image's tag is a hash of its content.
    found = {name: task.caching_options.enable_cache for name, task in tasks(DEFAULT[0]) if name in TASKS}
    assert found == dict.fromkeys(TASKS, True)


def test_worker_processes_and_gpus_have_shared_memory_within_the_limit(gpus):
    for _, _, containers, settings in (DEFAULT, gpus):
        for name in ("extract", "mine-and-train"):
            (mount,) = settings[name].empty_dir_mounts
            assert (mount.mount_path, mount.medium) == ("/dev/shm", "Memory")
            gibibytes = int(mount.size_limit.removesuffix("Gi"))
            assert 1 <= gibibytes < containers[name].resources.memory_limit / 2


def test_a_trainings_state_lies_on_a_volume_that_outlives_a_pod():
    spec, platform, *_ = DEFAULT
    training = spec.root.dag.tasks["mine-and-train"].inputs.parameters["training"]
    # As the value of a parameter: the driver fills it in there, and mounts the volume because of it.
    assert training.runtime_value.constant.string_value == "{{$.workspace_path}}/training"
    workspace = platform.platforms["kubernetes"].pipelineConfig.workspace
    assert workspace.size == "20Gi"
    assert json_format.MessageToDict(workspace.kubernetes.pvc_spec_patch) == {"accessModes": ["ReadWriteOnce"]}


def test_the_volume_can_be_of_a_named_kind():
    _, platform, *_ = read(compile_pipeline(storage_class="fast"))
    patch = platform.platforms["kubernetes"].pipelineConfig.workspace.kubernetes.pvc_spec_patch
    assert json_format.MessageToDict(patch) == {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast"}


def test_the_volume_can_be_left_out():
    spec, platform, *_ = read(compile_pipeline(workspace=""))
    training = spec.root.dag.tasks["mine-and-train"].inputs.parameters["training"]
    assert training.runtime_value.constant.string_value == ""
    assert not platform.platforms["kubernetes"].HasField("pipelineConfig")


def test_no_task_needs_a_secret_or_a_variable():
    _, _, containers, settings = DEFAULT
    assert not any(container.env for container in containers.values())
    used = {field.name for one in settings.values() for field, _ in one.ListFields()}
    assert used == {"empty_dir_mounts"}


def test_images_are_those_of_this_very_code():
    for name, container in DEFAULT[2].items():
        assert container.image == images.reference(TASKS[name])


def test_gpus_come_with_their_image_and_a_place_on_their_nodes(gpus):
    _, _, containers, settings = gpus
    for name, container in containers.items():
        on_gpus = name == "mine-and-train"
        assert container.resources.HasField("accelerator") == on_gpus
        assert container.image == images.reference(TASKS[name], "gpu" if on_gpus else "")
        assert len(settings[name].tolerations) == int(on_gpus)
    accelerator = containers["mine-and-train"].resources.accelerator
    assert (accelerator.resource_type, accelerator.resource_count) == ("nvidia.com/gpu", "2")
    (toleration,) = settings["mine-and-train"].tolerations
    assert (toleration.key, toleration.operator, toleration.effect) == ("nvidia.com/gpu", "Exists", "NoSchedule")


def test_every_image_is_pulled_with_the_secret_by_its_name(gpus):
    _, _, containers, settings = gpus
    assert set(containers) == set(TASKS)
    for name in containers:
        assert [secret.secret_name for secret in settings[name].image_pull_secret] == ["regcred"]


def test_a_local_run_honours_what_it_can_of_it(tmp_path):
    file = tmp_path / "cluster.yaml"
    file.write_text(for_gpus())
    container = ir.read(file).task("mine-and-train").executor
    assert (container.gpus, container.shared_memory) == (2, 2 * 2**30)
    command = docker_run(Invocation("x", container, ("true",), tmp_path, (), tmp_path / "log"))
    assert {"--gpus=2", f"--shm-size={2 * 2**30}"} <= set(command)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--gpus", "1"], "Write them to a file of their own: -o cluster.yaml."),
        (["--gpus", "-1", "-o", "x.yaml"], "--gpus is a number"),
        (["--workspace", "much", "-o", "x.yaml"], "not a size of a volume"),
        (["--storage_class", "fast"], "Write them to a file of their own: -o cluster.yaml."),
        (["--storage_class", "fast", "--workspace", "", "-o", "x.yaml"], "There is no volume to choose the storage of"),
    ],
)
def test_wrong_settings_are_refused(flags, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(flags) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_for_one_cluster_is_written_and_checked(tmp_path):
    flags = ["-o", str(tmp_path / "cluster.yaml"), "--gpus", "2", "--image_pull_secret", "regcred"]
    assert main(flags) == 0
    assert (tmp_path / "cluster.yaml").read_text() == for_gpus()
    assert main([*flags, "--check"]) == 0
    assert main([*flags[:2], "--check"]) == 1
