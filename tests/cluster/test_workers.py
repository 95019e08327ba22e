"""The training by several workers that `facenet compile --workers` writes: as published schemas want it, and running.

The manifests were validated whole, with unknown fields refused, against the CRDs of kubeflow/trainer v2.0.0, v2.1.0,
v2.2.0 and v2.3.0 (manifests/base/crds). Those have a megabyte each and are not ours, so here is what the manifests rely
on of them; what is Kubernetes' own in them is held to the models of the package `kubernetes`.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from kubernetes.client import models

from components.common.parsing import parse
from components.mine_and_train.settings import Settings
from components.specification.images import command, reference
from pipelines.compile import main
from tests.cluster.jobset import follows, pods
from tests.submit.schema import NotTheSchemaError, check

# Fields of Trainer's and JobSet's types, and the ones that a type asks for.
RUNTIME = {"mlPolicy", "podGroupPolicy", "template"}
JOB_SET = {"replicatedJobs", "network", "successPolicy", "failurePolicy", "suspend", "coordinator", "managedBy"}
REPLICATED_JOB = {"name", "groupName", "template", "replicas", "dependsOn"}
RULE = {"name", "action", "onJobFailureReasons", "onJobFailureMessagePatterns", "targetReplicatedJobs"}
TRAIN_JOB = {"runtimeRef", "initializer", "trainer", "runtimePatches", "suspend", "activeDeadlineSeconds", "managedBy"}
TRAINER = {"image", "command", "args", "env", "numNodes", "resourcesPerNode", "numProcPerNode"}


def compiled(folder, *flags):
    """The claim, the TrainingRuntime and the TrainJob."""
    file = folder / "training.yaml"
    assert main(["--workers", "2", "-o", str(file), *flags]) == 0
    return list(yaml.safe_load_all(file.read_text()))


def settings_of(train_job):
    return parse(Settings, train_job["spec"]["trainer"]["args"], prog="mine-and-train")


def job_of(runtime):
    (replicated,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    return replicated["template"]


@pytest.mark.parametrize("flags", [[], ["--gpus", "2", "--image_pull_secret", "pull", "--storage_class", "nfs"]])
def test_the_manifests_are_as_the_published_schemas_say(flags, tmp_path):
    claim, runtime, train_job = compiled(tmp_path, *flags)
    check(claim, "V1PersistentVolumeClaim", "claim", models)
    assert runtime.keys() == train_job.keys() == {"apiVersion", "kind", "metadata", "spec"}
    assert {each["apiVersion"] for each in (runtime, train_job)} == {"trainer.kubeflow.org/v1alpha1"}
    assert runtime["kind"] == "TrainingRuntime" == train_job["spec"]["runtimeRef"]["kind"]
    assert runtime["spec"].keys() <= RUNTIME and runtime["spec"]["template"].keys() == {"spec"}
    job_set = runtime["spec"]["template"]["spec"]
    assert job_set.keys() <= JOB_SET and job_set["failurePolicy"].keys() <= {"maxRestarts", "restartStrategy", "rules"}
    for rule in job_set["failurePolicy"]["rules"]:
        assert {"name", "action"} <= rule.keys() <= RULE
        assert re.fullmatch("[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?", rule["name"])
    (replicated,) = job_set["replicatedJobs"]
    assert {"name", "template"} <= replicated.keys() <= REPLICATED_JOB
    check(replicated["template"], "V1JobTemplateSpec", "job", models)
    assert train_job["spec"].keys() <= TRAIN_JOB and train_job["spec"]["trainer"].keys() <= TRAINER
    assert train_job["spec"]["runtimeRef"]["name"] == runtime["metadata"]["name"]
    assert len(train_job["spec"]["trainer"]["args"]) <= 128  # the schema's limit
    assert re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", train_job["metadata"]["name"])
    with pytest.raises(NotTheSchemaError, match="V1Container has no field envs"):
        job_of(runtime)["spec"]["template"]["spec"]["containers"][0]["envs"] = []
        check(replicated["template"], "V1JobTemplateSpec", "job", models)


def test_every_worker_has_the_image_the_volume_and_its_place_in_the_cluster(tmp_path):
    claim, runtime, train_job = compiled(tmp_path, "--workspace", "5Gi", "--storage_class", "nfs")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"] and claim["spec"]["storageClassName"] == "nfs"
    assert claim["spec"]["resources"] == {"requests": {"storage": "5Gi"}}
    train_job["metadata"]["name"] = "another"  # a second training by the same runtime
    made = pods(runtime, train_job)
    clusters = [json.loads(pod.env["TF_CONFIG"]) for pod in made]
    hosts = ["another-node-0-0.another:2222", "another-node-0-1.another:2222"]
    assert [cluster["cluster"] for cluster in clusters] == [{"worker": hosts}] * 2
    assert [cluster["task"] for cluster in clusters] == [{"type": "worker", "index": index} for index in (0, 1)]
    assert hosts == [f"{pod.host}:2222" for pod in made]
    container = job_of(runtime)["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == reference("mine-and-train") and container["ports"][0]["containerPort"] == 2222
    for pod in made:
        assert pod.words[:4] == command("mine-and-train")
        assert pod.mounts == {"/workspace": claim["metadata"]["name"]}
        settings = parse(Settings, pod.words[4:], prog="mine-and-train")
        places = [settings.input, *settings.faces, settings.checkpoint, settings.training_folder]
        assert {place.parent for place in places} == {Path("/workspace")}


def test_a_recipe_and_settings_are_the_training_s(tmp_path):
    _, runtime, train_job = compiled(tmp_path, "--recipe", "faces", "--set", "rounds=3", "--gpus", "2")
    settings = settings_of(train_job)
    assert settings.backbone == "dlib_slim" and settings.hyperparameters.rounds == 3
    assert settings.teacher == Path("/workspace/teacher")
    pod = job_of(runtime)["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == reference("mine-and-train", "gpu")
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "2" and pod["tolerations"]
    text = (tmp_path / "training.yaml").read_text()
    assert "facenet run -i PHOTOS --recipe faces --set rounds=3 --to teach" in text
    assert main(["--workers", "2", "-o", str(tmp_path / "training.yaml"), "--check"]) == 1


def test_a_lost_worker_begins_all_of_them_again_and_a_wrong_setting_none(tmp_path):
    _, runtime, _ = compiled(tmp_path)
    assert follows(runtime, [0, 0], 0) == "complete"
    assert {follows(runtime, codes, 0) for codes in ([137, 1], [1], [75, 75], [0, 143])} == {"again"}
    assert follows(runtime, [2, 2], 0) == "failed"
    assert follows(runtime, [137], 10) == "failed"


# The same training, as flags of the stage and as settings of the pipeline.
TRAINED = {"rounds": 3, "backbone": "small_resnet", "image_size": 32, "embedding_size": 8}
OF_THE_STAGE = {
    "optimizer": "sgd", "momentum": 0.0, "learning_rate": 0.02, "max_batches": 3, "batch_size": 16,
    "faces_per_identity": 4, "validate_every": 1, "save_every": 1,
}  # fmt: skip


class Node:
    """Starts pods on this machine, as processes on its own addresses, with a folder for the volume."""

    def __init__(self, volume, made, environment):
        self._volume, self._pods, self._environment = volume, made, environment

    def start(self, stack):
        with ExitStack() as free:
            sockets = [free.enter_context(socket.socket()) for _ in self._pods]
            for each in sockets:
                each.bind(("127.0.0.1", 0))
            places = {pod.host: each.getsockname()[1] for pod, each in zip(self._pods, sockets, strict=True)}
        return [stack.enter_context(self._process(pod, places)) for pod in self._pods]

    def _process(self, pod, places):
        cluster = pod.env["TF_CONFIG"]
        for host, port in places.items():
            cluster = cluster.replace(f'"{host}:2222"', f'"127.0.0.1:{port}"')
        (folder,) = pod.mounts
        words = [word.replace(folder, str(self._volume)) for word in pod.words[1:]]
        return subprocess.Popen(
            [sys.executable, *words],
            env=self._environment(**pod.env | {"TF_CONFIG": cluster}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def weights(folder):
    return (folder / "checkpoint" / "model.weights.h5").read_bytes()


@pytest.mark.long
def test_two_workers_end_with_the_bytes_of_two_processes_also_when_one_was_lost(faces, dataset, tmp_path):
    from tests.unit.mine_and_train.test_devices import environment, finished, two_workers

    wanted, volume = tmp_path / "processes", tmp_path / "volume"
    way = [f"--{name}={value}" for name, value in (TRAINED | OF_THE_STAGE).items()]
    wanted.mkdir()
    for process in two_workers(dataset, wanted, way):
        finished(process)
    settings = TRAINED | {f"mine-and-train.{name}": value for name, value in OF_THE_STAGE.items()}
    flags = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    _, runtime, train_job = compiled(tmp_path, *flags)
    volume.mkdir()
    (volume / "dataset").symlink_to(dataset)
    (volume / "faces").symlink_to(faces)
    node = Node(volume, pods(runtime, train_job), environment)
    with ExitStack() as stack:
        first, second = node.start(stack)
        until = time.monotonic() + 600
        while not (volume / "training" / "history.parquet").exists():
            assert time.monotonic() < until and first.poll() is None, first.communicate()[0]
            time.sleep(0.05)
        second.send_signal(signal.SIGKILL)
        assert follows(runtime, [second.wait()], 0) == "again"
        # The Job deletes its other pods: they are told to end, and do not wait for the one that is gone for ever.
        first.terminate()
        try:
            first.wait(30)
        except subprocess.TimeoutExpired:
            first.kill()
    assert not (volume / "checkpoint").exists()
    with ExitStack() as stack:
        ends = [finished(process) for process in node.start(stack)]
    assert all("Going on after round" in end for end in ends)
    assert weights(volume) == weights(wanted)
