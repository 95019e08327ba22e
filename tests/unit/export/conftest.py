"""A tiny network on the sample faces, evaluated and exported once for all tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.common.crops import crop_of, decode_crops, faces_of
from components.common.manifest import DATASET, read


@pytest.fixture(scope="session")
def checkpoint(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with random weights whose BatchNorm knows the faces, as after a training."""
    import keras

    from components.common.preprocessing import Preprocessing
    from components.model.checkpoint import save
    from components.model.network import Architecture, build, scale

    architecture = Architecture("small_resnet", 32, 64)
    keras.utils.set_random_seed(0)
    network = build(architecture)
    faces = faces_of(dataset, ())
    images = scale(decode_crops(read(dataset, DATASET), faces, 32))
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0  # the statistics of one batch, whole
    network(images, training=True)
    path = tmp_path_factory.mktemp("exported") / "checkpoint"
    preprocessing = Preprocessing(32, crop_of(faces), flip_averaging=True)
    save(path, network, architecture, preprocessing, {"recipe": {"rounds": 0, "strategy": {"margin": 0.2}}})
    return path


@pytest.fixture(scope="session")
def embeddings(dataset: Path, checkpoint: Path) -> Path:
    from components.embed.__main__ import main

    path = checkpoint.with_name("embeddings")
    assert main(["-i", str(dataset), "-c", str(checkpoint), "-o", str(path)]) == 0
    return path


@pytest.fixture(scope="session")
def report(embeddings: Path) -> Path:
    from components.evaluate import strangers
    from components.evaluate.__main__ import main

    path = embeddings.with_name("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strangers, "LEAST_NAMED", 5)  # of 96 faces ten are more than the largest rate
        assert main(["-i", str(embeddings), "-o", str(path), "--split", "all"]) == 0
    return path


@pytest.fixture(scope="session")
def exported(dataset: Path, checkpoint: Path, report: Path) -> Path:
    """The folder of an export of all variants; its cards lie beside it."""
    from components.export.__main__ import main

    path = checkpoint.with_name("export")
    flags = ["-i", str(dataset), "-c", str(checkpoint), "-o", str(path), "--report", str(report)]
    cards = ["--html", f"{path}.html", "--markdown", f"{path}.md"]
    assert main([*flags, *cards, "--calibration", "40"]) == 0
    return path


def vectors(manifest: Path) -> np.ndarray:
    """float32 [n, size]: the embeddings of a manifest."""
    from components.common.manifest import EMBEDDINGS

    return np.array(read(manifest, EMBEDDINGS)["embedding"].to_pylist(), np.float32)
