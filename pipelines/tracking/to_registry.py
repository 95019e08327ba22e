"""Registers the network of a run in Kubeflow's Model Registry, through its REST API, version v1alpha3.

The API: https://github.com/kubeflow/model-registry, api/openapi/model-registry.yaml (read at v0.3.8, and at bd07139 of
April 2026). A registered model has versions, one for each run, and a version has the artifact that was exported.
"""

from __future__ import annotations

import hashlib
import json
import os
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from components.common.errors import MALFORMED, FacenetError, UsageError, reason_of
from components.common.records import read_json
from pipelines.tracking.finished import Finished

_API = "/api/model_registry/v1alpha3"
# A file with the token, as the registry's own client for Python has it; a pod of Kubeflow has one.
TOKEN_FILE = "KF_PIPELINES_SA_TOKEN_PATH"  # noqa: S105 - the name of a variable
_SECONDS = 30
_MOST_BYTES = 2**20
# What a LiteRT file calls its format, and the version in its first bytes (TFL3).
_FORMAT = {"modelFormatName": "tflite", "modelFormatVersion": "3"}


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follows nothing: the token would go along."""


class Registry:
    """A Model Registry.

    Args:
        address: `https://HOST`, as its pages have it, without a path.

    Raises:
        UsageError: that is no address, or the token's file cannot be read.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise UsageError(
                "This is not the address of a Model Registry.",
                received="(with credentials)" if "@" in parts.netloc else address,
                advice=f"Write https://HOST; the file of the token is named by {TOKEN_FILE}.",
            )
        self.address = address.rstrip("/")
        self._headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if file := os.environ.get(TOKEN_FILE):
            try:
                token = Path(file).read_text(encoding="ascii").strip()
            except (OSError, ValueError) as error:
                raise UsageError(
                    "The token's file cannot be read.",
                    received=f"{file} ({reason_of(error)})",
                    advice=f"Is {TOKEN_FILE} right?",
                ) from None
            self._headers["Authorization"] = f"Bearer {token}"

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Asks the registry.

        Returns:
            What it answers; None where it says that there is no such thing.

        Raises:
            FacenetError: it cannot be reached, it refuses, or it is something else.
        """
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.address}{_API}{path}", data, self._headers, method=method)  # noqa: S310 - see __init__
        try:
            with build_opener(_NoRedirect).open(request, timeout=_SECONDS) as answer:
                said = read_json(answer.read(_MOST_BYTES))
        except HTTPError as error:
            if error.code == 404 and method == "GET":
                return None
            raise self._refused(f"{error.code} {error.reason}: {_message(error.read(_MOST_BYTES))}") from None
        except (OSError, HTTPException) as error:
            raise self._refused(str(getattr(error, "reason", error))) from None
        except MALFORMED:
            raise self._refused("its answer is no JSON") from None
        if not isinstance(said, dict):
            raise self._refused("its answer is no record")
        return said

    def _refused(self, why: str) -> FacenetError:
        return FacenetError(
            "The Model Registry did not take the network.",
            received=f"{self.address}: {why}",
            advice=f"Are the address and the token ({TOKEN_FILE}) right? `facenet publish` tries again.",
        )


def _message(body: bytes) -> str:
    try:
        return str(read_json(body)["message"])
    except MALFORMED:
        return "without a reason"


def register(finished: Finished, network: Path, registry: Registry, where: str | None) -> str:
    """Registers the network of a run, once.

    Args:
        finished: the run.
        network: the best file of its exported folder.
        registry: where.
        where: the URI of the exported folder, for whoever reads the registry; where it lies on this machine when None.

    Returns:
        What it is now, in words.

    Raises:
        FacenetError: as `Registry.ask`.
    """
    record = finished.run.record
    name = record.pipeline
    model = _find(registry, "/registered_model", {"name": name})
    model = model or registry.ask("POST", "/registered_models", {"name": name, "description": _ABOUT})
    identifier = _identifier(registry, model)
    version = _find(registry, "/model_version", {"name": record.id, "parentResourceId": identifier})
    version = version or registry.ask("POST", "/model_versions", _version(finished, identifier))
    artifacts = f"/model_versions/{_identifier(registry, version)}/artifacts"
    known = registry.ask("GET", artifacts) or {}
    if not known.get("items"):
        registry.ask("POST", artifacts, _artifact(network, record.id, where))
    return f"version {record.id} of the model {name} at {registry.address}"


_ABOUT = "Face-embedding networks of the pipeline facenet."


def _find(registry: Registry, path: str, query: dict[str, str]) -> dict[str, Any] | None:
    return registry.ask("GET", f"{path}?{urlencode(query)}")


def _identifier(registry: Registry, thing: dict[str, Any] | None) -> str:
    identifier = (thing or {}).get("id")
    if not isinstance(identifier, str) or not identifier.isdigit():
        raise FacenetError(
            "This does not answer as a Model Registry does.",
            received=f"{registry.address}, without an id",
            advice="Is the address right?",
        )
    return identifier


def _version(finished: Finished, model: str) -> dict[str, Any]:
    record, notes = finished.run.record, finished.run.notes
    properties: dict[str, Any] = {name: _text(value) for name, value in finished.parameters.items()}
    properties |= {name: _number(value) for name, value in finished.metrics.items()}
    properties |= {tag: _text("") for tag in notes.tags}  # which the registry's pages show as labels
    about = "; ".join(filter(None, [notes.note, *finished.run.doubts]))
    return {"name": record.id, "registeredModelId": model, "description": about, "customProperties": properties}


def _artifact(network: Path, run: str, where: str | None) -> dict[str, Any]:
    sha256 = hashlib.sha256(network.read_bytes()).hexdigest()
    return {
        "artifactType": "model-artifact",
        "name": f"{run} {network.name}",
        "uri": where or network.parent.absolute().as_uri(),
        "modelSourceKind": "facenet",
        "modelSourceId": run,
        "customProperties": {"file": _text(network.name), "sha256": _text(sha256)},
        **_FORMAT,
    }


def _text(value: str) -> dict[str, str]:
    return {"metadataType": "MetadataStringValue", "string_value": value}


def _number(value: float) -> dict[str, str | float]:
    return {"metadataType": "MetadataDoubleValue", "double_value": value}
