"""The compiled pipeline as Kubeflow's pages draw it well: plain names, and no line that others imply."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

_PREFIX = "pipelinechannel--"


def readable(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A pipeline that does the same and is easier to look at.

    The pages label an artifact with the name that it has in the file, and kfp calls what goes into a loop and out of it
    `pipelinechannel--TASK-OUTPUT`. They draw a line for each of `dependentTasks`, though a task also waits for whom its
    predecessors wait for; those lines made the graph half as wide again as its boxes.

    Args:
        spec: Kubeflow's intermediate representation, as kfp compiles it.
    """
    made = {
        f"{_PREFIX}{name}-{output}": output
        for dag in dags(spec)
        for name, task in dag["tasks"].items()
        for output in _component(spec, task).get("outputDefinitions", {}).get("artifacts", ())
    }
    renamed: dict[str, Any] = _renamed(spec, lambda word: made.get(word, word.removeprefix(_PREFIX)))
    for dag in dags(renamed):
        dag["tasks"] = _named_as_shown(renamed, dag["tasks"])
        for task in dag["tasks"].values():
            waits = task.get("dependentTasks", [])
            needless = {one for other in waits for one in _before(other, dag["tasks"])}
            if waits:
                task["dependentTasks"] = [one for one in waits if one not in needless]
    return renamed


def dags(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The pipeline's tasks, and those of each loop and pipeline inside it."""
    yield from (component["dag"] for component in (spec["root"], *spec["components"].values()) if "dag" in component)


def _component(spec: Mapping[str, Any], task: Mapping[str, Any]) -> Mapping[str, Any]:
    component: Mapping[str, Any] = spec["components"][task["componentRef"]["name"]]
    return component


def _renamed(node: Any, name: Callable[[str], str]) -> Any:
    """The same structure with other names, in keys and in values."""
    if isinstance(node, Mapping):
        return {name(key): _renamed(value, name) for key, value in node.items()}
    if isinstance(node, list):
        return [_renamed(value, name) for value in node]
    return name(node) if isinstance(node, str) else node


def _named_as_shown(spec: Mapping[str, Any], tasks: Mapping[str, Any]) -> dict[str, Any]:
    """The tasks with importers under the name that they are shown by.

    Kubeflow records an importer under that name and looks it up under its key: unless both are one, whoever reads the
    artifact fails with "cannot find producer task" (TaskName in backend/src/v2/component/importer_launcher.go of
    kubeflow/pipelines 2.17; other tasks are recorded under their keys).
    """
    executors = spec["deploymentSpec"]["executors"]
    names = {
        key: task["taskInfo"]["name"]
        for key, task in tasks.items()
        if "importer" in executors.get(_component(spec, task).get("executorLabel"), {})
    }
    renamed: dict[str, Any] = _renamed(tasks, lambda word: names.get(word, word))
    return renamed


def _before(name: str, tasks: Mapping[str, Any]) -> set[str]:
    """The tasks that are done when a task begins."""
    waits = tasks[name].get("dependentTasks", [])
    return {*waits, *(one for other in waits for one in _before(other, tasks))}
