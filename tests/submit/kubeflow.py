"""A Kubeflow cluster's API server, as far as runs are submitted to it: v2beta1 over HTTP on this machine.

All that arrives and all that is answered is checked against the published schema; a pipeline against kfp's protobufs, a
run's parameters against its pipeline. Trouble can be ordered, and the states that a run goes through.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from tests.submit.schema import check
from tests.submit.web import RefusedError, Request, Trouble, handler

_TYPES = {
    "STRING": str, "NUMBER_INTEGER": int, "NUMBER_DOUBLE": (int, float), "BOOLEAN": bool, "LIST": list, "STRUCT": dict,
}  # fmt: skip
BEGIN = "2026-01-01T00:00:00+00:00"
END = "2026-01-01T00:12:04+00:00"


@dataclass
class Kubeflow:
    """The cluster: what it holds, what arrived, and what is to go wrong."""

    token: str | None = None
    multi_user: bool = False
    tag: str = "2.17.0"
    by_its_pages: bool = False  # asked through the server of its user interface, which words its health otherwise
    knows_policies: bool = False
    # What the workspaces' volumes are where a pipeline does not say it, and what has to be said.
    volumes: dict[str, Any] = field(default_factory=dict)
    wanted_of_volumes: tuple[str, ...] = ()
    story: list[tuple[str, dict[str, str]]] = field(default_factory=lambda: [("SUCCEEDED", {})])
    experiments: list[dict[str, Any]] = field(default_factory=list)
    pipelines: list[dict[str, Any]] = field(default_factory=list)
    versions: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    recurring: list[dict[str, Any]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    arrived: list[Request] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def start(self) -> None:
        """Listens on a port of this machine, which `host` then names."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        self.host = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def secure(self, context: ssl.SSLContext) -> None:
        """Answers by TLS from now on, under the name localhost."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.host = f"https://localhost:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Listens no longer."""
        self._server.shutdown()
        self._server.server_close()

    def changes(self) -> list[Request]:
        """What arrived that asks for something to be made."""
        return [request for request in self.arrived if request.method == "POST"]

    def trouble_for(self, request: Request) -> Trouble:
        """The trouble that was ordered for a request; mostly none."""
        for trouble in self.troubles:
            if trouble.times and re.search(trouble.pattern, f"{request.method} {request.path}"):
                trouble.times -= 1
                return trouble
        return Trouble("")

    def answer(self, request: Request) -> dict[str, Any]:
        """What a request is answered with."""
        for pattern, asked, answered, act in _ROUTES:
            match = re.fullmatch(pattern, f"{request.method} {request.path}")
            if match:
                if asked:
                    check(request.body, asked, asked)
                answer = act(self, request, *match.groups())
                check(answer, answered, answered)
                if answered == "V2beta1GetHealthzResponse":  # the schema leaves out what every server says
                    answer |= {"apiServerTagName" if self.by_its_pages else "tag_name": self.tag}
                return answer
        raise RefusedError(404, "Not Found")


def _called(entries: list[dict[str, Any]], request: Request) -> list[dict[str, Any]]:
    if "filter" not in request.query:
        return entries
    (predicate,) = json.loads(request.query["filter"])["predicates"]
    assert predicate["key"] == "display_name"
    assert predicate["operation"] in ("EQUALS", 1)  # by name or number, as protobufs' JSON has it
    return [entry for entry in entries if entry["display_name"] == predicate["stringValue"]]


def _one(entries: list[dict[str, Any]], key: str, value: str) -> dict[str, Any]:
    for entry in entries:
        if entry[key] == value:
            return entry
    raise RefusedError(404, f"{key} {value} not found")


def _made(entries: list[dict[str, Any]], key: str, entry: dict[str, Any]) -> dict[str, Any]:
    entries.append({**entry, key: str(uuid.uuid4()), "created_at": BEGIN})
    return entries[-1]


def _upload(kubeflow: Kubeflow, request: Request) -> dict[str, Any]:
    pipeline = _one(kubeflow.pipelines, "pipeline_id", request.query["pipelineid"])
    name = request.query["name"]
    if any(one["display_name"] == name and one["pipeline_id"] == pipeline["pipeline_id"] for one in kubeflow.versions):
        raise RefusedError(409, f"The pipeline version {name} exists already")
    documents = list(yaml.load_all(request.body, yaml.CSafeLoader))
    for component in (documents[0]["root"], *documents[0]["components"].values()):
        for task in component.get("dag", {}).get("tasks", {}).values():
            policy = task.get("retryPolicy", {}).pop("policy", None)  # kfp's protocol buffers do not know it yet
            assert policy in (None, "POLICY_ALWAYS", "POLICY_ON_FAILURE", "POLICY_ON_ERROR")
            if policy and not kubeflow.knows_policies:
                raise RefusedError(400, "unknown template format")  # as 2.17.0 says it
    spec = json_format.ParseDict(documents[0], pipeline_spec_pb2.PipelineSpec())
    json_format.ParseDict(documents[0]["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig())
    for document in documents[1:]:
        json_format.ParseDict(document, pipeline_spec_pb2.PlatformSpec())
    kubeflow.files.append(request.body)
    return _made(
        kubeflow.versions,
        "pipeline_version_id",
        {
            "pipeline_id": pipeline["pipeline_id"],
            "display_name": name,
            "pipeline_spec": json_format.MessageToDict(spec),
        },
    )


def _versions(kubeflow: Kubeflow, request: Request, pipeline: str) -> dict[str, Any]:
    return {"pipeline_versions": _called([one for one in kubeflow.versions if one["pipeline_id"] == pipeline], request)}


def _begun(kubeflow: Kubeflow, request: Request) -> dict[str, Any]:
    """What was asked to be run, if this cluster can: its pipeline, its parameters, its experiment."""
    body = request.body
    version = _one(kubeflow.versions, "pipeline_version_id", body["pipeline_version_reference"]["pipeline_version_id"])
    assert version["pipeline_id"] == body["pipeline_version_reference"]["pipeline_id"]
    if "experiment_id" in body:
        _one(kubeflow.experiments, "experiment_id", body["experiment_id"])
    declared = version["pipeline_spec"]["root"].get("inputDefinitions", {}).get("parameters", {})
    given = body["runtime_config"].get("parameters", {})
    for name, parameter in declared.items():
        if name not in given and not parameter.get("isOptional"):
            raise RefusedError(400, f"the parameter {name} is missing")
    for name, value in given.items():
        if name not in declared or not isinstance(value, _TYPES[declared[name]["parameterType"]]):
            raise RefusedError(400, f"the parameter {name} is not what the pipeline declares")
    _check_volume(kubeflow, kubeflow.files[kubeflow.versions.index(version)])
    return body


def _check_volume(kubeflow: Kubeflow, file: str) -> None:
    """Refuses a workspace whose volume is not described, as the API server does when it compiles a run."""
    for document in list(yaml.load_all(file, yaml.CSafeLoader))[1:]:
        workspace = document["platforms"]["kubernetes"].get("pipelineConfig", {}).get("workspace")
        if workspace:
            volume = {**kubeflow.volumes, **workspace["kubernetes"]["pvcSpecPatch"]}
            for name in kubeflow.wanted_of_volumes:
                if not volume.get(name):
                    raise RefusedError(500, as_go_says(f"workspace PVC spec must specify {name}"))


def as_go_says(cause: str) -> str:
    """An error as the API server shows one that it made no answer of: each wrapping with its place in the code."""
    said = f"Internal error: {cause}"
    for number, wrapping in enumerate(("Failed to compile job", "Failed to generate the ExecutionSpec")):
        said += f"\n{wrapping}\nexample.org/server.(*Spec).RunWorkflow\n\t/go/src/server/spec.go:{number}98"
    return f"{said}\nruntime.goexit\n\t/usr/local/go/src/runtime/asm_amd64.s:1700"


def _run(kubeflow: Kubeflow, request: Request) -> dict[str, Any]:
    return _made(kubeflow.runs, "run_id", {**_begun(kubeflow, request), "state": "PENDING"})


def _recurring_run(kubeflow: Kubeflow, request: Request) -> dict[str, Any]:
    assert 1 <= int(request.body["max_concurrency"]) <= 10
    return _made(kubeflow.recurring, "recurring_run_id", _begun(kubeflow, request))


def _seen(kubeflow: Kubeflow, request: Request, run: str) -> dict[str, Any]:
    """A run, one chapter of its story further each time; the last one stays."""
    found = _one(kubeflow.runs, "run_id", run)
    state, tasks = kubeflow.story.pop(0) if len(kubeflow.story) > 1 else kubeflow.story[0]
    found["state"] = state
    steps = {"root": "RUNNING", "root-driver": "SUCCEEDED", "extract-driver": "SUCCEEDED", "executor": "RUNNING"}
    found["run_details"] = {"task_details": [_task(run, name, said) for name, said in {**steps, **tasks}.items()]}
    if state in ("SUCCEEDED", "FAILED", "CANCELED"):
        found["finished_at"] = END
    if state == "FAILED":
        found["error"] = {"code": 2, "message": "a step failed"}
    return found


def _task(run: str, name: str, state: str) -> dict[str, Any]:
    """A task of a run; `extract#2` is the second turn of a loop over extract."""
    shown, _, turn = name.partition("#")
    detail = {
        "run_id": run,
        "task_id": name,
        "display_name": shown,
        "state": state,
        "create_time": f"{BEGIN[:18]}{turn or 0}Z",
    }
    if state == "FAILED":
        detail["error"] = {"code": 2, "message": f"{shown} exited with code 1"}
    return detail


# Method and path, the schema of what is asked, that of the answer, and what is done.
_ROUTES: tuple[tuple[str, str | None, str, Callable[..., Any]], ...] = (
    ("GET healthz", None, "V2beta1GetHealthzResponse", lambda kubeflow, request: {"multi_user": kubeflow.multi_user}),
    ("GET experiments", None, "V2beta1ListExperimentsResponse",
     lambda kubeflow, request: {"experiments": _called(kubeflow.experiments, request)}),
    ("POST experiments", "V2beta1Experiment", "V2beta1Experiment",
     lambda kubeflow, request: _made(kubeflow.experiments, "experiment_id", request.body)),
    ("GET pipelines", None, "V2beta1ListPipelinesResponse",
     lambda kubeflow, request: {"pipelines": _called(kubeflow.pipelines, request)}),
    ("POST pipelines", "V2beta1Pipeline", "V2beta1Pipeline",
     lambda kubeflow, request: _made(kubeflow.pipelines, "pipeline_id", request.body)),
    ("GET pipelines/([^/]+)/versions", None, "V2beta1ListPipelineVersionsResponse", _versions),
    ("POST pipelines/upload_version", None, "V2beta1PipelineVersion", _upload),
    ("POST runs", "V2beta1Run", "V2beta1Run", _run),
    ("GET runs/([^/]+)", None, "V2beta1Run", _seen),
    ("POST recurringruns", "V2beta1RecurringRun", "V2beta1RecurringRun", _recurring_run),
)  # fmt: skip
