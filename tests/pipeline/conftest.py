"""A tiny pipeline in Kubeflow's IR, written by hand: photos -> count -> report, each task a small Python command."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import pytest
import yaml

from pipelines.rerun import main as rerun
from pipelines.run import main

REPOSITORY = Path(__file__).resolve().parent.parent.parent

# The engine is one for all processes that run tests side by side: each builds an image of its own.
IMAGE = f"tiny:{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"

COUNT = """
import json, os, pathlib, signal, sys, time
photos, result, factor, description = sys.argv[1:]
print("counting", photos)
kept = pathlib.Path(result).with_name("kept")
if kept.exists():
    print("going on with", kept.read_text())
if os.environ.get("SLEEP"):
    kept.write_text("a part")
    # The first process of a container dies of no signal that it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print("asleep", flush=True)
    time.sleep(120)
number = int(factor) * sum(len(path.read_bytes()) for path in pathlib.Path(photos).rglob("*.jpg"))
if not os.environ.get("FORGET"):
    pathlib.Path(result).write_text(str(number))
outputs = json.loads(description)["outputs"]
metrics = outputs["artifacts"]["metrics"]["artifacts"][0]
said = {"artifacts": {"metrics": {"artifacts": [
    {"name": metrics["name"], "uri": metrics["uri"], "metadata": {"number": number}}]}}}
pathlib.Path(outputs["outputFile"]).write_text(json.dumps(said))
"""

REPORT = """
import os, pathlib, sys
if os.environ.get("BROKEN"):
    for line in range(40):
        print("line", line, file=sys.stderr)  # one stream: the order of two is not kept between containers and here
    sys.exit("this cannot work")
folder = pathlib.Path(sys.argv[2])
folder.mkdir()
(folder / "report.html").write_text("<p>" + pathlib.Path(sys.argv[1]).read_text())
"""


def artifact(kind: str = "system.Artifact") -> dict[str, Any]:
    return {"artifactType": {"schemaTitle": kind, "schemaVersion": "0.0.1"}}


def component(label: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
    return {"executorLabel": label, "inputDefinitions": inputs, "outputDefinitions": outputs}


def container(code: str, *args: str) -> dict[str, Any]:
    return {"container": {"image": IMAGE, "command": ["python", "-c", code], "args": list(args)}}


def task(name: str, after: list[str], inputs: dict[str, Any]) -> dict[str, Any]:
    return {
        "taskInfo": {"name": name},
        "componentRef": {"name": f"comp-{name}"},
        "cachingOptions": {"enableCache": True},
        "dependentTasks": after,
        "inputs": inputs,
    }


def from_task(producer: str, key: str) -> dict[str, Any]:
    return {"taskOutputArtifact": {"producerTask": producer, "outputArtifactKey": key}}


IR: dict[str, Any] = {
    "pipelineInfo": {"name": "tiny"},
    "schemaVersion": "2.1.0",
    "sdkVersion": "kfp-2.17.0",
    "components": {
        "comp-importer": component(
            "exec-importer",
            {"parameters": {"uri": {"parameterType": "STRING"}}},
            {"artifacts": {"artifact": artifact()}},
        ),
        "comp-count": component(
            "exec-count",
            {
                "artifacts": {"photos": artifact()},
                "parameters": {"factor": {"parameterType": "NUMBER_INTEGER", "defaultValue": 2.0, "isOptional": True}},
            },
            {"artifacts": {"result": artifact(), "metrics": artifact("system.Metrics")}},
        ),
        "comp-report": component(
            "exec-report",
            {"artifacts": {"result": artifact()}},
            {"artifacts": {"report": artifact()}},
        ),
    },
    "deploymentSpec": {
        "executors": {
            "exec-importer": {
                "importer": {
                    "artifactUri": {"runtimeParameter": "uri"},
                    "typeSchema": {"schemaTitle": "system.Artifact", "schemaVersion": "0.0.1"},
                }
            },
            "exec-count": container(
                COUNT,
                "{{$.inputs.artifacts['photos'].path}}",
                "{{$.outputs.artifacts['result'].path}}",
                "{{$.inputs.parameters['factor']}}",
                "{{$}}",
            ),
            "exec-report": container(
                REPORT, "{{$.inputs.artifacts['result'].path}}", "{{$.outputs.artifacts['report'].path}}"
            ),
        }
    },
    "root": {
        "inputDefinitions": {
            "parameters": {
                "photos": {"parameterType": "STRING"},
                "factor": {"parameterType": "NUMBER_INTEGER", "defaultValue": 3.0, "isOptional": True},
            }
        },
        "dag": {
            "tasks": {
                "importer": task("importer", [], {"parameters": {"uri": {"componentInputParameter": "photos"}}}),
                "count": task(
                    "count",
                    ["importer"],
                    {
                        "artifacts": {"photos": from_task("importer", "artifact")},
                        "parameters": {"factor": {"componentInputParameter": "factor"}},
                    },
                ),
                "report": task("report", ["count"], {"artifacts": {"result": from_task("count", "result")}}),
            }
        },
    },
}


class Tiny:
    """The tiny pipeline in a folder of its own, with photos and a runs folder.

    Its tasks do what `mood` tells them to: variables of their environment that are no part of the pipeline.
    """

    built: ClassVar[dict[str, str] | None] = None
    """The mood of the image."""

    def __init__(self, folder: Path, runner: str) -> None:
        self.folder = folder
        self.runner = runner
        self.mood: dict[str, str] = {}
        self.ir = copy.deepcopy(IR)
        self.file = folder / "tiny.yaml"
        self.runs = folder / "runs"
        self.photos = folder / "photos"
        (self.photos / "ada").mkdir(parents=True)
        (self.photos / "ada" / "1.jpg").write_text("12345")

    def arguments(self, *flags: str) -> list[str]:
        self.file.write_text(yaml.safe_dump(self.ir))
        given = [] if "-i" in flags else ["-i", str(self.photos)]
        return [*given, "--pipeline", str(self.file), "--runs", str(self.runs), "--runner", self.runner, *flags]

    def environment(self, mood: dict[str, str]) -> dict[str, str]:
        """What to run the pipeline with so that its tasks are in a mood; containers have it from their image."""
        if self.runner == "process":
            return mood
        if Tiny.built == mood:
            return {}
        Tiny.built = dict(mood)
        settings = "".join(f"ENV {name}={value}\n" for name, value in mood.items())
        build = ["docker", "build", "--quiet", "--tag", IMAGE, "-"]
        subprocess.run(build, input=f"FROM python:3.13-slim\n{settings}", text=True, check=True, capture_output=True)
        return {}

    def run(self, *flags: str) -> int:
        with patch.dict(os.environ, self.environment(self.mood)):
            return main(self.arguments(*flags))

    def rerun(self, *flags: str) -> int:
        with patch.dict(os.environ, self.environment(self.mood)):
            return rerun([*flags, "--runs", str(self.runs)])

    def start(self, *flags: str, **mood: str) -> subprocess.Popen[str]:
        """The same as a process, as a user starts it."""
        return subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", "run", *self.arguments(*flags)],
            cwd=REPOSITORY,
            env={**os.environ, **self.environment(mood)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run_record(self, run: str = "latest") -> dict[str, Any]:
        return json.loads((self.runs / run / "run.json").read_text())

    def task_record(self, name: str, run: str = "latest") -> dict[str, Any]:
        return json.loads((self.runs / run / name / "task.json").read_text())

    def states(self, run: str = "latest") -> dict[str, str]:
        return {name: self.task_record(name, run)["state"] for name in self.run_record(run)["tasks"]}

    def all_runs(self) -> list[str]:
        return sorted(path.parent.name for path in self.runs.glob("2*/run.json"))

    def reported(self) -> str:
        report = self.task_record("report")["outputs"]["report"]["path"]
        return (self.runs / report / "report.html").read_text()


_COMPOSE = pytest.param("compose", marks=pytest.mark.docker)
# What a runner makes of records, settings and the cache is the same wherever tasks run: it is tested where they start
# fastest.
in_a_process = pytest.mark.parametrize("tiny", ["process"], indirect=True)
in_a_container = pytest.mark.parametrize("tiny", [_COMPOSE], indirect=True)


@pytest.fixture(params=["process", _COMPOSE])
def tiny(request: pytest.FixtureRequest, tmp_path: Path) -> Tiny:
    return Tiny(tmp_path, request.param)
