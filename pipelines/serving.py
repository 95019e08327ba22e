"""The manifest of a KServe predictor: the image of `serve`, and a model that KServe fetches for it.

Written by what KServe's source of August 2026 does with a custom predictor, in `pkg/apis/serving/v1beta1` (the name of
the container, STORAGE_URI, PROTOCOL: `predictor_custom.go`) and in `pkg/constants` (where the model then lies).
"""

from __future__ import annotations

from typing import Any

from components.common.errors import UsageError
from components.specification.images import command, reference

# Of the InferenceService, and of the model that it serves.
NAME = "facenet"
# On the cluster, with the key `token`: what requests carry.
SECRET = "facenet-serve"  # noqa: S105 - its name
# Where KServe puts what STORAGE_URI names, and the port that it asks.
_MODELS, _PORT = "/mnt/models", 8080
_FILE = "facenet.tflite"
# Of those that KServe knows, the ones that give a folder as it is.
_SCHEMES = ("gs://", "s3://", "pvc://", "hf://", "hdfs://", "webhdfs://")
HEADER = f"""# A KServe predictor, written by `facenet compile --serving`. It needs a Secret with its token:
# kubectl create secret generic {SECRET} --from-literal=token=$(openssl rand -hex 24)
"""


def manifest(model: str, image_pull_secret: str = "") -> dict[str, Any]:
    """The InferenceService.

    Args:
        model: the address of a folder with a `facenet.tflite`, which KServe fetches.
        image_pull_secret: the name of the Secret with which the image is pulled; "" for none.

    Raises:
        UsageError: the model is no such address.
    """
    if not model.startswith(_SCHEMES):
        raise UsageError(
            f"A predictor needs the address of a folder with a {_FILE}, which KServe can fetch.",
            received=f"--serving {model}",
            advice=f"It begins with one of {', '.join(_SCHEMES)}.",
        )
    # No gallery: a predictor embeds, and its replicas would each have their own.
    flags = ["-c", f"{_MODELS}/{_FILE}", "--host", "0.0.0.0", "--port", str(_PORT), "--rate", "0"]  # noqa: S104
    container = {
        "name": "kserve-container",
        "image": reference("serve"),
        "command": [*command("serve"), *flags],
        "ports": [{"containerPort": _PORT, "protocol": "TCP"}],
        "env": [
            {"name": "STORAGE_URI", "value": model},
            {"name": "PROTOCOL", "value": "v2"},
            {"name": "FACENET_TOKEN", "valueFrom": {"secretKeyRef": {"name": SECRET, "key": "token"}}},
        ],
        "readinessProbe": _probe("ready"),
        "livenessProbe": _probe("live"),
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "2Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
        },
    }
    predictor: dict[str, Any] = {"containers": [container]}
    if image_pull_secret:
        predictor["imagePullSecrets"] = [{"name": image_pull_secret}]
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": NAME},
        "spec": {"predictor": predictor},
    }


def _probe(health: str) -> dict[str, Any]:
    return {"httpGet": {"path": f"/v2/health/{health}", "port": _PORT}, "periodSeconds": 10}
