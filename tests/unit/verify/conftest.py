"""A tiny LiteRT model that tells drawn people apart by the colours of their faces, and galleries made with it."""

from __future__ import annotations

import pytest

from components.common.preprocessing import Crop, Preprocessing
from components.litert.specification import Threshold, record_of
from components.verify.enroll import main as enroll

THRESHOLDS = (Threshold(0.001, 0.3), Threshold(0.01, 0.45, 0.4, 0.5, 0.6), Threshold(0.1, 0.7))


@pytest.fixture(scope="session")
def bare(once):
    """The model without a word on what it wants."""

    def make(folder):
        import tensorflow as tf

        from tests.unit.litert.published import converted

        def colours(images):
            """float32 [n, 32, 32, 3] -> float32 [n, 48]: the mean colours of 4 by 4 fields, above their own mean."""
            fields = tf.reshape(tf.nn.avg_pool2d(images, 8, 8, "VALID"), [-1, 48])
            return fields - tf.reduce_mean(fields, axis=1, keepdims=True)

        (folder / "model.tflite").write_bytes(converted(colours, [1, 32, 32, 3]))

    return (once("colours", make) / "model.tflite").read_bytes()


@pytest.fixture(scope="session")
def with_record(bare, tmp_path_factory):
    """Writes the model with its preprocessing and some thresholds inside."""
    from tests.unit.litert.published import with_record as inside

    def written(thresholds):
        record = record_of(Preprocessing(32, Crop(0.25, "none")).to_json(), thresholds, {})
        path = tmp_path_factory.mktemp("model") / "facenet.tflite"
        path.write_bytes(inside(bare, record))
        return path

    return written


@pytest.fixture(scope="session")
def model(with_record):
    """The model, evaluated."""
    return with_record(THRESHOLDS)


@pytest.fixture(scope="session")
def unevaluated(with_record):
    """The same network without thresholds: another file, so another model."""
    return with_record(())


@pytest.fixture(scope="session")
def people(sample_photos):
    """The first photos of the sample's first eight people: name -> photos."""
    return {folder.name: sorted(folder.iterdir())[:2] for folder in sorted(sample_photos.glob("*/"))[:8]}


@pytest.fixture(scope="session")
def enrolled(tmp_path_factory, model, people):
    """A gallery of the first four of them, a photo each."""
    gallery = tmp_path_factory.mktemp("gallery") / "gallery.db"
    for name in list(people)[:4]:
        assert enroll([str(people[name][0]), "--name", name, "-g", str(gallery), "-c", str(model)]) == 0
    return gallery


@pytest.fixture
def gallery(enrolled, tmp_path):
    """A copy of it to write to."""
    copy = tmp_path / "gallery.db"
    copy.write_bytes(enrolled.read_bytes())
    return copy
