"""Which ends of a task are worth another attempt, for a server that can be told.

Argo ends a task as failed when its program failed or its node needed the memory, and as an error when its pod was
deleted. Before 2.18 a file cannot say which of them counts: with the manifests of 2.15 and 2.16 the failed do, with
those of 2.17 the errors. Since 2.18 it can: `PipelineTaskSpec.RetryPolicy.policy` (kubeflow/pipelines, pull request
13386).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.common.errors import FacenetError

SINCE = (2, 18)
LOST = "POLICY_ON_ERROR"
FAILED_OR_LOST = "POLICY_ALWAYS"
# The longest time counts from the start of the first attempt.
_OF_LOST_PODS = {
    "maxRetryCount": 3,
    "backoffDuration": "30s",
    "backoffFactor": 2.0,
    "backoffMaxDuration": "604800s",
}


def for_server(version: tuple[int, int] | None, compiled: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What a task's retryPolicy is to be on a server.

    A task that has retries in the compiled file goes on from what it left. For that one a failure counts too: a pod
    that is told to go ends its program with an error, before it is gone. Any other would only fail again.

    Args:
        version: the server's, as (2, 17); None when it is not known.
        compiled: the task's retryPolicy in the compiled file; None when it has none.

    Returns:
        As in the compiled file where the server cannot be told more; None for no retries.
    """
    if version is None or version < SINCE:
        return None if compiled is None else dict(compiled)
    if compiled is None:
        return {**_OF_LOST_PODS, "policy": LOST}
    return {**compiled, "policy": FAILED_OR_LOST}


# What API servers answer to a file with a field that they do not know: 2.17.0, 2.16.1. None names the field.
_OF_AN_UNKNOWN_FIELD = ("unknown template format", "Failed to create a pipeline version")


def unknown(error: FacenetError) -> bool:
    """Whether a server may have refused a file because it does not know such policies."""
    return any(words in str(error.received) for words in _OF_AN_UNKNOWN_FIELD)
