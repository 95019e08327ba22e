"""The compiled pipeline as a cluster gets it: a person's settings of tasks written in, and named by its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipelines.cluster import keys
from pipelines.cluster.retries import for_server
from pipelines.compiled.readable import dags
from pipelines.plan.values import Value

_DIGITS = 12


@dataclass(frozen=True)
class Package:
    """A pipeline to upload.

    Args:
        pipeline: its name.
        version: a hash of the text: one name for one content, so that it need not be uploaded twice.
        about: the pipeline's description, which a cluster does not take from the text.
        text: YAML, the pipeline and, where there is one, the document with its settings for Kubernetes.
    """

    pipeline: str
    version: str
    about: str
    text: str


def package(
    file: Path,
    settings: Mapping[str, Value],
    imports: Mapping[str, str],
    cached: bool,
    server: tuple[int, int] | None,
    known: Mapping[str, Value] | None = None,
) -> Package:
    """Makes the package of a compiled pipeline.

    A cluster takes values for the parameters of the pipeline, not for those of its tasks: they become constants.

    Args:
        file: the compiled pipeline.
        settings: values by `task.parameter`.
        imports: the URIs of models, by the `task.parameter` that names each.
        cached: whether tasks may be answered from the cluster's cache, where the pipeline lets them.
        server: the version of what will run it; None when it is not known.
        known: where the content of the photos is known: the values of the pipeline's parameters. They are written into
            the file then, which has no parameters any more, and a server that can answers the training from its cache.
    """
    documents = list(
        yaml.load_all(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    )
    spec = documents[0]
    for setting, value in settings.items():
        name, _, key = setting.rpartition(".")
        for task in (task for other, task in _tasks(spec) if other == name):
            parameters = task.setdefault("inputs", {}).setdefault("parameters", {})
            parameters[key] = {"runtimeValue": {"constant": value}}
    for parameter, uri in imports.items():
        name, _, key = parameter.rpartition(".")
        _import(spec, name, key, uri)
    for _, task in _tasks(spec):
        if not cached:
            task["cachingOptions"] = {"enableCache": False}
        if _runs_a_container(spec, task):
            retries = for_server(server, task.pop("retryPolicy", None))
            if retries is not None:
                task["retryPolicy"] = retries
    if known is not None:
        write_values(spec, known)
        if cached and server is not None and server >= keys.SINCE:
            keys.add_key(spec)
    text: str = yaml.dump_all(
        documents, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), allow_unicode=True, width=120
    )
    info = spec["pipelineInfo"]
    version = hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
    return Package(info["name"], version, info.get("description", ""), text)


def write_values(spec: dict[str, Any], values: Mapping[str, Value]) -> None:
    """Makes constants of the pipeline's parameters, so that nobody can start the file with other values."""
    for task in spec["root"]["dag"]["tasks"].values():
        for source in task.get("inputs", {}).get("parameters", {}).values():
            if "componentInputParameter" in source:
                source["runtimeValue"] = {"constant": values[source.pop("componentInputParameter")]}
    spec["root"].get("inputDefinitions", {}).pop("parameters", None)


def _import(spec: dict[str, Any], name: str, parameter: str, uri: str) -> None:
    """Has a model fetched for a task, which then gets its path where it got the value of a parameter.

    A launcher fetches what is an artifact, and nothing that a parameter names. The importer is as kfp writes one of a
    constant: Kubeflow's takes no constant from a task's inputs.
    """
    new, artifact = f"{name}-{parameter}", f"{parameter}_model"  # the parameter's own name is taken
    model = {"schemaTitle": "system.Model", "schemaVersion": "0.0.1"}
    dag = next(dag for dag in dags(spec) if name in dag["tasks"])
    task = dag["tasks"][name]
    component = spec["components"][task["componentRef"]["name"]]
    executors = spec["deploymentSpec"]["executors"]
    executors[f"exec-{new}"] = {"importer": {"artifactUri": {"constant": uri}, "typeSchema": {**model}}}
    spec["components"][f"comp-{new}"] = {
        "executorLabel": f"exec-{new}",
        "inputDefinitions": {"parameters": {"uri": {"parameterType": "STRING"}}},
        "outputDefinitions": {"artifacts": {"artifact": {"artifactType": {**model}}}},
    }
    dag["tasks"][new] = {
        "cachingOptions": {"enableCache": True},
        "componentRef": {"name": f"comp-{new}"},
        "inputs": {"parameters": {"uri": {"runtimeValue": {"constant": uri}}}},
        "taskInfo": {"name": new},  # of an importer the key and this have to be one: see pipelines/compiled/readable.py
    }
    component["inputDefinitions"].setdefault("artifacts", {})[artifact] = {"artifactType": model}
    task["inputs"].setdefault("artifacts", {})[artifact] = {
        "taskOutputArtifact": {"outputArtifactKey": "artifact", "producerTask": new}
    }
    task["dependentTasks"] = sorted([*task.get("dependentTasks", ()), new])
    container = executors[component["executorLabel"]]["container"]
    path = f"{{{{$.inputs.artifacts['{artifact}'].path}}}}"
    container["args"] = [
        path if word == f"{{{{$.inputs.parameters['{parameter}']}}}}" else word for word in container["args"]
    ]


def _runs_a_container(spec: Mapping[str, Any], task: Mapping[str, Any]) -> bool:
    label = spec["components"][task["componentRef"]["name"]].get("executorLabel")
    return "container" in spec["deploymentSpec"]["executors"].get(label, {})


def _tasks(spec: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every task by its name, those inside loops too."""
    for dag in dags(spec):
        yield from dag["tasks"].items()
