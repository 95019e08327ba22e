"""The stages that need TensorFlow, on a network small enough for a test: train, embed, and what they refuse."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest

from components.collect.__main__ import main as collect
from components.common import crops
from components.common.crops import decode_crops
from components.common.manifest import DATASET, EMBEDDINGS, about, read, write
from components.common.parsing import parse
from components.embed.__main__ import main as embed
from components.mine_and_train import stage
from components.mine_and_train.__main__ import main as mine_and_train
from components.mine_and_train.hyperparameters import Hyperparameters
from components.mine_and_train.train import Training
from components.model.network import Architecture, build

TINY = ["--backbone", "small_resnet", "--image_size", "32", "--embedding_size", "16", "--batch_size", "32"]
TINY += ["--faces_per_identity", "4", "--max_batches", "3", "--rounds", "2"]


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    flags = ["-i", str(dataset), "-c", str(folder / "checkpoint"), "--embeddings", str(folder / "embeddings")]
    assert mine_and_train([*flags, *TINY]) == 0
    return folder


def test_the_training_folder_shows_the_training(trained):
    folder = trained / "checkpoint-training"
    page = (folder / "card.html").read_text()
    assert "data:image/jpeg" in page and "<svg" in page and "--rounds" in page
    assert list((folder / "events").glob("events.out*"))
    assert (folder / "events" / "faces.png").stat().st_size > 1000


def test_the_checkpoint_records_recipe_and_rounds(trained, dataset):
    description = json.loads((trained / "checkpoint" / "facenet.json").read_text())
    assert description["backbone"] == "small_resnet"
    assert description["preprocessing"]["crop"] == {"margin": 0.25, "alignment": "none", "detector": "dlib"}
    rounds = description["training"]["rounds"]
    assert [entry["number"] for entry in rounds] == [1, 2]
    train_rows = [row for row in read(dataset, DATASET).to_pylist() if row["split"] == "train"]
    assert rounds[0]["images"] == len(train_rows)
    assert all(0 < entry["triplets_trained"] <= entry["triplets_found"] for entry in rounds)


@pytest.mark.long
def test_training_again_on_faces_that_are_never_all_decoded_gives_the_same_bytes_and_other_places_for_the_card(
    trained, dataset, tmp_path, monkeypatch
):
    monkeypatch.setattr(crops, "DECODED_BYTES", 0)
    places = ["--html", str(tmp_path / "card.html"), "--markdown", str(tmp_path / "card.md")]
    flags = ["-i", str(dataset), "-c", str(tmp_path / "checkpoint"), "--pictures", "false", *places]
    assert mine_and_train([*flags, *TINY]) == 0
    for file in ("model.weights.h5", "facenet.json"):
        assert (tmp_path / "checkpoint" / file).read_bytes() == (trained / "checkpoint" / file).read_bytes()
    folder = tmp_path / "checkpoint-training"
    assert (tmp_path / "card.html").read_text() == (folder / "card.html").read_text()
    assert "data:image" not in (tmp_path / "card.html").read_text()
    assert not (folder / "events" / "faces.png").exists()
    assert (tmp_path / "card.md").read_text().startswith("# Training")


def test_embed_gives_the_embeddings_of_the_end_of_training(trained, dataset, tmp_path):
    assert embed(["-i", str(dataset), "-c", str(trained / "checkpoint"), "-o", str(tmp_path / "embeddings")]) == 0
    rows, at_the_end = (read(place / "embeddings", EMBEDDINGS) for place in (tmp_path, trained))
    assert rows.drop(["embedding"]).equals(at_the_end.drop(["embedding"]))
    assert rows["face_id"].to_pylist() == read(dataset, DATASET)["face_id"].to_pylist()
    one, other = (np.stack(table["embedding"].to_numpy()) for table in (rows, at_the_end))
    np.testing.assert_allclose(one, other, atol=1e-5)  # LiteRT's and TensorFlow's
    np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, atol=1e-5)


def test_rounds_bring_faces_of_one_identity_together(dataset, faces):
    rows = read(dataset, DATASET)
    images = decode_crops(rows, faces, 32)
    labels = np.unique(rows["identity"].to_numpy(zero_copy_only=False), return_inverse=True)[1]
    recipe = Hyperparameters(rounds=6, identities_per_round=100, faces_per_identity=4, batch_size=64, max_batches=20)
    keras.utils.set_random_seed(0)  # of the network's first weights
    training = Training(build(Architecture("small_resnet", 32, 32)), images, labels, recipe)
    assert [done.number for done in training.run() if done is not None] == list(range(1, 7))
    assert training.rounds[-1].triplets_found < 0.5 * training.rounds[0].triplets_found


@pytest.mark.long
@pytest.mark.parametrize(
    ("flags", "phases"),
    [
        (
            ["--loss", "online-triplet", "--negatives", "semi-hard", "--optimizer", "adam", "--ema", "0.5"],
            ["triplets"] * 2,
        ),
        (["--loss", "contrastive", "--erasing", "0.5"], ["contrastive"] * 2),
        (
            ["--loss", "classification", "--class_sample_rate", "0.5", "--precision", "float16"],
            ["classification"] * 2,
        ),
        (["--classification_rounds", "1", "--precision", "bfloat16"], ["classification", "triplets"]),
        (["--precision", "float16", "--clip_norm", "1"], ["triplets"] * 2),
        (["--precision", "auto", "--members", "2", "--image_size", "36"], ["triplets"] * 2),
    ],
)
def test_every_way_to_train_ends_in_a_checkpoint_that_embeds(flags, phases, dataset, tmp_path):
    given = ["-i", str(dataset), "-c", str(tmp_path / "checkpoint"), *TINY, "--flip_averaging", "true", *flags]
    assert mine_and_train(given) == 0
    description = json.loads((tmp_path / "checkpoint" / "facenet.json").read_text())
    rounds = description["training"]["rounds"]
    assert [entry["phase"] for entry in rounds] == phases
    assert all((entry["pairs_trained"] > 0) == (entry["phase"] == "contrastive") for entry in rounds)
    assert all((entry["triplets_trained"] > 0) == (entry["phase"] == "triplets") for entry in rounds)
    assert description["preprocessing"]["flip_averaging"] is True
    assert embed(["-i", str(dataset), "-c", str(tmp_path / "checkpoint"), "-o", str(tmp_path / "embeddings")]) == 0
    vectors = np.stack(read(tmp_path / "embeddings", EMBEDDINGS)["embedding"].to_numpy())
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_faces_cut_out_in_another_way_are_refused_by_embed(trained, dataset, faces, tmp_path, capsys):
    from components.common.manifest import FACES

    wider = {**about(faces, FACES), "margin": 0.5}
    write(tmp_path / "faces", FACES, read(faces, FACES), wider)
    flags = ["-i", str(dataset), "-c", str(trained / "checkpoint"), "--faces", str(tmp_path / "faces")]
    assert embed([*flags, "-o", str(tmp_path / "embeddings")]) == 2
    said = capsys.readouterr().err
    assert "margin=0.5" in said
    assert "margin=0.25" in said
    assert not (tmp_path / "embeddings").exists()


def test_a_start_is_given_faces_that_are_cut_out_as_its_own_were(dataset, faces, tmp_path, capsys):
    from components.common.manifest import FACES

    said = []
    for number, (margin, alignment, more) in enumerate(
        [(0.25, "none", []), (0.5, "dlib", []), (0.5, "dlib", ["--crop_share", "0.75", "--embedding_size", "0"])]
    ):
        write(folder := tmp_path / str(number), FACES, read(faces, FACES), {"margin": margin, "alignment": alignment})
        flags = ["-i", str(dataset), "-c", str(tmp_path / "checkpoint"), "--faces", str(folder), *TINY, *more]
        flags += ["-p", "dlib", "--backbone", "dlib_resnet", "--image_size", "150"]
        assert mine_and_train(flags) == 2
        said.append(capsys.readouterr().err)
    assert "Run `facenet extract --margin 0.25 --alignment dlib --detector dlib`" in said[0]
    assert "margin=0.5" in said[1] and "Give --crop_share 0.75." in said[1]
    assert "cut out" not in said[2]  # refused for what is wrong with it later
    flags[flags.index("dlib_resnet") :] = ["dlib_slim", "--image_size", "68"]
    assert mine_and_train(flags) == 2
    assert "Give --crop_share 0.68." in capsys.readouterr().err  # 68 of 75 pixels of dlib's, of which these show 4/3


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--backbone", "alexnet"], "Known: "),
        (["--image_size", "8"], "Give 32 to 1024 pixels"),
        (["--batch_size", "6"], "Give --batch_size 8 or more"),
        (["--rounds", "-1"], "--rounds is too small"),
        (["--learning_rate", "0"], "--learning_rate must be positive"),
        (["--learning_rate", "nan"], "--learning_rate must be positive"),
        (["--loss", "contrast"], "Did you mean contrastive?"),
        (["--erasing", "2"], "--erasing is a number from 0 to 1"),
        (["--class_margin", "9"], "--class_margin of arcface"),
        (["-p", "nowhere"], "no weights here"),
        (["--faces", "nowhere"], "no faces manifest here"),
        (["-i", "nowhere"], "no dataset manifest here"),
    ],
)
def test_wrong_use_is_said_before_tensorflow_is_loaded_and_leaves_nothing(dataset, tmp_path, flags, message, capsys):
    given = [*TINY, "-c", str(tmp_path / "checkpoint"), *(["-i", str(dataset)] if "-i" not in flags else []), *flags]
    assert mine_and_train(given) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Received: " in said
    assert list(tmp_path.iterdir()) == []


def test_too_few_people_to_train_on_are_counted(dataset, faces, tmp_path, capsys):
    rows = read(dataset, DATASET)
    one = rows.filter([name == rows["identity"][0].as_py() for name in rows["identity"].to_pylist()])
    one = one.set_column(one.schema.get_field_index("split"), DATASET.schema.field("split"), [["train"] * len(one)])
    write(tmp_path / "dataset", DATASET, one, {"faces": "unused"})
    flags = ["-i", str(tmp_path / "dataset"), "--faces", str(faces), "-c", str(tmp_path / "checkpoint"), *TINY]
    assert mine_and_train(flags) == 1
    assert "1 identity in the train split" in capsys.readouterr().err


def test_a_dataset_of_people_for_the_test_alone_has_nobody_to_train_on(faces, tmp_path, capsys):
    assert collect(["-i", str(faces), "-o", str(tmp_path / "dataset"), "--test", "1"]) == 0
    assert "Nobody is left to train on." in capsys.readouterr().out
    assert mine_and_train(["-i", str(tmp_path / "dataset"), "-c", str(tmp_path / "checkpoint"), *TINY]) == 1
    assert "There is nobody to train on" in capsys.readouterr().err


def test_on_a_cluster_a_volume_that_only_root_may_write_to_is_done_without_and_said(tmp_path, capsys, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    flags = ["-i", "dataset", "-c", str(tmp_path / "checkpoint"), "--training", str(tmp_path / "volume" / "training")]
    by_hand, on_cluster = (
        parse(stage.Settings, [*flags, *more], prog="x") for more in ([], ["--executor_input", "{}"])
    )
    assert stage._without_unwritable_volume(on_cluster) == on_cluster
    monkeypatch.setattr(stage.tempfile, "TemporaryFile", refuse)
    assert stage._without_unwritable_volume(by_hand) == by_hand  # whoever named it gets the error
    assert stage._without_unwritable_volume(on_cluster).training_folder == tmp_path / "checkpoint-training"
    assert "a training whose pod is lost begins anew" in capsys.readouterr().out
