"""What a run needs on a cluster: the pipeline in the right version, and an experiment to belong to."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from components.common.errors import UsageError
from components.common.suggest import suggestion
from pipelines.cluster.access import Cluster
from pipelines.cluster.package import Package

_MOST_NAMES = 100


def version_on(cluster: Cluster, package: Package) -> tuple[dict[str, str], bool]:
    """Finds the version of a pipeline that has this content, or uploads it.

    Returns:
        The reference to it, as the API wants it, and whether it had to be uploaded.
    """
    pipeline = _pipeline(cluster, package)
    versions = cluster.ask(
        cluster.pipelines.pipeline_service_list_pipeline_versions,
        pipeline_id=pipeline,
        filter=_by_name(package.version),
    ).pipeline_versions
    version = versions[0] if versions else _upload(cluster, package, pipeline)
    return {"pipeline_id": pipeline, "pipeline_version_id": version.pipeline_version_id}, not versions


def experiment_on(cluster: Cluster, name: str, create: bool) -> tuple[str, bool]:
    """Finds an experiment.

    Args:
        cluster: where.
        name: of the experiment.
        create: whether it is created where there is none.

    Returns:
        Its ID, and whether it had to be created.

    Raises:
        UsageError: there is none, and it is not to be created.
    """
    list_all, namespace = cluster.experiments.experiment_service_list_experiments, cluster.namespace
    experiments = cluster.ask(list_all, filter=_by_name(name), **_without_none(namespace=namespace)).experiments
    if experiments:
        return experiments[0].experiment_id, False
    if create:
        body = _without_none(display_name=name, namespace=namespace)
        made = cluster.ask(cluster.experiments.experiment_service_create_experiment, experiment=body)
        return made.experiment_id, True
    others = cluster.ask(list_all, page_size=_MOST_NAMES, **_without_none(namespace=namespace)).experiments or ()
    near = suggestion(name, [other.display_name for other in others]) if others else "It has none so far."
    raise UsageError(
        "The cluster has no such experiment.",
        received=name,
        advice=f"{near} To make a new one add --create-experiment.",
    )


def _pipeline(cluster: Cluster, package: Package) -> str:
    """The ID of the pipeline, which is made when there is none."""
    service, namespace = cluster.pipelines, cluster.namespace
    pipelines = cluster.ask(
        service.pipeline_service_list_pipelines, filter=_by_name(package.pipeline), **_without_none(namespace=namespace)
    ).pipelines
    if pipelines:
        return pipelines[0].pipeline_id
    body = _without_none(display_name=package.pipeline, description=package.about, namespace=namespace)
    return cluster.ask(service.pipeline_service_create_pipeline, pipeline=body).pipeline_id


def _upload(cluster: Cluster, package: Package, pipeline: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pipeline.yaml"
        file.write_text(package.text, encoding="utf-8")
        return cluster.ask(
            cluster.pipeline_uploads.upload_pipeline_version,
            uploadfile=str(file),
            name=package.version,
            pipelineid=pipeline,
        )


def _by_name(name: str) -> str:
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]})


def _without_none(**arguments: str | None) -> dict[str, str]:
    return {name: value for name, value in arguments.items() if value is not None}
