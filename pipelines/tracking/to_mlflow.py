"""Logs a finished run to MLflow: parameters, numbers, report, and the exported network with its signature.

Only MLflow's client is used, without its global state: https://mlflow.org/docs/latest/python_api/mlflow.client.html
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from datetime import datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from components.common.errors import FacenetError, UsageError
from components.litert.embedder import LiteRTEmbedder
from components.specification import code, images
from components.verify.signature import signature_of
from pipelines.records.record import FAILED, SUCCEEDED
from pipelines.tracking.finished import Finished

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# The tag by which a run of ours is found again.
_OURS = "facenet.run"
# MLflow's own variables. It would tell its makers how it is used, ask a server that is away for minutes, no longer open
# the folders that it made until 2025, and print where a server shows the run, as we do.
_VARIABLES = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_ALLOW_FILE_STORE": "true",
}
# Of MLflow: values in one request.
_MOST_METRICS, _MOST_PARAMETERS = 1000, 100
_STATES = {SUCCEEDED: "FINISHED", FAILED: "FAILED"}
# What the network's loader needs.
_LOADER, _PACKAGES = "components.litert.pyfunc", ("ai-edge-litert", "numpy", "pillow", "tqdm")


def check(address: str) -> None:
    """Whether MLflow is here, before anything is run for it.

    Raises:
        UsageError: it is not, or the address holds a password.
    """
    in_database = "://" in address and urlsplit(address).scheme not in ("http", "https", "file")
    for package in ("mlflow", *(("sqlalchemy", "alembic") if in_database else ())):
        if find_spec(package) is None:
            raise UsageError(
                "MLflow is not installed, or not all of it.", received=package, advice="pip install -e '.[mlflow]'"
            )
    if urlsplit(address).scheme in ("http", "https") and "@" in urlsplit(address).netloc:
        raise UsageError(
            "Credentials do not belong into an address.",
            advice="MLflow reads MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.",
        )


def log(finished: Finished, address: str) -> tuple[str, str | None]:
    """Logs a run, once: what a killed command began is done anew.

    Args:
        finished: the run.
        address: of MLflow: a folder, `sqlite:///FILE` or another database, or a server.

    Returns:
        Where it is now, in words, and where MLflow keeps the network; None without one.

    Raises:
        FacenetError: MLflow cannot be reached, or refuses.
    """
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        # Without a scheme it is a folder, which MLflow would otherwise look for where it stands then.
        client = MlflowClient(address if "://" in address else Path(address).absolute().as_uri())
        run, words, model = _log(client, finished)
    except MlflowException as error:
        raise FacenetError(
            "MLflow did not take the run.",
            received=f"{address}: {str(error).partition(chr(10))[0]}",
            advice=f"See to that, then: facenet publish {finished.run.record.id} --mlflow {address}",
        ) from error
    return f"{words}{_page(address, run)}", model


def _page(address: str, run: Run) -> str:
    """Where a server shows a run; "" without a server."""
    if urlsplit(address).scheme not in ("http", "https"):
        return ""
    return f", {address.rstrip('/')}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"


def _log(client: MlflowClient, finished: Finished) -> tuple[Run, str, str | None]:
    """The run in MLflow, what it is in words, and where the network is kept."""
    record = finished.run.record
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", record.pipeline)
    found = client.get_experiment_by_name(name)
    experiment = found.experiment_id if found else client.create_experiment(name)
    former: list[Run] = client.search_runs([experiment], f"tags.`{_OURS}` = '{record.id}'")
    for one in former:
        if one.info.status != "RUNNING":
            made = one.outputs.model_outputs if one.outputs else []
            where = client.get_logged_model(made[0].model_id).artifact_location if made else None
            return one, f"run {one.info.run_id} of the experiment {name}, as it was logged before", where
        client.delete_run(one.info.run_id)
    notes = finished.run.notes
    tags = {
        _OURS: record.id,
        "facenet.recipe": record.recipe or "none",
        "facenet.doubts": "; ".join(finished.run.doubts),
    }
    tags |= {"mlflow.note.content": notes.note} if notes.note else {}
    tags |= {f"facenet.tag.{tag}": "" for tag in notes.tags}
    begun = _milliseconds(record.started)
    run = client.create_run(experiment, start_time=begun, run_name=record.id, tags=tags)
    end = _milliseconds(record.ended) if record.ended else begun
    _log_numbers(client, run.info.run_id, finished, end)
    if finished.report:
        client.log_artifacts(run.info.run_id, str(finished.report), "report")
    where = _log_model(client, run, finished)
    # Last: a run that MLflow calls running was not logged to its end.
    client.set_terminated(run.info.run_id, _STATES.get(finished.run.state, "KILLED"), end)
    return run, f"run {run.info.run_id} of the experiment {name}", where


def _log_numbers(client: MlflowClient, run: str, finished: Finished, when: int) -> None:
    from mlflow.entities import Metric, Param

    metrics = [Metric(name, value, when, 0) for name, value in finished.metrics.items()]
    for name, points in finished.curves.items():
        metrics += [Metric(f"training/{name}", value, when, step) for step, value in points]
    for first in range(0, len(metrics), _MOST_METRICS):
        client.log_batch(run, metrics=metrics[first : first + _MOST_METRICS])
    parameters = [Param(name, value) for name, value in finished.parameters.items()]
    for first in range(0, len(parameters), _MOST_PARAMETERS):
        client.log_batch(run, params=parameters[first : first + _MOST_PARAMETERS])


def _log_model(client: MlflowClient, run: Run, finished: Finished) -> str | None:
    """Logs the exported folder as a model that `mlflow.pyfunc` loads, with its code, and without a pickle."""
    if finished.model is None or finished.network is None:
        return None
    import mlflow.pyfunc
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    logged: Any = client.create_logged_model(
        run.info.experiment_id, "facenet", run.info.run_id, params=finished.parameters, model_type="face embedding"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shutil.copytree(finished.model, folder / "network")
        signed = signature_of(finished.model)
        if signed.is_file():
            shutil.copy(signed, folder / "network.sig")
        code.copy(_LOADER, images.REPOSITORY, folder / "code")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that there is no example, which would be somebody's face
            mlflow.pyfunc.save_model(
                path=str(folder / "model"),
                loader_module=_LOADER,
                data_path=str(folder / "network"),
                code_paths=[str(folder / "code" / "components")],
                model_config={"file": finished.network.name},
                signature=_signature(finished.network),
                pip_requirements=[f"{name}=={version(name)}" for name in _PACKAGES],
                mlflow_model=Model(run_id=run.info.run_id, model_uuid=logged.model_id, model_id=logged.model_id),
            )
        client.log_model_artifacts(logged.model_id, str(folder / "model"))
        if signed.is_file():
            client.log_model_artifact(logged.model_id, str(folder / "network.sig"))
    client.log_outputs(run.info.run_id, [LoggedModelOutput(logged.model_id, step=0)])
    client.finalize_logged_model(logged.model_id, "READY")
    return str(logged.artifact_location)


def _signature(network: Path) -> Any:
    """What the network takes and gives, in MLflow's words."""
    from mlflow.models.signature import ModelSignature
    from mlflow.types import Schema, TensorSpec

    embedder = LiteRTEmbedder(network)
    size = embedder.image_size
    return ModelSignature(
        Schema([TensorSpec(np.dtype(np.uint8), (-1, size, size, 3))]),
        Schema([TensorSpec(np.dtype(np.float32), (-1, embedder.embedding_size))]),
    )


def _milliseconds(time: str) -> int:
    return round(datetime.fromisoformat(time).timestamp() * 1000)
