"""Follows a run on a cluster to its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from components.common.errors import FacenetError
from pipelines.cluster.access import Cluster
from pipelines.cluster.failures import UnansweredError
from pipelines.records.summary import duration

# Seconds between two looks, and how long a cluster may be away: a restart of its API server, a laptop that slept.
INTERVAL = 5.0
PATIENCE = 600.0
SUCCEEDED = "SUCCEEDED"
_ENDS = (SUCCEEDED, "FAILED", "CANCELED", "SKIPPED")


def follow(cluster: Cluster, run: str, labels: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Prints what changes in a run until it has ended.

    Args:
        cluster: where it runs.
        run: its ID.
        labels: the names for people of the tasks, by their names in the pipeline: Kubeflow lists its own steps too.
        say: takes a line.

    Raises:
        FacenetError: the run did not succeed, or the cluster has been away for too long.
    """
    states: dict[str, str] = {}
    while True:
        seen = _patiently(cluster, run, say)
        for line in _changes(seen, labels, states):
            say(line)
        if seen.state in _ENDS:
            break
        time.sleep(INTERVAL)
    took = f" after {duration((seen.finished_at - seen.created_at).total_seconds())}" if seen.finished_at else ""
    if seen.state != SUCCEEDED:
        raise _unsuccessful(seen, labels, took, cluster.page(f"runs/details/{run}"))
    say(f"The run succeeded{took}.")


def _patiently(cluster: Cluster, run: str, say: Callable[[str], None]) -> Any:
    """The run as it is now; while the cluster is away, asks again."""
    away_since = None
    while True:
        try:
            return cluster.ask(cluster.runs.run_service_get_run, run_id=run)
        except UnansweredError as error:
            now = time.monotonic()
            if away_since is None:
                away_since = now
                say(f"{error.headline} The run goes on; asking again for {duration(PATIENCE)}.")
            if now - away_since > PATIENCE:
                error.advice = f"The run goes on without being watched: {cluster.page(f'runs/details/{run}')}"
                raise
            time.sleep(INTERVAL)


def _tasks(seen: Any, labels: Mapping[str, str]) -> list[tuple[str, Any]]:
    """The run's tasks, each under its label; the turns of a loop are numbered."""
    details = (seen.run_details.task_details if seen.run_details else None) or ()
    counts: dict[str, int] = {}
    tasks = []
    for detail in sorted(details, key=lambda one: str(one.create_time)):
        if detail.display_name in labels:
            label = labels[detail.display_name]
            counts[label] = counts.get(label, 0) + 1
            tasks.append((label if counts[label] == 1 else f"{label} ({counts[label]})", detail))
    return tasks


def _changes(seen: Any, labels: Mapping[str, str], states: dict[str, str]) -> list[str]:
    """Lines for what is in another state than it was, which is noted."""
    now = time.strftime("%H:%M:%S")
    lines = []
    for label, detail in _tasks(seen, labels):
        if detail.state and states.get(detail.task_id) != detail.state:
            states[detail.task_id] = detail.state
            lines.append(f"{now}  {label:<16}  {detail.state.lower()}")
    return lines


def _unsuccessful(seen: Any, labels: Mapping[str, str], took: str, page: str) -> FacenetError:
    ended = {"FAILED": "failed", "CANCELED": "was cancelled", "SKIPPED": "was skipped"}[seen.state]
    lines = [f"The run {ended}{took}."]
    for label, detail in _tasks(seen, labels):
        if detail.state == "FAILED":
            lines.append(f"  {label} failed: {detail.error.message if detail.error else 'no reason given'}")
    reason = seen.error.message if seen.error else None
    return FacenetError("\n".join(lines), received=reason, advice=f"Its logs are on its page: {page}")
