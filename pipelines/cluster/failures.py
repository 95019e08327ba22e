"""Errors of a cluster, and of the way to it, in words that people can act on."""

from __future__ import annotations

import json
import re

from kfp_server_api import ApiException
from urllib3 import exceptions

from components.common.errors import FacenetError, UsageError

_LONGEST = 500
# In answers with 500: the API server calls its own checks of what was sent internal errors, and leaves to Kubernetes'
# admission to say what else is wrong (kubeflow/pipelines, backend/src/apiserver/{template,resource}, 2.15 to 2.17).
_OF_WHAT_WAS_SENT = (
    "Failed to compile job",
    "Failed to validate workflow",
    "Invalid input error",
    "InvalidInputError",
    "denied the request",
    "Failed to create a pipeline version",  # all that 2.15 and 2.16 say of a file; the reason is in their log
)
_OF_THE_WORKSPACE = "workspace PVC spec"
# Go shows where an error was wrapped: a function, and on the next line, indented, a file.
_FRAMES = re.compile(r"\n[^\n]+\n\t[^\n]+:\d+")


class UnansweredError(FacenetError):
    """The cluster did not answer, or is in trouble: the same question may be answered later."""


def message_of(error: ApiException) -> str:
    """The message in a refusal, without the JSON around it and Go's stack frames."""
    try:
        body = json.loads(error.body)
        # `error_message` is what an upload is answered with, which goes another way than all else.
        messages = (body.get(key) for key in ("message", "error", "error_message"))
        message = str(next(filter(None, messages), error.reason))
        return ": ".join(_FRAMES.sub("", message).split("\n"))
    except (ValueError, TypeError, AttributeError):  # no JSON, or not an object
        return str(error.reason)


def refusal(status: int, message: str, host: str, sent: str) -> FacenetError:
    """The error for an answer that says no.

    Args:
        status: of HTTP.
        message: what the cluster says.
        host: who was asked.
        sent: the credentials that were sent, in words.
    """
    received = f"{host}: {status} {message[:_LONGEST]}"
    if status == 401:
        return UsageError(
            "The cluster does not accept these credentials.",
            received=f"{received} (sent: {sent})",
            advice="Is the token for this cluster, and not expired? Put one into the variable KFP_EXISTING_TOKEN, or "
            "name a file that holds it in KF_PIPELINES_SA_TOKEN_PATH.",
        )
    if status == 403:
        return UsageError(
            "The cluster does not allow this with these credentials.",
            received=f"{received} (sent: {sent})",
            advice="Is the namespace in KFP_NAMESPACE yours? Otherwise ask whoever runs the cluster for this right.",
        )
    if _OF_THE_WORKSPACE in message:
        return UsageError(
            "This cluster wants its file to say more about the workspace's volume.",
            received=received,
            advice="Compile it with a class that `kubectl get storageclass` lists: facenet compile -o cluster.yaml "
            '--storage-class NAME, or without a volume: --workspace "". Then add --pipeline cluster.yaml.',
        )
    if status >= 500 and not any(sign in message for sign in _OF_WHAT_WAS_SENT):
        return UnansweredError("The cluster is in trouble.", received=received, advice="Try again in a while.")
    return FacenetError(
        "The cluster refused what was asked.",
        received=received,
        advice="What it says is above; ask who runs the cluster if that does not help.",
    )


def silence(error: exceptions.HTTPError, host: str) -> FacenetError:
    """The error for no answer.

    Args:
        error: what urllib3 met in the last attempt.
        host: who was asked.
    """
    cause = getattr(error, "reason", None) or error
    if isinstance(cause, exceptions.SSLError):
        return UsageError(
            "No trusted connection to the cluster can be made.",
            received=f"{host} ({cause})",
            advice="Is it https at all, and is the host's name the one in its certificate? For an authority of your "
            "own, name the certificate's file in SSL_CERT_FILE.",
        )
    if isinstance(cause, exceptions.NewConnectionError | exceptions.ConnectTimeoutError):
        return UnansweredError(
            "The cluster cannot be reached.",
            received=f"{host} ({cause})",
            advice="Is the address right, and the network? Through kubectl: "
            "kubectl port-forward -n kubeflow svc/ml-pipeline-ui 8080:80, and --host http://localhost:8080.",
        )
    if isinstance(cause, exceptions.TimeoutError):
        return UnansweredError("The cluster does not answer in time.", received=host, advice="Try again in a while.")
    detail = cause.args[-1] if isinstance(cause, exceptions.ProtocolError) else cause
    return UnansweredError(
        "The connection to the cluster broke off.", received=f"{host} ({detail})", advice="Try again."
    )


def not_kubeflow(host: str) -> UsageError:
    """The error for a host that answers, but not as Kubeflow Pipelines 2 does."""
    return UsageError(
        "This host does not answer as Kubeflow Pipelines 2 does.",
        received=host,
        advice="Is it the address of Kubeflow Pipelines (on a Kubeflow dashboard it ends with /pipeline), and its "
        "version 2.0 or newer? A login page answers like this too: then credentials are missing.",
    )
