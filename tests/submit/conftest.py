"""A cluster to submit to, and `facenet submit` at it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import kfp.client
import pytest

from pipelines.cluster import follow
from pipelines.submit import main
from tests.submit.kubeflow import Kubeflow

PHOTOS = "s3://bucket/photos"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of whoever runs the tests, and a run that is looked at often."""
    for name in [name for name in os.environ if name.startswith(("KFP_", "KF_PIPELINES_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(kfp.client.Client, "_LOCAL_KFP_CONTEXT", str(tmp_path / "context.json"))
    monkeypatch.setattr(follow, "INTERVAL", 0.01)


@pytest.fixture
def kubeflow() -> Iterator[Kubeflow]:
    """A cluster, which at the end must not have met anything that its schema does not know."""
    kubeflow = Kubeflow()
    kubeflow.start()
    yield kubeflow
    kubeflow.stop()
    assert not kubeflow.wrong


@pytest.fixture
def submit(kubeflow: Kubeflow) -> Callable[..., int]:
    """The command with the cluster's address and some photos."""
    return lambda *flags: main(["--host", kubeflow.host, "-i", PHOTOS, *flags])
