"""The key by which a cluster answers a training from its cache: whatever a training depends on makes it another one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.common.errors import FacenetError, UsageError
from components.extract.__main__ import main as extract
from components.extract.contents import sha256_of
from components.extract.scan import Scan
from pipelines.cluster import keys
from pipelines.cluster.package import package, write_values
from pipelines.compile import DEFAULT_OUTPUT
from pipelines.configure import configure
from tests.cluster.pods import Run
from tests.cluster.records import records
from tests.cluster.versions import SUPPORTED

PHOTOS = "gs://our-photos/people"
CONTENTS = "0123456789abcdef" * 4
# What comes before the training, and it: tasks of the pipeline and of those inside it.
BEFORE = {"extraction", "shards", "photos", "extract", "collect", "teach", "mine-and-train"}
AFTER = {"evaluate", "export"}


def values(*settings: str) -> dict[str, Any]:
    return configure(DEFAULT_OUTPUT, None, PHOTOS, settings)[0].values()


@pytest.fixture(scope="module")
def spec() -> str:
    """The pipeline with its values written in, as JSON, which is quickly read again."""
    document = next(yaml.load_all(DEFAULT_OUTPUT.read_text(), yaml.CSafeLoader))
    write_values(document, values("shards=2"))
    return json.dumps(document)


def key_of(document: dict[str, Any]) -> str:
    keys.add_key(document)
    key: str = document["root"]["dag"]["tasks"]["mine-and-train"]["cachingOptions"]["cacheKey"]
    assert len(key) == 64
    return key


def tasks_of(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for component in (document["root"], *document["components"].values()):
        yield from component.get("dag", {}).get("tasks", {}).items()


def changed(spec: str, change: Any) -> str:
    document = json.loads(spec)
    change(document)
    return key_of(document)


def test_every_value_of_every_task_before_the_training_counts_and_no_other(spec):
    before = key_of(json.loads(spec))
    seen: dict[bool, set[str]] = {True: set(), False: set()}
    for number, (name, task) in enumerate(tasks_of(json.loads(spec))):
        counts = name in BEFORE
        for parameter, source in task.get("inputs", {}).get("parameters", {}).items():
            if "constant" not in source.get("runtimeValue", {}):
                continue

            def change(document, number=number, parameter=parameter):
                task = list(tasks_of(document))[number][1]
                task["inputs"]["parameters"][parameter]["runtimeValue"]["constant"] = "another"

            assert (changed(spec, change) != before) == counts, (name, parameter)
            seen[counts].add(name)
    assert {"extraction", "extract", "collect", "teach", "mine-and-train"} <= seen[True] <= BEFORE
    assert seen[False] >= AFTER


def test_images_commands_and_the_ways_between_tasks_count(spec):
    before = key_of(json.loads(spec))
    for label, executor in json.loads(spec)["deploymentSpec"]["executors"].items():
        counts = label.removeprefix("exec-") in BEFORE | {"importer"}
        if "container" not in executor:
            continue

        def another_image(document, label=label):
            document["deploymentSpec"]["executors"][label]["container"]["image"] = "facenet/x:0123456789ab"

        def another_command(document, label=label):
            document["deploymentSpec"]["executors"][label]["container"]["args"].append("--more")

        assert (changed(spec, another_image) != before) == counts, label
        assert (changed(spec, another_command) != before) == counts, label

    def other_faces(document):
        given = document["root"]["dag"]["tasks"]["mine-and-train"]["inputs"]["artifacts"]
        given["faces"]["taskOutputArtifact"]["outputArtifactKey"] = "dataset"

    def another_type(document):
        document["components"]["comp-collect"]["inputDefinitions"]["parameters"]["seed"] = {"parameterType": "STRING"}

    assert before not in {changed(spec, other_faces), changed(spec, another_type)}

    def retries(document):
        document["root"]["dag"]["tasks"]["mine-and-train"]["retryPolicy"] = {"maxRetryCount": 9}

    assert changed(spec, retries) == before


@pytest.mark.parametrize("image", ["facenet/extract:latest", "facenet/extract", "registry:5000/extract:1.0"])
def test_an_image_whose_name_does_not_say_what_it_contains_has_no_key(spec, image):
    def another(document):
        document["deploymentSpec"]["executors"]["exec-extract"]["container"]["image"] = image

    with pytest.raises(UsageError, match="cannot be told by its name"):
        changed(spec, another)


def packaged(contents: str, *settings: str, server: tuple[int, int] = (2, 18), cached: bool = True) -> str:
    of_task = {"extract.contents": contents}
    return package(DEFAULT_OUTPUT, of_task, {}, cached=cached, server=server, known=values(*settings)).text


def test_nobody_can_start_a_file_with_a_key_with_other_values():
    text = packaged(CONTENTS)
    document = next(yaml.load_all(text, yaml.CSafeLoader))
    assert "parameters" not in document["root"].get("inputDefinitions", {})
    assert "componentInputParameter" not in json.dumps(document["root"])
    assert document["root"]["dag"]["tasks"]["mine-and-train"]["cachingOptions"]["cacheKey"]
    assert "cacheKey" not in packaged(CONTENTS, server=(2, 17)) + packaged(CONTENTS, cached=False)


def fingerprints(text: str, version: str, name: str = "one") -> dict[str, str]:
    # The package that reads the file here is older than the policies in it.
    text = re.sub(r"^ +policy: POLICY_\w+\n", "", text, flags=re.MULTILINE)
    made = records(text, version, {}, Run(name=name, id=name))
    assert [record["refused"] for record in made] == [None] * len(made)
    return {record["task"]: record["fingerprint"] for record in made}


def test_a_cluster_answers_all_tasks_of_another_run_and_none_of_other_photos():
    """As 2.18 will do it. Before, the training's volume, which is each run's own, makes it train anew."""
    text = packaged(CONTENTS, "shards=2")
    first = fingerprints(text, "2.18")
    assert fingerprints(text, "2.18", "two") == first
    exported = fingerprints(packaged(CONTENTS, "shards=2", "export=float32"), "2.18", "two")
    assert {task for task in first if exported[task] != first[task]} == {"export"}
    others = fingerprints(packaged(CONTENTS[::-1], "shards=2"), "2.18", "two")
    assert {task.rsplit("/", 1)[-1] for task in first if others[task] != first[task]} >= {"extract", "mine-and-train"}
    for version in SUPPORTED:
        one, two = fingerprints(text, version), fingerprints(text, version, "two")
        assert {task for task in one if one[task] != two[task]} == {"mine-and-train"}


def lay_out(folder: Path, **photos: bytes) -> Path:
    for name, content in photos.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "1.jpg").write_bytes(content)
    return folder


def test_photos_have_one_hash_wherever_they_lie_and_any_change_of_one_is_another(tmp_path):
    one, two = (lay_out(tmp_path / name, Ada=b"a", Grace=b"g") for name in ("one", "two"))
    (two / "Ada" / "notes.txt").write_text("no photo")
    assert sha256_of(one) == sha256_of(two)
    others = [
        lay_out(tmp_path / "content", Ada=b"b", Grace=b"g"),
        lay_out(tmp_path / "names", Ada=b"g", Grace=b"a"),
        lay_out(tmp_path / "fewer", Ada=b"a"),
        lay_out(tmp_path / "more", Ada=b"a", Grace=b"g", Alan=b"t"),
    ]
    assert len({sha256_of(folder) for folder in (one, *others)}) == 5


def test_a_photo_that_cannot_be_read_has_no_hash(tmp_path, monkeypatch):
    monkeypatch.setattr("components.extract.contents.scan", lambda folder: Scan(photos=["Ada/gone.jpg"]))
    with pytest.raises(FacenetError, match="nothing tells these photos from others"):
        sha256_of(tmp_path)


def test_extract_refuses_other_photos(tmp_path, capsys):
    folder = lay_out(tmp_path / "photos", Ada=b"a")
    flags = ["-i", str(folder), "-o", str(tmp_path / "faces"), "--contents", sha256_of(folder)]
    (folder / "Ada" / "1.jpg").write_bytes(b"b")
    assert extract(flags) == 2
    assert "These are not the photos that were meant" in capsys.readouterr().err
    assert not (tmp_path / "faces").exists()
