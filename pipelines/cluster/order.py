"""What is to be started on a cluster: a run now, or one again and again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from components.common.errors import FacenetError
from pipelines.cluster.package import Package
from pipelines.plan.values import Value

if TYPE_CHECKING:
    from pipelines.cluster.access import Cluster


@dataclass(frozen=True)
class Order:
    """A run, or a recurring run.

    Args:
        package: the pipeline.
        name: of the run.
        about: its description.
        parameters: the values of the pipeline's parameters.
        cron: when it is to be started; None for once and now.
    """

    package: Package
    name: str
    about: str
    parameters: Mapping[str, Value]
    cron: str | None

    def body(self, version: Mapping[str, str], experiment: str | None) -> dict[str, Any]:
        """The order as the API takes it.

        Args:
            version: the IDs of the pipeline and its version.
            experiment: its ID, or None for the default one.
        """
        body: dict[str, Any] = {
            "display_name": self.name,
            "description": self.about,
            "pipeline_version_reference": dict(version),
            "runtime_config": {"parameters": dict(self.parameters)},
        }
        if experiment:
            body["experiment_id"] = experiment
        if self.cron:
            body["trigger"] = {"cron_schedule": {"cron": self.cron}}
            body["mode"] = "ENABLE"
            # Two trainings at once would only slow each other down, and one that was missed is not wanted twice.
            body["max_concurrency"] = "1"
            body["no_catchup"] = True
        return body

    def as_text(self, experiment: str | None, create: bool) -> str:
        """What would be sent, as YAML with comments: the order, then the file to upload.

        Args:
            experiment: its name, or None for the default one.
            create: whether it would be created.
        """
        pipeline, version = self.package.pipeline, self.package.version
        reference = {
            "pipeline_id": f"ID of {pipeline}",
            "pipeline_version_id": f"ID of version {version} of {pipeline}",
        }
        body = self.body(reference, f"ID of {experiment}" if experiment else None)
        lines = [f"# Nothing is sent. The {'recurring ' if self.cron else ''}run would be:"]
        if create:
            lines.append(f"# (in the experiment {experiment}, which would be created unless the cluster has it)")
        lines.append(yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=120).rstrip())
        lines += ["---", f"# The file to upload as version {version} of {pipeline}, unless the cluster has it:"]
        return "\n".join([*lines, self.package.text])


def start(cluster: Cluster, order: Order, version: Mapping[str, str], experiment: str | None) -> tuple[str, str]:
    """Starts it.

    Returns:
        Its ID and the address of its page.

    Raises:
        FacenetError: the cluster refused, or whether it has started is not known.
    """
    from pipelines.cluster.failures import UnansweredError

    body = order.body(version, experiment)
    try:
        if order.cron:
            create = cluster.recurring_runs.recurring_run_service_create_recurring_run
            made: str = cluster.ask(create, recurring_run=body).recurring_run_id
            return made, cluster.page(f"recurringrun/details/{made}")
        made = cluster.ask(cluster.runs.run_service_create_run, run=body).run_id
        return made, cluster.page(f"runs/details/{made}")
    except UnansweredError as error:
        runs = cluster.page("recurringruns" if order.cron else "runs")
        raise FacenetError(
            f"{error.headline} Whether the run has started is not known.",
            received=error.received,
            advice=f"Before you start it again, look for {order.name} at {runs}.",
        ) from None
