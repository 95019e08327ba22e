"""Errors that no line of a shell reaches at once: each function raises one, given an empty folder."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import chdir, closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
from urllib3.exceptions import SSLError

from components.common import published
from components.common.atomic import check_replaceable, new_directory, write_file
from components.common.crops import crop_of, decode_crops, faces_of
from components.common.executor import inputs
from components.common.manifest import DATASET, EMBEDDINGS, FACES, order_shards, parts, write
from components.common.preprocessing import Crop, pixels
from components.common.shard import Shard
from components.embed.network import Network
from components.evaluate.embeddings import read_embeddings
from components.evaluate.on_disk import empty
from components.export.faces import calibration_rows, held_out_rows
from components.extract import align
from components.litert.specification import parse
from components.page.pictures import thumbnails
from components.sample.folder import draw
from components.verify import gallery
from pipelines.cli import main
from pipelines.cluster import failures
from pipelines.compile import DEFAULT_OUTPUT
from pipelines.compose import compose_file
from pipelines.local import composed, engine
from pipelines.plan.loops import expand
from pipelines.plan.tasks import Container, Parameter, Pipeline, Task, check_choice, parameter_values
from pipelines.plan.values import to_kind
from pipelines.records.folder import new_run

HOST = "https://cluster.example"


def _dataset_without_faces(here: Path) -> None:
    write(here / "dataset", DATASET, DATASET.schema.empty_table())
    faces_of(here / "dataset", ())


def _no_faces(here: Path) -> Path:
    write(here / "faces", FACES, FACES.schema.empty_table())
    return here / "faces"


def _faces_without_crop(here: Path) -> None:
    crop_of(_no_faces(here))


def _dataset_of_other_faces(here: Path) -> None:
    decode_crops(pa.table({"face_id": ["a"], "part": [1], "row": [0]}), _no_faces(here), 32)


def _pictures_of_other_faces(here: Path) -> None:
    thumbnails([_no_faces(here) / "part-00000.parquet"], {"a"})


def _faces_of_a_later_version(here: Path) -> None:
    write(here / "faces", replace(FACES, version=99), FACES.schema.empty_table())
    parts(here / "faces", FACES)


def _faces_of_other_columns(here: Path) -> None:
    other = pa.schema([("a", pa.int64())])
    write(here / "faces", replace(FACES, schema=other), other.empty_table())
    parts(here / "faces", FACES)


def _shards_of_different_settings(here: Path) -> None:
    shards = [here / "1", here / "2"]
    for number, shard in enumerate(shards, start=1):
        write(shard, FACES, FACES.schema.empty_table(), {"margin": number}, Shard(number, 2))
    order_shards(shards, FACES)


def _unknown_store(here: Path) -> None:
    text = '{"inputs": {"artifacts": {"faces": {"artifacts": [{"uri": "ftp://host/faces"}]}}}}'
    inputs(text, "faces", (), "--faces FACES")


def _no_embeddings(here: Path) -> None:
    write(here / "embeddings", EMBEDDINGS, EMBEDDINGS.schema.empty_table())
    read_embeddings(here / "embeddings")


def _odd_specification(here: Path) -> None:
    parse("{}", "model.json")


def _damaged_crop(here: Path) -> None:
    pixels(b"no picture", 32)


def _nothing_to_calibrate_on(here: Path) -> None:
    calibration_rows(pa.table({"split": ["test"]}), 1, 0)


def _nothing_held_out(here: Path) -> None:
    held_out_rows(pa.table({"split": ["train"]}), 1, 0)


def _no_landmark_package(here: Path) -> None:
    with patch.object(align, "path_in_package", lambda file: None):
        align.landmark_model(None)


def _no_landmarks_here(here: Path) -> None:
    align.landmark_model(here / "none")


def _no_landmark_model(here: Path) -> None:
    (here / "landmarks.dat").write_text("a text")
    align.landmark_model(here / "landmarks.dat")


def _another_sample(here: Path) -> None:
    for seed in (1, 2):
        draw(here / "photos", identities=1, photos=1, seed=seed, workers=1)


def _no_network_anywhere(here: Path) -> int:
    with chdir(here), patch.object(published, "path_in_package", lambda file: None):
        return main(["verify", "a.jpg", "b.jpg"])


def _no_cluster_in_tf_config(here: Path) -> None:
    from components.mine_and_train.devices import strategy_here

    with patch.dict(os.environ, TF_CONFIG="{"):
        strategy_here()


def _xla_on_two_devices(here: Path) -> None:
    from components.mine_and_train.hyperparameters import Hyperparameters
    from components.mine_and_train.session import _check_devices
    from components.mine_and_train.settings import Settings

    _check_devices(Settings(here, here, hyperparameters=Hyperparameters(xla=True)), 2)


def _damaged_training(here: Path) -> None:
    from components.mine_and_train.state import FILE, load

    (here / FILE).write_text("a text")
    load(here)


def _too_short_embeddings(here: Path) -> None:
    from components.model.network import Architecture, build

    build(Architecture("small_resnet", 32, 1))


def _uneven_members(here: Path) -> None:
    from components.model.network import Architecture, build

    build(Architecture("small_resnet", 32, 9, members=2))


def _no_tensorflow_checkpoint(here: Path) -> None:
    from components.model.tf_slim import read

    read(here / "none.ckpt")


def _new_gallery(here: Path, made_by: str = "0") -> Any:
    network = Network(Crop(0.25, "none"), 32, 2, made_by * 64, lambda images, bar: images)
    return gallery.open_gallery(here / "gallery.db", network, create=True)


def _nobody_of_this_name(here: Path) -> None:
    with _new_gallery(here) as new:
        new.forget("Ada")


def _empty_gallery(here: Path) -> None:
    with _new_gallery(here) as new:
        new.people()


def _two_names_for_a_picture(here: Path) -> None:
    with _new_gallery(here) as new:
        new.add([gallery.Enrollment(name, "1", "1.jpg", np.ones(2, np.float32)) for name in ("Ada", "Bob")])


def _gallery_of_another_network(here: Path) -> None:
    for made_by in "01":
        with _new_gallery(here, made_by):
            pass


def _gallery_of_a_later_version(here: Path) -> None:
    with _new_gallery(here):
        pass
    with closing(sqlite3.connect(here / "gallery.db")) as changed:
        changed.execute("PRAGMA user_version = 99")
    with _new_gallery(here):
        pass


def _damaged_gallery(here: Path) -> None:
    with _new_gallery(here):
        pass
    file = here / "gallery.db"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with gallery.open_gallery(file):
        pass


def _locked(here: Path) -> None:
    with new_directory(Path("/proc/result"), ["*"]):
        pass


def _locked_file(here: Path) -> None:
    write_file(Path("/proc/result"), "")


def _locked_embeddings(here: Path) -> None:
    empty((1 << 20, 128), Path("/proc/result"))


def _locked_runs(here: Path) -> None:
    new_run(Path("/proc/runs"))


def _people(here: Path) -> str:
    """A folder of people, enough of them; nobody opens their photos."""
    for person in range(16):
        folder = here / "photos" / f"person-{person}"
        folder.mkdir(parents=True)
        for photo in ("1.jpg", "2.jpg"):
            (folder / photo).touch()
    return str(here / "photos")


def _cache_of_another_make(here: Path) -> int:
    with closing(sqlite3.connect(here / "cache.sqlite")) as cache:
        cache.execute("CREATE TABLE answers (other)")
    return main(["run", "-i", _people(here), "--runs", str(here)])


def _task(**changes: Any) -> Task:
    given: dict[str, Any] = {
        "executor": Container(("{{$.none}}",), {}),
        **{key: {} for key in ("parameters", "sources", "artifacts", "outputs", "output_parameters")},
        **changes,
    }
    return Task(name="ask", label="ask", template="ask", after=frozenset(), cacheable=False, **given)


def _not_of_its_type(here: Path) -> None:
    to_kind("large", "NUMBER_INTEGER", "size")


def _two_tasks_of_a_name(here: Path) -> None:
    expand(Pipeline("asks", {}, (_task(), _task())))


def _unknown_placeholder(here: Path) -> None:
    compose_file(Pipeline("asks", {}, (_task(),)))


def _no_such_choice(here: Path) -> None:
    check_choice("large", Parameter("STRING", choices=("small",)), "size")


def _no_value(here: Path) -> None:
    parameter_values(_task(parameters={"size": Parameter("STRING")}), {}, {})


def _compose_file_that_hands_on(here: Path) -> None:
    compose_file(Pipeline("asks", {}, (_task(output_parameters={"size": Parameter("STRING")}),)))


def _run_by_compose_without_a_name(here: Path) -> int:
    with patch.dict(os.environ, RUNS=".."):
        return composed.main([str(here), "begin", "{}"])


def _no_docker(here: Path) -> None:
    with patch.dict(os.environ, PATH=str(here)):
        engine.check()


def _with_docker(here: Path, script: str, *words: str) -> int:
    """Runs a command where `docker` is a script."""
    docker = here / "docker"
    docker.write_text(f"#!/bin/sh\n{script}\n")
    docker.chmod(0o755)
    with patch.dict(os.environ, PATH=str(here)):
        return main(list(words))


# It answers, has no image, and builds none.
_ONLY_ANSWERS = 'test "$1" = version'


def _docker_in_trouble(here: Path) -> int:
    return _with_docker(here, "echo no daemon; exit 1", "images")


def _no_image_built(here: Path) -> int:
    return _with_docker(here, _ONLY_ANSWERS, "images", "--only", "collect")


def _no_such_image(here: Path) -> int:
    pipeline = here / "pipeline.yaml"
    pipeline.write_text(re.sub(r"( image:) .*", r"\1 elsewhere.example/one:1", DEFAULT_OUTPUT.read_text()))
    where = ["-i", _people(here), "--pipeline", str(pipeline), "--runs", str(here / "runs")]
    return _with_docker(here, _ONLY_ANSWERS, "run", "--runner", "compose", *where)


def _submit(**environment: str) -> int:
    with patch.dict(os.environ, environment):
        return main(["submit", "-i", "s3://bucket/photos", "--host", HOST])


def _token_of_two_words(here: Path) -> int:
    return _submit(KFP_EXISTING_TOKEN="two words")


def _no_token_in_its_file(here: Path) -> int:
    return _submit(KF_PIPELINES_SA_TOKEN_PATH=str(here / "none"))


def _wrong_credentials(here: Path) -> None:
    raise failures.refusal(401, "who?", HOST, "no token")


def _not_allowed(here: Path) -> None:
    raise failures.refusal(403, "not yours", HOST, "no token")


def _refused(here: Path) -> None:
    raise failures.refusal(400, "no", HOST, "no token")


def _undescribed_volume(here: Path) -> None:
    raise failures.refusal(500, "workspace PVC spec must specify accessModes", HOST, "no token")


def _untrusted(here: Path) -> None:
    raise failures.silence(SSLError("certificate"), HOST)


def _not_kubeflow(here: Path) -> None:
    raise failures.not_kubeflow(HOST)


# The call -> exit code, and a word of its message.
def _mount_point(here: Path) -> None:
    check_replaceable(Path("/"), ["*"])


CALLS: dict[Callable[[Path], int | None], tuple[int, str]] = {
    _dataset_without_faces: (2, "does not say where its faces lie"),
    _faces_without_crop: (2, "does not say how its faces were cut out"),
    _mount_point: (2, "is a mount point"),
    _dataset_of_other_faces: (2, "not the one that the dataset was collected from"),
    _pictures_of_other_faces: (2, "not the one that the faces to be shown come from"),
    _faces_of_a_later_version: (2, "has a schema version that this program does not read"),
    _faces_of_other_columns: (2, "columns of this faces manifest are not as declared"),
    _shards_of_different_settings: (2, "were made with different settings"),
    _unknown_store: (2, "in a way that is not known here"),
    _no_embeddings: (2, "holds no embeddings"),
    _odd_specification: (2, "specification of a face embedder cannot be applied"),
    _damaged_crop: (1, "crop in the faces manifest is damaged"),
    _nothing_to_calibrate_on: (1, "calibrated on faces of the training split"),
    _nothing_held_out: (1, "faces that were not trained on, and there are none"),
    _no_landmark_package: (2, "Alignment needs a landmark model"),
    _no_landmarks_here: (2, "no landmark model here"),
    _no_landmark_model: (2, "not a landmark model of dlib"),
    _another_sample: (2, "holds another sample"),
    _no_network_anywhere: (2, "no network here"),
    _no_cluster_in_tf_config: (2, "TF_CONFIG does not describe a cluster"),
    _xla_on_two_devices: (2, "--xla is for one device"),
    _damaged_training: (2, "state of the training cannot be read"),
    _too_short_embeddings: (2, "embedding size does not make a network"),
    _uneven_members: (2, "So many members do not make a network"),
    _no_tensorflow_checkpoint: (2, "TensorFlow cannot read this checkpoint"),
    _nobody_of_this_name: (2, "Nobody of this name is in the gallery"),
    _empty_gallery: (2, "gallery is empty"),
    _two_names_for_a_picture: (2, "enrolled under another name already"),
    _gallery_of_another_network: (2, "made by another network"),
    _gallery_of_a_later_version: (2, "has a version that this program does not read"),
    _damaged_gallery: (1, "gallery is damaged"),
    _locked: (2, "folder of the result cannot be written to"),
    _locked_embeddings: (2, "too many for memory"),
    _locked_file: (2, "file cannot be written"),
    _locked_runs: (2, "runs folder cannot be written to"),
    _cache_of_another_make: (1, "cache in the runs folder cannot be used"),
    _not_of_its_type: (2, "size is a whole number"),
    _two_tasks_of_a_name: (2, "Two tasks of the pipeline would have one name"),
    _unknown_placeholder: (2, "placeholder without a value"),
    _no_such_choice: (2, "size has no such value"),
    _no_value: (2, "ask.size has no value"),
    _compose_file_that_hands_on: (2, "cannot hand on the values of parameters"),
    _run_by_compose_without_a_name: (2, "RUNS does not name the run's folder"),
    _no_docker: (1, "Docker is not installed"),
    _docker_in_trouble: (1, "Docker engine does not answer"),
    _no_image_built: (1, "image of collect cannot be built"),
    _no_such_image: (2, "names an image that is not on this machine"),
    _token_of_two_words: (2, "not a token"),
    _no_token_in_its_file: (2, "token's file cannot be read"),
    _wrong_credentials: (2, "does not accept these credentials"),
    _not_allowed: (2, "does not allow this with these credentials"),
    _refused: (1, "cluster refused what was asked"),
    _undescribed_volume: (2, "say more about the workspace's volume"),
    _untrusted: (2, "No trusted connection"),
    _not_kubeflow: (2, "does not answer as Kubeflow Pipelines 2 does"),
}
