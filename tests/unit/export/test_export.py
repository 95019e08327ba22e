"""The whole stage: a checkpoint becomes LiteRT files that stand for it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from components.common.crops import decode_crops, faces_of
from components.common.manifest import DATASET, read
from components.embed.__main__ import main as embed
from components.export import parity
from components.export.__main__ import main
from components.export.convert import convert
from components.export.results import Export, ExportedFile, file_of
from components.litert.embedder import LiteRTEmbedder
from components.model.checkpoint import fingerprint
from tests.unit.export.conftest import vectors

VARIANTS = ("float32", "float16", "dynamic", "int8")


def test_every_variant_is_there_and_as_large_as_its_weights_ask_for(exported):
    assert sorted(path.name for path in exported.iterdir()) == [
        "export.json", *sorted(f"facenet-{name}.tflite" for name in VARIANTS), "model-card.md",
    ]  # fmt: skip
    size = {name: (exported / f"facenet-{name}.tflite").stat().st_size for name in VARIANTS}
    parameters = 1_230_000
    assert size["float32"] > 4 * parameters  # the weights are in the file
    assert size["float16"] < 0.51 * size["float32"]
    assert size["dynamic"] < 0.27 * size["float32"]
    assert size["int8"] < 0.27 * size["float32"]


@pytest.mark.parametrize("name", VARIANTS)
def test_a_file_alone_gives_the_embeddings_of_the_checkpoint(exported, dataset, embeddings, tmp_path, name):
    alone = tmp_path / "facenet.tflite"
    alone.write_bytes((exported / f"facenet-{name}.tflite").read_bytes())
    assert embed(["-i", str(dataset), "-c", str(alone), "-o", str(tmp_path / "embeddings")]) == 0
    cosines = np.sum(vectors(tmp_path / "embeddings") * vectors(embeddings), axis=1)
    assert cosines.min() > {"float32": 0.99999, "float16": 0.9999, "dynamic": 0.99, "int8": 0.95}[name]


@pytest.mark.long
def test_files_of_a_standardised_network_say_so_and_are_calibrated_so(dataset, checkpoint, tmp_path):
    from components.model.checkpoint import load, save
    from components.model.network import Embedder as Original
    from components.model.network import scale

    whole = load(checkpoint)
    images = decode_crops(read(dataset, DATASET), faces_of(dataset, ()), 32)
    whole.network(scale(images, "standardised"), training=True)
    preprocessing = replace(whole.preprocessing, scaling="standardised")
    save(tmp_path / "checkpoint", whole.network, whole.architecture, preprocessing, {})
    flags = ["-i", str(dataset), "-c", str(tmp_path / "checkpoint"), "-o", str(tmp_path / "export")]
    assert main([*flags, "--variants", "float32,int8", "--calibration", "40"]) == 0
    wanted = Original(load(tmp_path / "checkpoint").network, flip_averaging=True, scaling="standardised")(images)
    for name, least in (("float32", 0.99999), ("int8", 0.95)):
        embedder = LiteRTEmbedder(tmp_path / "export" / f"facenet-{name}.tflite")
        assert embedder.specification.scaling == "standardised"
        assert np.sum(embedder(images) * wanted, axis=1).min() > least


def test_a_file_says_what_it_wants_and_what_its_distances_mean(exported, checkpoint, report):
    metrics = json.loads((report / "metrics.json").read_text())
    measured = [row for row in metrics["val_at_far"] if row["threshold"] is not None]
    specification = LiteRTEmbedder(exported / "facenet-int8.tflite").specification
    assert (specification.crop.margin, specification.image_size, specification.flip_averaging) == (0.25, 32, True)
    assert [(each.far, each.distance, [each.low, each.high], each.val) for each in specification.thresholds] == [
        (row["far"], row["threshold"], row["threshold_interval"], row["val"]) for row in reversed(measured)
    ]
    galleries = [row for row in metrics["identification"]["thresholds"] if row["threshold"] is not None]
    assert galleries and [(each.people, each.faces, each.distance) for each in specification.identification] == [
        (row["people"], row["enrolled_faces"], row["threshold"]) for row in galleries
    ]
    card = (exported / "model-card.md").read_text()
    assert all(f"| {row['people']} | {row['enrolled_faces']} | {row['fpir']:.3g} | " in card for row in galleries)
    about = specification.about
    assert (about["variant"], about["backbone"]) == ("int8", "small_resnet")
    assert about["checkpoint_sha256"] == fingerprint(checkpoint)
    assert about["evaluation"]["accuracy"] == metrics["accuracy"]["mean"]


def test_int8_is_int8_from_end_to_end_for_one_image(exported):
    interpreter = Interpreter(str(exported / "facenet-int8.tflite"))
    (given,), (answered,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert given["shape_signature"].tolist() == [1, 32, 32, 3]
    assert given["dtype"] == answered["dtype"] == np.int8
    assert {tensor["dtype"] for tensor in interpreter.get_tensor_details()} <= {np.int8, np.int32}
    # A scale for each channel of a convolution's weights.
    assert any(len(tensor["quantization_parameters"]["scales"]) == 64 for tensor in interpreter.get_tensor_details())


def test_a_prelu_stays_in_float32_so_that_an_int8_network_is_not_cut_into_pieces():
    import keras

    inputs = x = keras.Input((16, 16, 3))
    for _ in range(3):
        x = keras.layers.Conv2D(8, 3)(x)
        x = keras.layers.PReLU(alpha_initializer=keras.initializers.Constant(0.3), shared_axes=[1, 2])(x)
    member = keras.Model(inputs, keras.layers.Flatten()(x))
    network = keras.Model(inputs, keras.layers.UnitNormalization()(member(inputs)))
    images = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), np.uint8)
    interpreter = Interpreter(model_content=convert(network, "int8", {}, images))
    kind = {tensor["index"]: tensor["dtype"] for tensor in interpreter.get_tensor_details()}
    operations = interpreter._get_ops_details()
    assert {kind[each["inputs"][0]] for each in operations if each["op_name"] == "CONV_2D"} == {np.int8}
    assert {kind[each["inputs"][0]] for each in operations if each["op_name"] == "PRELU"} == {np.float32}
    interpreter.allocate_tensors()
    assert [each["op_name"] for each in interpreter._get_ops_details()].count("DELEGATE") == 1
    ((given,), (answered,)) = interpreter.get_input_details(), interpreter.get_output_details()
    for image in images:
        values = image[None].astype(np.float32) / 127.5 - 1
        interpreter.set_tensor(given["index"], values)
        interpreter.invoke()
        found = interpreter.get_tensor(answered["index"])[0]
        assert found @ network(values).numpy()[0] > 0.99 * np.linalg.norm(found)


def test_other_programs_get_embeddings_of_length_1_by_a_signature(exported):
    runner = Interpreter(str(exported / "facenet-float32.tflite")).get_signature_runner("embed")
    embedding = runner(images=np.zeros((1, 32, 32, 3), np.float32))["embedding"]
    np.testing.assert_allclose(np.linalg.norm(embedding), 1, atol=1e-5)


def test_the_record_and_the_cards_tell_the_same(exported):
    record = json.loads((exported / "export.json").read_text())
    texts = [exported.with_suffix(".html"), exported.with_suffix(".md"), exported / "model-card.md"]
    assert [one["variant"] for one in record["exported"]] == list(VARIANTS)
    fastest = min(one["milliseconds"] for one in record["exported"])
    (best,) = [one for one in record["exported"] if one["file"] == record["best"]]
    assert best["milliseconds"] <= 1.1 * fastest
    for one in record["exported"]:
        assert one["bytes"] == (exported / one["file"]).stat().st_size
        assert one["sha256"] == LiteRTEmbedder(exported / one["file"]).sha256
        assert one["milliseconds"] > 0
        for text in texts:
            assert f"{one['parity']['minimum']:.5f}" in text.read_text()
    for text in texts[1:]:
        assert f"Best is `{record['best']}`" in text.read_text()
    card = (exported / "model-card.md").read_text()
    for words in ("## Data", "## Recipe", "strategy: margin | 0.2", "## Scores", "## Limits", "GDPR"):
        assert words in card
    metrics = json.loads((exported.parent / "report" / "metrics.json").read_text())
    assert f"of the {metrics['protocol']['identities']} people measured are of the train split" in card
    assert metrics["doubt"] in card


@pytest.mark.parametrize(
    ("measured", "best"),
    [
        ({"float32": (4, 2.3), "int8": (1, 8.9)}, "float32"),
        ({"float32": (4, 2.3), "int8": (1, 1.4)}, "int8"),
        ({"dynamic": (2, 17.5), "int8": (1, 17.9), "float16": (3, 62)}, "int8"),  # about as fast, and smaller
    ],
)
def test_the_best_is_the_fastest_or_of_those_about_as_fast_the_smallest(measured, best):
    found = [
        ExportedFile(variant, file_of(variant), "", size, milliseconds, parity.Parity(1, 1))
        for variant, (size, milliseconds) in measured.items()
    ]
    assert Export(found).best == file_of(best)
    assert Export().best == ""


def test_a_variant_below_its_bound_fails_the_task_and_says_by_how_much(
    monkeypatch, dataset, checkpoint, tmp_path, capsys
):
    monkeypatch.setitem(parity.BOUNDS, "float32", parity.Bound(minimum=1.5, mean=0.9, fall=0.01))
    flags = ["-i", str(dataset), "-c", str(checkpoint), "-o", str(tmp_path / "export"), "--variants", "float32"]
    assert main(flags) == 1
    assert "float32: the smallest cosine is 1.00000, 0.50000 below 1.5" in capsys.readouterr().err
    assert not (tmp_path / "export").exists()


def test_without_a_report_there_are_no_thresholds_and_the_cards_say_so(dataset, checkpoint, tmp_path):
    flags = ["-i", str(dataset), "-c", str(checkpoint), "-o", str(tmp_path / "export"), "--variants", "float32"]
    assert main(flags) == 0
    assert LiteRTEmbedder(tmp_path / "export" / "facenet-float32.tflite").specification.thresholds == ()
    assert "the files hold no thresholds" in (tmp_path / "export" / "model-card.md").read_text()


def executor_input(folder):
    artifact = {"name": "metrics", "uri": str(folder / "metrics")}
    outputs = {"artifacts": {"metrics": {"artifacts": [artifact]}}, "outputFile": str(folder / "output.json")}
    return json.dumps({"outputs": outputs})


def test_switched_off_it_leaves_a_result_that_says_so_without_tensorflow(dataset, tmp_path):
    code = (
        "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None\n"
        "from components.export.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    flags = ["-i", str(dataset), "-c", "nowhere", "-o", str(tmp_path / "export"), "--variants", ""]
    cards = ["--html", str(tmp_path / "card.html"), "--markdown", str(tmp_path / "card.md")]
    kubeflow = ["--executor_input", executor_input(tmp_path)]
    subprocess.run([sys.executable, "-c", code, *flags, *cards, *kubeflow], check=True)
    assert [path.name for path in (tmp_path / "export").iterdir()] == ["export.json"]
    assert json.loads((tmp_path / "export" / "export.json").read_text())["exported"] == []
    for card in ("card.html", "card.md"):
        assert "switched off" in (tmp_path / card).read_text()
    output = json.loads((tmp_path / "output.json").read_text())
    assert output["artifacts"]["metrics"]["artifacts"][0]["metadata"] == {"files": 0}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--variants", "int8,int4"], "no such variant.\nReceived: int4"),
        (["-c", "nowhere"], "no checkpoint here"),
        (["--calibration", "0"], "--calibration must be at least 1"),
        (["--held_out", "0"], "--held_out must be at least 1"),
        (["--seed", "-1"], "--seed must not be negative"),
        (["--report", "nowhere"], "no evaluation report here"),
    ],
)
def test_wrong_use_is_named(dataset, checkpoint, tmp_path, capsys, flags, message):
    given = ["-i", str(dataset), "-c", str(checkpoint), "-o", str(tmp_path / "export"), *flags]
    assert main(given) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "export").exists()


def test_faces_cut_out_otherwise_are_refused(dataset, checkpoint, tmp_path, capsys):
    other = shutil.copytree(checkpoint, tmp_path / "checkpoint") / "facenet.json"
    other.write_text(other.read_text().replace('"margin": 0.25', '"margin": 0.1'))
    assert main(["-i", str(dataset), "-c", str(other.parent), "-o", str(tmp_path / "export")]) == 2
    assert "not cut out the way the network was trained" in capsys.readouterr().err
