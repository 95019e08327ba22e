"""Any LiteRT face embedder goes through embed and evaluate, without TensorFlow."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from components.common.crops import crop_of
from components.common.manifest import DATASET, EMBEDDINGS, read
from components.common.preprocessing import Preprocessing
from components.embed.__main__ import main
from tests.unit.litert.published import SPECIFICATION, pair_model

# A process of its own: TensorFlow is in this one already.
WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = sys.modules["keras"] = None
from components.common.preprocessing import Preprocessing
from components.embed.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def published(tmp_path):
    path = tmp_path / "published.tflite"
    path.write_bytes(pair_model())
    return path


def specified(path, margin=0.25):
    record = {**SPECIFICATION, "preprocessing": {"crop": {"margin": margin, "alignment": "none"}}}
    path.with_suffix(".json").write_text(json.dumps(record))


def test_a_published_model_is_scored(tmp_path, published, dataset):
    specified(published)
    flags = ["-i", str(dataset), "-c", str(published), "-o", str(tmp_path / "embeddings")]
    subprocess.run([sys.executable, "-c", WITHOUT_TENSORFLOW, *flags], check=True)
    table = read(tmp_path / "embeddings", EMBEDDINGS)
    assert set(table["checkpoint_sha256"].to_pylist()) == {hashlib.sha256(published.read_bytes()).hexdigest()}
    vectors = np.array(table["embedding"].to_pylist())
    assert vectors.shape == (len(read(dataset, DATASET)), 192)

    from components.evaluate.__main__ import main as evaluate

    assert evaluate(["-i", str(tmp_path / "embeddings"), "-o", str(tmp_path / "report"), "--split", "all"]) == 0
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert metrics["checkpoint_sha256"] == table["checkpoint_sha256"][0].as_py()


def test_without_tensorflow_a_checkpoint_folder_is_refused_by_name(tmp_path, dataset):
    (tmp_path / "facenet.json").write_text('{"format": 1}')
    (tmp_path / "model.weights.h5").touch()
    flags = ["-i", str(dataset), "-c", str(tmp_path), "-o", str(tmp_path / "embeddings")]
    code = [sys.executable, "-c", WITHOUT_TENSORFLOW, *flags]
    done = subprocess.run(code, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "needs TensorFlow, which is not installed here" in done.stderr


@pytest.mark.parametrize(("margin", "message"), [(0.3, "not cut out the way"), (None, "does not say what")])
def test_a_model_that_does_not_fit(tmp_path, published, dataset, capsys, margin, message):
    if margin:
        specified(published, margin)
    assert main(["-i", str(dataset), "-c", str(published), "-o", str(tmp_path / "embeddings")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "embeddings").exists()


def test_bfloat16_is_near_and_a_file_keeps_its_own_precision(tmp_path, published, dataset, faces, capsys):
    import keras

    from components.model import checkpoint
    from components.model.network import Architecture, build

    keras.utils.set_random_seed(0)
    architecture = Architecture("small_resnet", 32, 16)
    checkpoint.save(tmp_path / "c", build(architecture), architecture, Preprocessing(32, crop_of(faces)), {})
    vectors = []
    for precision in ("float32", "bfloat16"):
        flags = ["-c", str(tmp_path / "c"), "-o", str(tmp_path / "e"), "--precision", precision]
        assert main(["-i", str(dataset), *flags]) == 0
        vectors.append(np.array(read(tmp_path / "e", EMBEDDINGS)["embedding"].to_pylist()))
    assert np.sum(vectors[0] * vectors[1], axis=1).min() > 0.99
    assert (vectors[0] != vectors[1]).any()
    specified(published)
    assert main(["-i", str(dataset), "-c", str(published), "-o", str(tmp_path / "e"), "--precision", "bfloat16"]) == 2
    assert "the precision that it was exported with" in capsys.readouterr().err
