"""The pipeline as a cluster runs it: every task in its image, by the launcher's rules, with the least rights."""

# Without `from __future__ import annotations`: kfp reads a component's types.
import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp import compiler, dsl
from kfp.pipeline_spec import pipeline_spec_pb2 as spec

from pipelines.compile import DEFAULT_OUTPUT
from tests.cluster.launcher import LEAST, SHELLS, USER, Cluster, Launch
from tests.cluster.pods import LOG
from tests.cluster.store import MOUNTS, local_path
from tests.cluster.versions import RefusedError
from tests.images.agreement import agree, agree_on_metrics

pytestmark = pytest.mark.docker

IMAGE = "python:3.13-slim"
# Their content is their metadata.
WITHOUT_FILE = ("system.Metrics", "system.ClassificationMetrics")


@pytest.fixture(scope="module")
def cluster(sample_photos: Path, settings: dict[str, Any], built: None, tmp_path_factory) -> Cluster:
    """A cluster that ran the committed pipeline on the sample photos, in two shards."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    shutil.copytree(sample_photos, cluster.stores / "gcs" / "our-photos" / "people")
    cluster.run(DEFAULT_OUTPUT.read_text(), photos="gs://our-photos/people", shards=["1/2", "2/2"], **settings)
    return cluster


def strict(text: str) -> Any:
    """What a task said, read as the launcher reads it; it has no word for what is not a number."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def outputs(launch: Launch) -> dict[str, str]:
    """A task's own output artifacts, without its log, and their types."""
    given = launch.given.outputs.artifacts
    return {name: listed.artifacts[0].type.schema_title for name, listed in given.items() if name != LOG}


def lost(folder: Path) -> list[Path]:
    """What an upload of a folder loses or stumbles over: empty folders, and links to folders."""
    found = [folder, *folder.rglob("*")]
    return [path for path in found if path.is_dir() and (path.is_symlink() or not any(path.iterdir()))]


def check(launch: Launch) -> None:
    """Checks what a task left behind against what the launcher and the UI make of it.

    Raises:
        AssertionError, ValueError: with what is wrong.
    """
    said = strict(launch.said)
    assert not re.search(r"[:,\[]\s*null", launch.said), f"null in {launch.said}"
    assert json_format.MessageToDict(json_format.Parse(launch.said, spec.ExecutorOutput())) == said, "more than is read"
    for name, kind in outputs(launch).items():
        (answer,) = said["artifacts"][name]["artifacts"]
        if kind in WITHOUT_FILE:
            assert answer["metadata"], f"{name} says nothing"
        else:
            assert launch.output(name).exists(), f"no {name}"
            assert not lost(launch.output(name)), lost(launch.output(name))


def test_every_executor_of_the_pipeline_ran_and_left_what_a_cluster_takes(cluster):
    executors = next(yaml.safe_load_all(DEFAULT_OUTPUT.read_text()))["deploymentSpec"]["executors"]
    ran = {f"exec-{launch.task}" for launch in cluster.launches}
    assert ran == {name for name, executor in executors.items() if "container" in executor}
    for launch in cluster.launches:
        check(launch)


def test_what_is_stored_is_what_the_tasks_left(cluster):
    for launch in cluster.launches:
        for name in outputs(launch):
            local = launch.output(name)
            stored = local_path(launch.given.outputs.artifacts[name].artifacts[0].uri, cluster.stores)
            left, kept = ({str(path.relative_to(folder)) for path in folder.rglob("*")} for folder in (local, stored))
            assert left == kept, f"{launch.task} {name}"


def test_tasks_write_to_their_outputs_and_to_tmp_only(cluster):
    for launch in cluster.launches:
        places = [launch.output(name) for name in (*outputs(launch), LOG)]
        places.append(launch.pod / launch.given.outputs.output_file.lstrip("/"))
        places += [
            local_path(one.uri, launch.pod) for it in launch.given.inputs.artifacts.values() for one in it.artifacts
        ]
        for path in itertools.chain.from_iterable((launch.pod / mount).rglob("*") for mount in MOUNTS.values()):
            assert path.is_dir() or any(path.is_relative_to(place) for place in places), f"{launch.task} left {path}"


def test_metrics_are_numbers_and_a_curve_has_its_fields(cluster):
    for launch in cluster.launches:
        for name, kind in outputs(launch).items():
            (answer,) = strict(launch.said)["artifacts"][name]["artifacts"]
            if kind == "system.Metrics":
                assert all(isinstance(value, int | float) for value in answer["metadata"].values()), answer
            if kind == "system.ClassificationMetrics":
                fields = {"confidenceThreshold", "recall", "falsePositiveRate"}
                assert {frozenset(point) for point in answer["metadata"]["confidenceMetrics"]} == {frozenset(fields)}


def test_the_training_leaves_its_state_in_the_workspace_that_outlives_its_pod(cluster):
    assert (cluster.folder / "workspace" / "training" / "state.npz").is_file()


def test_two_shards_on_a_cluster_give_what_one_gives_on_this_machine(cluster, in_containers):
    last = {launch.task: launch for launch in cluster.launches}
    assert len(cluster.launches) == len(last) + 2
    agree(last["mine-and-train"].output("checkpoint"), in_containers / "mine-and-train" / "checkpoint")
    for task in ("collect", "mine-and-train", "evaluate"):
        (metrics,) = strict(last[task].said)["artifacts"]["metrics"]["artifacts"]
        agree_on_metrics(
            metrics["metadata"],
            json.loads((in_containers / task / "task.json").read_text())["outputs"]["metrics"]["metadata"],
        )


def test_a_container_here_may_do_nothing():
    code = f"""
import os, pathlib, subprocess
status = dict(line.split(":\\t") for line in pathlib.Path("/proc/self/status").read_text().splitlines())
print(os.getuid() == {USER}, status["CapEff"], status["CapBnd"], status["NoNewPrivs"], os.listdir("/sys/class/net"))
for shell in ("/bin/sh", *{SHELLS}):
    try: print(subprocess.run([shell, "-c", "echo a shell"]))
    except PermissionError: print("no shell")
try: print(open("/usr/lib/x", "w"))
except OSError as error: print(error.strerror)
"""
    done = subprocess.run(
        ["docker", "run", *LEAST, IMAGE, "python", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        f"True {'0' * 16} {'0' * 16} 1 ['lo']",
        *["no shell"] * 3,
        "Read-only file system",
    ]


GOOD = """
import json, os, pathlib, sys
given = json.loads(sys.argv[1])
file, result = pathlib.Path(given["outputs"]["outputFile"]), pathlib.Path(sys.argv[2])
said = {name: {"artifacts": [{"name": name, "metadata": {}}]} for name in ("result", "metrics")}
said["metrics"]["artifacts"][0]["metadata"] = {"number": float(sys.argv[3])}
result.mkdir()
(result / "file").write_text("x")
"""
END = "\nfile.write_text(json.dumps({'artifacts': said}))"


def pipeline_of(code: str, folder: Path) -> str:
    """A pipeline of one task, compiled by kfp."""

    @dsl.container_component
    def task(result: dsl.Output[dsl.Artifact], metrics: dsl.Output[dsl.Metrics], number: float = 1e-05):
        return dsl.ContainerSpec(IMAGE, ["python", "-c", code + END], [dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
                                                                       result.path, number])  # fmt: skip

    @dsl.pipeline(name="one")
    def one() -> None:
        task()

    compiler.Compiler().compile(one, str(folder / "one.yaml"))
    return (folder / "one.yaml").read_text()


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ("", None),
        ("sys.exit('gone')", "gone"),
        ("(result / 'none').mkdir()", "none"),
        ("(result / 'link').symlink_to('/usr')", "link"),
        ("(result / 'file').unlink(); result.rmdir()", "no result"),
        ("said['metrics']['artifacts'][0]['metadata'] = {'number': float('nan')}", "NaN"),
        ("said['metrics']['artifacts'][0]['metadata'] = {'number': None}", "NullValue"),
        ("said['metrics']['artifacts'][0]['path'] = '/tmp'", "path"),
        ("said['metrics']['artifacts'][0]['metadata'] = {}", "says nothing"),
    ],
)
def test_the_check_notices(more, what, tmp_path):
    cluster = Cluster(tmp_path)
    try:
        cluster.run(pipeline_of(GOOD + more, tmp_path))
        check(cluster.launches[0])
        found = None
    except (AssertionError, RefusedError, ValueError, OSError, json_format.ParseError) as error:
        found = str(error)
    assert found is None if what is None else what in (found or "nothing was noticed")
