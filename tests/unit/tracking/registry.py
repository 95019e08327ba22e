"""A Model Registry, as far as networks are registered in it: its REST API v1alpha3 over HTTP on this machine.

Bodies are held to `model_registry.schema.json`, which says where it comes from; paths and what is answered to the rules
of the same file: 404 where nothing is found, 201 for what was made, 409 for a name that is there already.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema_rs

_SCHEMA = json.loads(Path(__file__).with_name("model_registry.schema.json").read_text())
_ROOT = "/api/model_registry/v1alpha3"
# path -> the kind of what is made by a POST there, and the parent that its names are unique in
_KINDS = {
    "/registered_models": "RegisteredModelCreate",
    "/model_versions": "ModelVersionCreate",
    "/model_versions/{id}/artifacts": "ModelArtifact",
}


def problems(kind: str, body: Any) -> list[str]:
    schema = {**_SCHEMA, "$ref": f"#/$defs/{kind}"}
    return [str(error) for error in jsonschema_rs.validator_for(schema).iter_errors(body)]


@dataclass
class Registry:
    """What it holds, by kind and number; what arrived; and what is wrong with it."""

    token: str | None = None
    refuses: int = 0  # this status, to everything
    lose: str = ""  # answers to this kind are lost, after it was made
    made: dict[str, dict[str, Any]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    bodies: list[tuple[str, Any]] = field(default_factory=list)

    def start(self) -> None:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(*registry.find(self.path, self.headers.get("Authorization")))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._answer(*registry.make(self.path, body, self.headers.get("Authorization")))

            def _answer(self, status: int, said: Any) -> None:
                content = json.dumps(said).encode()
                self.send_response(status)
                if status == 307:
                    self.send_header("Location", said["location"])
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.made.values() if one["kind"] == kind]

    def _unwelcome(self, token: str | None) -> tuple[int, Any] | None:
        if self.refuses:
            return self.refuses, {"code": str(self.refuses), "message": "not today", "location": f"{self.address}/x"}
        if self.token and token != f"Bearer {self.token}":
            return 401, {"code": "401", "message": "who are you?"}
        return None

    def find(self, address: str, token: str | None) -> tuple[int, Any]:
        if unwelcome := self._unwelcome(token):
            return unwelcome
        path, query = urlsplit(address).path.removeprefix(_ROOT), dict(parse_qsl(urlsplit(address).query))
        if listed := re.fullmatch("/model_versions/([1-9][0-9]*)/artifacts", path):
            found = [one["body"] for one in self.of("ModelArtifact") if one["parent"] == listed[1]]
            return 200, {"items": found, "size": len(found), "pageSize": 100, "nextPageToken": ""}
        kind = {"/registered_model": "RegisteredModelCreate", "/model_version": "ModelVersionCreate"}.get(path)
        if kind is None or not query.keys() <= {"name", "parentResourceId"}:
            self.wrong.append(address)
        for one in self.of(kind or ""):
            if one["body"]["name"] == query["name"] and one["parent"] == query.get("parentResourceId", ""):
                return 200, one["body"]
        return 404, {"code": "404", "message": "nothing is there"}

    def make(self, path: str, body: Any, token: str | None) -> tuple[int, Any]:
        if unwelcome := self._unwelcome(token):
            return unwelcome
        path = path.removeprefix(_ROOT)
        parent = re.search("/([1-9][0-9]*)/", path)
        kind = _KINDS.get(re.sub("/[1-9][0-9]*/", "/{id}/", path), "")
        self.bodies.append((kind, body))
        self.wrong += problems(kind, body) if kind else [path]
        under = parent[1] if parent else body.get("registeredModelId", "")
        if any(one["body"]["name"] == body["name"] and one["parent"] == under for one in self.of(kind)):
            return 409, {"code": "409", "message": "that name is taken"}
        identifier = str(len(self.made) + 1)
        self.made[identifier] = {"kind": kind, "parent": under, "body": {**body, "id": identifier}}
        if kind == self.lose:
            return 500, {"code": "500", "message": "lost"}
        return 201, self.made[identifier]["body"]
