"""A training by several workers, for Kubeflow's Trainer 2: `facenet compile --workers`.

Trainer has runtimes for PyTorch, JAX, XGBoost and MPI, and none for TensorFlow, whose workers read TF_CONFIG. Of a
runtime without a framework it makes a JobSet as it is written, and of a JobSet the names of all pods are known before
there is one. So TF_CONFIG is text, but for what a pod reads of itself. Read in kubeflow/trainer v2.3.0
(pkg/runtime/framework/plugins/plainml and jobset) and kubernetes-sigs/jobset v0.12.0 (api/jobset/v1alpha2,
pkg/controllers).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.specification.images import command, reference
from pipelines.plan.tasks import Container, Pipeline, parameter_values
from pipelines.plan.values import Value, as_text

if TYPE_CHECKING:
    from pipelines.facenet import ClusterSettings

# Of the volume, of what a worker is, and of the training.
NAME = "facenet-training"
# The folder of the volume: `dataset` and `faces` are read in it, `checkpoint` and `training` written.
PLACE = "/workspace"
PORT = 2222
_STAGE, _TEACHER = "mine-and-train", "teacher"
# The exit code of wrong use: another attempt would end with it too.
_WRONG_USE = 2
# How often all workers begin again, from the saved state, after one was lost.
_RESTARTS = 10
_GPU = "nvidia.com/gpu"
_USER = 65532  # the image's
HEADER = """\
# A training by {workers} workers, written by `facenet compile --workers`: a volume, what a worker is, and the training.
# The training waits for the dataset, which this makes on any machine:
#     kubectl apply -f {file}
#     facenet run -i PHOTOS {settings}--to {last}
# Of runs/latest, {folders}
# are copied to the volume {name}. Then it begins:
#     kubectl patch trainjob {name} --type merge -p '{{"spec": {{"suspend": false}}}}'
"""


def header(file: Path, workers: int, settings: str, *, taught: bool) -> str:
    """What to do with the manifests: comments to stand before them.

    Args:
        file: where they are written.
        workers: how many there are.
        settings: the flags --recipe and --set, with a space after them.
        taught: whether the training has a teacher.
    """
    folders = "collect/dataset and collect/faces" + (", and teach/embeddings as `teacher`," if taught else "")
    last = "teach" if taught else "collect"
    return HEADER.format(file=file, workers=workers, settings=settings, last=last, folders=folders, name=NAME)


def manifests(pipeline: Pipeline, workers: int, cluster: ClusterSettings) -> list[dict[str, Any]]:
    """The volume, the TrainingRuntime and the TrainJob.

    Args:
        pipeline: with the values that the training is to have.
        workers: how many there are, two or more.
        cluster: GPUs of each worker, the Secret of its image, and the volume's size and kind.
    """
    claim: dict[str, Any] = {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": cluster.workspace}},
    }
    if cluster.storage_class:
        claim["storageClassName"] = cluster.storage_class
    job = {
        # Whoever is left waits for the one that is lost: all end with the first, and JobSet begins them all again.
        "backoffLimit": 0,
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailJob",
                    "onExitCodes": {"containerName": "node", "operator": "In", "values": [_WRONG_USE]},
                }
            ]
        },
        "template": {
            # A proxy beside a worker would neither end with it nor know what its port speaks.
            "metadata": {"labels": {"sidecar.istio.io/inject": "false"}},
            "spec": _pod(pipeline, workers, cluster),
        },
    }
    wrong_use = {"name": "wrongUse", "action": "FailJobSet", "onJobFailureReasons": ["PodFailurePolicy"]}
    job_set = {
        "failurePolicy": {"maxRestarts": _RESTARTS, "rules": [wrong_use]},
        "replicatedJobs": [
            {
                "name": "node",
                "template": {
                    "metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}},
                    "spec": job,
                },
            }
        ],
    }
    return [
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": NAME}, "spec": claim},
        {
            "apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "TrainingRuntime",
            "metadata": {"name": NAME},
            "spec": {"mlPolicy": {"numNodes": workers}, "template": {"spec": job_set}},
        },
        {
            "apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "TrainJob",
            "metadata": {"name": NAME},
            "spec": {
                "runtimeRef": {"kind": "TrainingRuntime", "name": NAME},
                "suspend": True,
                "trainer": {"args": flags(pipeline)},
            },
        },
    ]


def taught(pipeline: Pipeline) -> bool:
    """Whether the training has a teacher, whose embeddings it reads."""
    return bool(pipeline.values().get(_TEACHER))


def flags(pipeline: Pipeline) -> list[str]:
    """The flags of mine-and-train: where everything lies on the volume, and what is not the stage's own default."""
    places = {"input": "dataset", "faces": "faces", "checkpoint": "checkpoint", "training": "training"}
    if taught(pipeline):
        places["teacher"] = "teacher"
    task = pipeline.task(_STAGE)
    given = parameter_values(task, pipeline.values(), None)
    others = {
        name: value for name, value in given.items() if name not in places and value != task.parameters[name].default
    }
    return [*_words({name: f"{PLACE}/{folder}" for name, folder in places.items()}), *_words(others)]


def _words(values: dict[str, Value]) -> list[str]:
    return [word for name, value in values.items() for word in (f"--{name}", as_text(value))]


def tf_config(workers: int) -> list[dict[str, Any]]:
    """The variables of a worker's environment: TF_CONFIG, and before it what Kubernetes puts into it."""
    hosts = [f"$(JOBSET)-node-0-{worker}.$(JOBSET):{PORT}" for worker in range(workers)]
    cluster = json.dumps({"worker": hosts})
    task = '{"type": "worker", "index": $(WORKER)}'
    return [
        _of_the_pod("JOBSET", "metadata.labels['jobset.sigs.k8s.io/jobset-name']"),
        _of_the_pod("WORKER", "metadata.annotations['batch.kubernetes.io/job-completion-index']"),
        {"name": "TF_CONFIG", "value": f'{{"cluster": {cluster}, "task": {task}}}'},
    ]


def _of_the_pod(name: str, field: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": field}}}


def _pod(pipeline: Pipeline, workers: int, cluster: ClusterSettings) -> dict[str, Any]:
    executor = pipeline.task(_STAGE).executor
    assert isinstance(executor, Container) and executor.cpus and executor.memory
    limits = {"cpu": f"{executor.cpus:g}", "memory": f"{executor.memory / 10**9:g}G"}
    requests = {"cpu": f"{executor.cpus / 2:g}", "memory": f"{executor.memory / (2 * 10**9):g}G"}
    if cluster.gpus:
        limits[_GPU] = str(cluster.gpus)
    memory = {"medium": "Memory", "sizeLimit": f"{executor.shared_memory // 2**30}Gi"}
    volumes: dict[str, dict[str, Any]] = {
        PLACE: {"persistentVolumeClaim": {"claimName": NAME}},
        "/dev/shm": {"emptyDir": memory},  # noqa: S108 - a container's own
        "/tmp": {"emptyDir": {}},  # noqa: S108
    }
    names = {place: place.strip("/").replace("/", "-") for place in volumes}
    container = {
        "name": "node",
        "image": reference(_STAGE, "gpu" if cluster.gpus else ""),
        "command": command(_STAGE),
        "env": tf_config(workers),
        "ports": [{"containerPort": PORT, "protocol": "TCP"}],
        "resources": {"limits": limits, "requests": requests},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": name, "mountPath": place} for place, name in names.items()],
    }
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "fsGroup": _USER},
        "containers": [container],
        "volumes": [{"name": names[place], **volume} for place, volume in volumes.items()],
    }
    if cluster.gpus:
        pod["tolerations"] = [{"key": _GPU, "operator": "Exists", "effect": "NoSchedule"}]
    if cluster.image_pull_secret:
        pod["imagePullSecrets"] = [{"name": cluster.image_pull_secret}]
    return pod
