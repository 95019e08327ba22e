"""`facenet publish`: logs a finished run to MLflow, and registers its network in Kubeflow's Model Registry."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from components.common.command import run
from components.common.errors import UsageError
from components.common.flags import RUNS, Flag, Runs
from pipelines.records.folder import LATEST
from pipelines.records.summary import short_path


@dataclass(frozen=True)
class Targets:
    """Where a run is published."""

    mlflow: Annotated[str | None, Flag("ADDRESS")] = None
    """MLflow: a folder, sqlite:///FILE or another database, or a server (https://HOST). The report goes along, with the
    names in it, and with faces unless the run was made with --set pictures=false."""
    model_registry: Annotated[str | None, Flag("ADDRESS")] = None
    """Kubeflow's Model Registry, https://HOST: the exported network becomes a version of the model `facenet` there."""

    sign_key: Annotated[Path | None, Flag("FILE")] = None
    """Sign the exported folder with this private key first, as `facenet sign` does; the signature goes along."""

    @property
    def given(self) -> bool:
        """Whether there is anything to do."""
        return any(vars(self).values())

    def check(self) -> None:
        """Whether there is what is needed for it, before anything is run.

        Raises:
            UsageError: a package is missing, an address is none, or the key is not one to sign with.
        """
        if self.sign_key:
            from components.verify.signature import signer

            signer(self.sign_key)
        if self.mlflow:
            from pipelines.tracking.to_mlflow import check

            check(self.mlflow)
        if self.model_registry:
            from pipelines.tracking.to_registry import Registry

            Registry(self.model_registry)


@dataclass(frozen=True)
class Settings:
    """Publish a finished run: its parameters, numbers, report and network. `facenet run` has the same flags."""

    run: Annotated[str, Flag("RUN", positional=True)] = LATEST
    """The run: its id, or latest."""
    targets: Targets = field(default_factory=Targets)
    runs: Runs = RUNS


def publish(runs: Path, name: str, targets: Targets) -> None:
    """Publishes a run that has ended, and says where it is.

    Raises:
        FacenetError: nobody takes it.
    """
    from pipelines.look.find import find_run
    from pipelines.tracking.finished import finished

    done = finished(runs, find_run(runs, name))
    where = None
    if targets.sign_key and done.model:
        from components.verify.signature import sign

        print(f"Signed: {short_path(sign(done.model, targets.sign_key))}", flush=True)
    if targets.mlflow:
        from pipelines.tracking.to_mlflow import log

        said, where = log(done, targets.mlflow)
        print(f"MLflow: {said}", flush=True)
    if targets.model_registry and done.network is not None:
        from pipelines.tracking.to_registry import Registry, register

        print(f"Model Registry: {register(done, done.network, Registry(targets.model_registry), where)}", flush=True)
    elif targets.model_registry:
        print("Model Registry: nothing, because the run exported no network.", flush=True)


def _publish(settings: Settings) -> None:
    if not settings.targets.given:
        raise UsageError("Say where the run is published.", advice="Give --mlflow or --model-registry, or both.")
    settings.targets.check()
    publish(settings.runs.absolute(), settings.run, settings.targets)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _publish, argv, prog="facenet publish")


if __name__ == "__main__":
    sys.exit(main())
