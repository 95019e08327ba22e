"""Weights to start from: a pod sees neither this machine nor a store, so a model is imported for it."""

from __future__ import annotations

import importlib
import re
from itertools import pairwise
from pathlib import Path

import kfp.components
import pytest
import yaml

from components.common.flags import fields_of
from pipelines.cache.named import MODELS, STATES
from pipelines.compile import DEFAULT_OUTPUT
from pipelines.compiled import ir
from pipelines.plan.tasks import Container
from pipelines.submit import main
from tests.submit.conftest import PHOTOS

WEIGHTS = "s3://bucket/models/w.weights.h5"
PLACEHOLDER = re.compile(r"\{\{\$\.(inputs|outputs)\.(parameters|artifacts)\['([^']+)'\]")


@pytest.mark.parametrize("setting", ["pretrained", "mine-and-train.pretrained"])
@pytest.mark.parametrize(
    "uri", [WEIGHTS, "gs://bucket/checkpoint/", "minio://mlpipeline/v2/artifacts/facenet/1/checkpoint"]
)
def test_a_model_is_imported_and_its_path_is_what_the_task_gets(kubeflow, submit, setting, uri):
    assert submit("--set", f"{setting}={uri}", "--no-cache") == 0
    (file,) = kubeflow.files  # which the cluster has checked against kfp's protocol buffers
    spec = next(yaml.load_all(file, yaml.CSafeLoader))
    tasks = spec["root"]["dag"]["tasks"]
    train, importer = tasks["mine-and-train"], tasks["mine-and-train-pretrained"]
    assert train["inputs"]["artifacts"]["pretrained_model"] == {
        "taskOutputArtifact": {"outputArtifactKey": "artifact", "producerTask": "mine-and-train-pretrained"}
    }
    assert "mine-and-train-pretrained" in train["dependentTasks"]
    assert importer["cachingOptions"] == {"enableCache": False}
    assert importer["taskInfo"]["name"] == "mine-and-train-pretrained"  # under which a server up to 2.17 looks it up
    executors = spec["deploymentSpec"]["executors"]
    # Kubeflow's importer takes its URI from here, or from a parameter of the pipeline; from no constant of its task.
    label = spec["components"][importer["componentRef"]["name"]]["executorLabel"]
    assert executors[label]["importer"]["artifactUri"] == {"constant": uri}
    args = executors["exec-mine-and-train"]["container"]["args"]
    assert args[args.index("--pretrained") + 1] == "{{$.inputs.artifacts['pretrained_model'].path}}"
    assert "&id" not in file  # nobody need know YAML's references
    assert kfp.components.load_component_from_text(file).name == "facenet"


def test_dlibs_network_is_in_the_image_and_is_not_imported(kubeflow, submit):
    assert submit("--set", "pretrained=dlib") == 0
    spec = next(yaml.load_all(kubeflow.files[0], yaml.CSafeLoader))
    assert "mine-and-train-pretrained" not in spec["root"]["dag"]["tasks"]
    assert kubeflow.runs[0]["runtime_config"]["parameters"]["pretrained"] == "dlib"


def test_every_placeholder_can_be_filled_in(kubeflow, submit):
    """Since 2.17 one that cannot be fails its task."""
    assert submit("--set", f"pretrained={WEIGHTS}") == 0
    spec = next(yaml.load_all(kubeflow.files[0], yaml.CSafeLoader))
    dags = [component["dag"] for component in (spec["root"], *spec["components"].values()) if "dag" in component]
    count = 0
    for name, task in ((name, task) for dag in dags for name, task in dag["tasks"].items()):
        component = spec["components"][task["componentRef"]["name"]]
        executor = spec["deploymentSpec"]["executors"].get(component.get("executorLabel"), {})
        for place, kind, key in PLACEHOLDER.findall(" ".join(executor.get("container", {}).get("args", ()))):
            count += 1
            declared = component[f"{place[:-1]}Definitions"][kind][key]
            if (place, kind) == ("inputs", "artifacts"):
                assert key in task["inputs"]["artifacts"], f"{name}: {key}"
            if (place, kind) == ("inputs", "parameters"):
                given = key in task.get("inputs", {}).get("parameters", {})
                assert given or "defaultValue" in declared, f"{name}: {key}"
    assert count > 80


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("pretrained=w.weights.h5", "this machine: mine-and-train.pretrained must be on a store that it reads."),
        ("mine-and-train.pretrained=/data/w.ckpt", "Copy it there (aws s3 cp, gsutil cp, mc cp) and give the URI"),
        ("pretrained=s3://models", "Put mine-and-train.pretrained into a folder of it: s3://models/FOLDER."),
        ("pretrained=s3://bucket/w.ckpt.index", "This is one of the several files of a TensorFlow checkpoint."),
        ("pretrained=gs://bucket/w.ckpt.data-00000-of-00001", "Give the folder that they are in"),
        ("mine-and-train.training=/data/state", "On a cluster a training's state lies on the run's volume."),
    ],
)
def test_what_no_pod_would_see_is_refused(capsys, setting, message):
    assert main(["-i", PHOTOS, "--set", setting, "--dry-run"]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert not captured.out


def test_a_training_may_keep_its_state_elsewhere_on_the_volume_or_nowhere(capsys):
    for place in ("{{$.workspace_path}}/mine", ""):
        assert main(["-i", PHOTOS, "--set", f"mine-and-train.training={place}", "--dry-run"]) == 0


def test_every_parameter_that_names_a_place_is_known():
    """A task's parameter whose flag takes a path would be sent as it is, and no pod would find anything there."""
    found = set()
    for task in ir.read(DEFAULT_OUTPUT).tasks:
        if isinstance(task.executor, Container):
            words = task.executor.command
            stage = importlib.import_module(f"{words[words.index('-m') + 1]}.__main__")
            flags = {f"--{one.key}": one for one in fields_of(stage.Settings)}
            for flag, word in pairwise(words):
                placeholder = PLACEHOLDER.match(word)
                named = placeholder and placeholder[2] == "parameters" and flags[flag]
                if placeholder and named and (named.value_type is Path or named.flag.value in ("PATH", "DIR", "FILE")):
                    found.add(f"{task.name}.{placeholder[3]}")
    assert found == MODELS | STATES
