"""The manifest of a KServe predictor.

It was validated whole, with unknown fields refused, against the CRD that KServe publishes, v1beta1 in
config/crd/full/serving.kserve.io_inferenceservices.yaml, commit aaac4e2 of August 2026. That has two megabytes and is
not ours, so here is what the manifest relies on of it, and of `predictor_custom.go`. A predictor's fields are a pod's
and more, so it is held to the models of the package `kubernetes`.
"""

from __future__ import annotations

import re

import yaml
from kubernetes.client import models

from components.common.parsing import parse
from components.serve.guard import OPEN
from components.serve.settings import TOKEN, Settings
from components.specification.images import reference
from pipelines.compile import main
from tests.submit.schema import check


def test_a_predictor_is_what_kserve_and_the_server_take(tmp_path, monkeypatch):
    monkeypatch.setenv(TOKEN, "t" * 16)
    file = tmp_path / "serving.yaml"
    flags = ["--serving", "s3://bucket/model", "-o", str(file), "--image_pull_secret", "pull"]
    assert main(flags) == 0 and main([*flags, "--check"]) == 0
    service = yaml.safe_load(file.read_text())
    assert (service["apiVersion"], service["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    assert re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", service["metadata"]["name"])
    predictor = service["spec"]["predictor"]
    assert predictor["imagePullSecrets"] == [{"name": "pull"}]
    (container,) = predictor["containers"]
    check(predictor, "V1PodSpec", "predictor", models)
    assert container["name"] == "kserve-container" and container["image"] == reference("serve")
    variables = {each["name"]: each.get("value") for each in container["env"]}
    assert variables == {"STORAGE_URI": "s3://bucket/model", "PROTOCOL": "v2", TOKEN: None}
    settings = parse(Settings, container["command"][container["command"].index("components.serve") + 1 :], prog="serve")
    assert settings.checkpoint.parts[:3] == ("/", "mnt", "models") and settings.token() == "t" * 16
    (port,) = container["ports"]
    for probe in (container["readinessProbe"], container["livenessProbe"]):
        assert probe["httpGet"]["path"] in OPEN and probe["httpGet"]["port"] == settings.port == port["containerPort"]
