"""The compiled pipeline as a cluster gets it: a person's settings of tasks written in, and named by its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipelines.local.values import Value

_DIGITS = 12


@dataclass(frozen=True)
class Package:
    """A pipeline to upload.

    Args:
        pipeline: its name.
        version: a hash of the text: one name for one content, so that it need not be uploaded twice.
        text: YAML, the pipeline and, where there is one, the document with its settings for Kubernetes.
    """

    pipeline: str
    version: str
    text: str


def package(file: Path, settings: Mapping[str, Value], cached: bool) -> Package:
    """Makes the package of a compiled pipeline.

    A cluster takes values for the parameters of the pipeline, not for those of its tasks: they become constants.

    Args:
        file: the compiled pipeline.
        settings: values by `task.parameter`.
        cached: whether tasks may be answered from the cluster's cache, where the pipeline lets them.
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
    if not cached:
        for _, task in _tasks(spec):
            task["cachingOptions"] = {"enableCache": False}
    text: str = yaml.dump_all(
        documents, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), allow_unicode=True, width=120
    )
    return Package(spec["pipelineInfo"]["name"], hashlib.sha256(text.encode()).hexdigest()[:_DIGITS], text)


def _tasks(spec: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every task by its name, those inside loops too."""
    for component in (spec["root"], *spec["components"].values()):
        yield from component.get("dag", {}).get("tasks", {}).items()
