from __future__ import annotations

import copy
import hashlib
import json

import numpy as np
import pytest
import tensorflow as tf

from components.common.errors import UsageError
from components.litert.embedder import LiteRTEmbedder
from components.litert.parallel import ParallelEmbedder
from tests.unit.litert.published import IMAGES, SPECIFICATION, converted, embedded, pair_model, with_record


def with_fields(**fields):
    record = copy.deepcopy(SPECIFICATION)
    record["preprocessing"].update(fields)
    return record


def stored(folder, model: bytes, record=None):
    path = folder / "model.tflite"
    path.write_bytes(model)
    if record is not None:
        path.with_suffix(".json").write_text(json.dumps(record))
    return path


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def assert_same_direction(found, expected, least=0.99999):
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.sum(found * unit(np.asarray(expected)), axis=1).min() > least


def test_a_published_model_with_a_batch_of_two_and_192_numbers(tmp_path):
    path = stored(tmp_path, pair_model(), SPECIFICATION)
    embed = LiteRTEmbedder(path)
    assert (embed.batch, embed.embedding_size, embed.image_size) == (2, 192, 16)
    embeddings = embed(IMAGES)  # an odd number
    assert embeddings.shape == (5, 192)
    assert_same_direction(embeddings, embedded(IMAGES.astype(np.float32) / 127.5 - 1))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"scaling": "[0, 1]"}, lambda pixels: pixels / 255),
        ({"scaling": "[0, 255]"}, lambda pixels: pixels),
        ({"scaling": {"mean": 127.5, "deviation": 128}}, lambda pixels: (pixels - 127.5) / 128),
        (
            {"scaling": {"mean": [1, 2, 3], "deviation": [4, 5, 6]}, "colours": "BGR"},
            lambda pixels: (pixels[..., ::-1] - np.float32([1, 2, 3])) / np.float32([4, 5, 6]),
        ),
        ({"scaling": "standardised"}, tf.image.per_image_standardization),
        ({"colours": "BGR"}, lambda pixels: pixels[..., ::-1] / 127.5 - 1),
    ],
)
def test_scaling_and_colours(tmp_path, fields, expected):
    embed = LiteRTEmbedder(stored(tmp_path, pair_model(), with_fields(**fields)))
    assert_same_direction(embed(IMAGES), embedded(expected(IMAGES.astype(np.float32))))


def test_one_colour_can_be_standardised(tmp_path):
    embed = LiteRTEmbedder(stored(tmp_path, pair_model(), with_fields(scaling="standardised")))
    assert np.isfinite(embed(np.full((2, 16, 16, 3), 7, np.uint8))).all()


def test_channels_first(tmp_path):
    model = converted(lambda images: embedded(tf.transpose(images, [0, 2, 3, 1])), [1, 3, 16, 16])
    embed = LiteRTEmbedder(stored(tmp_path, model, with_fields(layout="NCHW")))
    assert_same_direction(embed(IMAGES), embedded(IMAGES.astype(np.float32) / 127.5 - 1))


def test_flip_averaging(tmp_path):
    embed = LiteRTEmbedder(stored(tmp_path, pair_model(), with_fields(flip_averaging=True)))
    values = IMAGES.astype(np.float32) / 127.5 - 1
    assert_same_direction(embed(IMAGES), unit(embedded(values).numpy()) + unit(embedded(values[:, :, ::-1]).numpy()))


@pytest.mark.parametrize("shape", [[None, 16, 16, 3], [1, None, None, 3]])
def test_an_open_batch_and_an_open_size(tmp_path, shape):
    embed = LiteRTEmbedder(stored(tmp_path, converted(embedded, shape), with_fields(image_size=16)))
    assert_same_direction(embed(IMAGES), embedded(IMAGES.astype(np.float32) / 127.5 - 1))


@pytest.mark.parametrize("kind", [tf.int8, tf.uint8])
def test_quantised_input_and_output(tmp_path, kind):
    values = IMAGES.astype(np.float32) / 127.5 - 1
    model = converted(
        embedded,
        [1, 16, 16, 3],
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=lambda: ([value[None]] for value in values),
        inference_input_type=kind,
        inference_output_type=kind,
    )
    embed = LiteRTEmbedder(stored(tmp_path, model, SPECIFICATION))
    assert embed._input["dtype"] == kind.as_numpy_dtype
    assert_same_direction(embed(IMAGES), embedded(values), least=0.99)


def test_a_float16_input(tmp_path):
    model = converted(lambda images: embedded(tf.cast(images, tf.float32)), [1, 16, 16, 3], tf.float16)
    embed = LiteRTEmbedder(stored(tmp_path, model, SPECIFICATION))
    assert_same_direction(embed(IMAGES), embedded(IMAGES.astype(np.float32) / 127.5 - 1))


@pytest.mark.parametrize(
    ("kind", "fields", "less"),
    [
        (tf.uint8, {}, 0),
        (tf.uint8, {"scaling": "[0, 255]"}, 0),
        (tf.int8, {"scaling": {"mean": 128, "deviation": 1}}, 128),
    ],
)
def test_whole_numbers_without_a_scale_are_pixels(tmp_path, kind, fields, less):
    model = converted(lambda images: embedded(tf.cast(images, tf.float32)), [1, 16, 16, 3], kind)
    embed = LiteRTEmbedder(stored(tmp_path, model, with_fields(**fields)))
    assert_same_direction(embed(IMAGES), embedded(IMAGES.astype(np.float32) - less))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (tf.uint8, {"scaling": "[-1, 1]"}),
        (tf.uint8, {"scaling": "[0, 1]"}),
        (tf.uint8, {"scaling": "standardised"}),
        (tf.int8, {"scaling": "[-1, 1]", "layout": "NCHW"}),
        (tf.int8, {"scaling": "[0, 255]"}),  # half of the pixels would be 127
        (tf.int8, {}),
    ],
)
def test_a_scaling_that_whole_numbers_have_no_room_for_is_refused(tmp_path, kind, fields):
    shape, order = ([1, 3, 16, 16], [0, 2, 3, 1]) if "layout" in fields else ([1, 16, 16, 3], range(4))
    model = converted(lambda images: embedded(tf.transpose(tf.cast(images, tf.float32), order)), shape, kind)
    with pytest.raises(UsageError, match="no room for pictures in this scaling"):
        LiteRTEmbedder(stored(tmp_path, model, with_fields(**fields)))


@pytest.mark.parametrize("low", [-1, 0])
def test_a_quantised_input_tells_its_range_where_no_scaling_is_given(tmp_path, low):
    values = IMAGES.astype(np.float32) * ((1 - low) / 255) + low
    model = converted(
        embedded, [1, 16, 16, 3],
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=lambda: ([value[None]] for value in values),
        inference_input_type=tf.uint8,
    )  # fmt: skip
    assert_same_direction(LiteRTEmbedder(stored(tmp_path, model, SPECIFICATION))(IMAGES), embedded(values), least=0.99)


@pytest.mark.parametrize(
    ("shape", "exported", "batch"),
    [([None, 16, 16, 3], False, 8), ([1, 16, 16, 3], True, 8), ([1, 16, 16, 3], False, 1), ([2, 16, 16, 3], True, 2)],
)
def test_many_images_at_a_time_give_the_same_bits(tmp_path, shape, exported, batch):
    model = converted(embedded, shape)
    record = with_fields(image_size=16)
    path = stored(tmp_path, with_record(model, record) if exported else model, record)
    images = np.random.default_rng(0).integers(256, size=(21, 16, 16, 3)).astype(np.uint8)
    embed = ParallelEmbedder(path, threads=3)
    assert embed.one.batch == batch
    np.testing.assert_array_equal(embed(images), LiteRTEmbedder(path)(images))
    assert embed(images[:0]).shape == (0, 192)


def test_what_changes_an_embedding_makes_another_network(tmp_path):
    def sha256(record):
        return LiteRTEmbedder(stored(tmp_path, pair_model(), record)).sha256

    same = [
        SPECIFICATION,
        with_fields(image_size=16, scaling="[-1, 1]", colours="RGB"),  # as when left out
        {**SPECIFICATION, "thresholds": [{"far": 0.1, "distance": 1.2}], "about": {"by": "Ada"}},
    ]
    assert len({sha256(record) for record in same}) == 1
    others: list[dict] = [
        {"crop": {"margin": 0.3, "alignment": "none"}},
        {"crop": {"margin": 0.25, "alignment": "dlib"}},
        {"crop": {"margin": 0.25, "alignment": [[0.35, 0.4], [0.65, 0.4], [0.5, 0.57], [0.38, 0.75], [0.62, 0.75]]}},
        {"scaling": "[0, 1]"},
        {"scaling": "standardised"},
        {"scaling": {"mean": 127.5, "deviation": 128}},
        {"colours": "BGR"},
        {"flip_averaging": True},
    ]
    assert len({sha256(SPECIFICATION), *(sha256(with_fields(**fields)) for fields in others)}) == 1 + len(others)


def test_a_file_that_says_all_itself_is_named_by_its_own_hash(tmp_path):
    model = with_record(pair_model(), SPECIFICATION)
    for beside in (None, with_fields(colours="BGR")):
        assert LiteRTEmbedder(stored(tmp_path, model, beside)).sha256 == hashlib.sha256(model).hexdigest()


@pytest.mark.parametrize("several", [False, True])
def test_a_file_that_is_overwritten_while_it_is_used_changes_nothing(tmp_path, several):
    path = stored(tmp_path, pair_model(), SPECIFICATION)
    embed = ParallelEmbedder(path, threads=2) if several else LiteRTEmbedder(path)
    before = embed(IMAGES)
    other = converted(lambda images: embedded(images) * 0, [2, 16, 16, 3])
    with path.open("r+b") as file:  # in place, as `cp` does it
        file.write(other)
        file.truncate()
    stored(tmp_path, other, with_fields(colours="BGR"))
    np.testing.assert_array_equal(embed(IMAGES), before)
    assert (embed.one if several else embed).sha256 == LiteRTEmbedder(
        stored(tmp_path, pair_model(), SPECIFICATION)
    ).sha256


def test_what_the_file_says_itself_counts_first(tmp_path):
    thresholds = [{"far": 0.1, "distance": 1.2}, {"far": 0.01, "distance": 1.0, "low": 0.9, "high": 1.1, "val": 0.5}]
    record = {**with_fields(colours="BGR"), "thresholds": thresholds, "about": {"checkpoint_sha256": "ab"}}
    path = stored(tmp_path, with_record(pair_model(), record), {"format": 99})
    embed = LiteRTEmbedder(path)
    assert_same_direction(embed(IMAGES), embedded(IMAGES[..., ::-1].astype(np.float32) / 127.5 - 1))
    assert [(each.far, each.distance, each.low) for each in embed.specification.thresholds] == [
        (0.01, 1.0, 0.9),
        (0.1, 1.2, None),
    ]
    assert embed.specification.about == {"checkpoint_sha256": "ab"}


@pytest.mark.parametrize(
    ("model", "record", "message"),
    [
        (b"", SPECIFICATION, "not a LiteRT model"),
        (b"TFL3 and then something else" * 9, SPECIFICATION, "not a LiteRT model.\n.*\n.*to be converted first"),
        (b"\0\0\0\0TFL3 and then something else", SPECIFICATION, "not a LiteRT model, or it is damaged"),
        (lambda whole: whole[: len(whole) // 2], SPECIFICATION, "not a LiteRT model"),
        (lambda whole: whole[:-1], SPECIFICATION, "not a LiteRT model"),
        (lambda whole: whole, None, "does not say what it wants"),
        (lambda whole: whole, [], "cannot be applied"),
        (lambda whole: whole, {"format": 2}, "format 2; format 1 is read"),
        (lambda whole: whole, {"format": 1}, "preprocessing is missing"),
        (lambda whole: whole, with_fields(crop={"margin": 0.1}), "alignment is missing"),
        (lambda whole: whole, with_fields(scalling="[0, 1]"), "scalling"),
        (lambda whole: whole, with_fields(scaling="0..1"), "scaling is '0..1'"),
        (lambda whole: whole, with_fields(scaling={"mean": 0, "deviation": 0}), "must be positive"),
        (lambda whole: whole, with_fields(scaling={"mean": [1, 2], "deviation": 1}), "one number or three"),
        (lambda whole: whole, with_fields(colours="GRB"), "colours is 'GRB'"),
        (lambda whole: whole, with_fields(image_size=0), "image_size is 0"),
        (lambda whole: whole, with_fields(image_size=32), "not the image that its specification describes"),
        (lambda whole: whole, with_fields(layout="NCHW"), "not the image that its specification describes"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, model, record, message):
    path = stored(tmp_path, model if isinstance(model, bytes) else model(pair_model()), record)
    with pytest.raises(UsageError, match=message):
        LiteRTEmbedder(path)


def test_a_missing_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.tflite", tmp_path):
        with pytest.raises(UsageError, match="There is no LiteRT model here"):
            LiteRTEmbedder(path)


def test_an_embedding_and_its_length(tmp_path):
    def both(images):
        length = tf.norm(embedded(images), axis=1, keepdims=True)
        return {"embedding": embedded(images) / length, "a_length": length}

    embed = LiteRTEmbedder(stored(tmp_path, converted(both, [1, 16, 16, 3]), SPECIFICATION))
    assert_same_direction(embed(IMAGES), embedded(IMAGES.astype(np.float32) / 127.5 - 1))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_specification_as_other_editors_write_it(tmp_path, encoding):
    path = stored(tmp_path, pair_model())
    path.with_suffix(".json").write_text(json.dumps(with_fields(colours="BGR")), encoding)
    assert LiteRTEmbedder(path).specification.colours == "BGR"


def test_models_of_another_kind(tmp_path):
    two = converted(lambda images: (embedded(images), images), [1, 16, 16, 3])
    with pytest.raises(UsageError, match="one image as its input and one embedding") as refused:
        LiteRTEmbedder(stored(tmp_path, two, SPECIFICATION))
    assert "[1, 16, 16, 3]" in str(refused.value) and "[1, 192]" in str(refused.value)
    wide = converted(embedded, [1, 16, 24, 3])
    for fields in ({}, {"image_size": 24}):
        with pytest.raises(UsageError, match="not square"):
            LiteRTEmbedder(stored(tmp_path, wide, with_fields(**fields)))
    single = converted(lambda image: embedded(image[None]), [16, 16, 3])
    with pytest.raises(UsageError, match="not a batch of images"):
        LiteRTEmbedder(stored(tmp_path, single, SPECIFICATION))
    whole = converted(lambda images: tf.reshape(embedded(images), [-1]), [2, 16, 16, 3])
    with pytest.raises(UsageError, match="not one embedding for each image"):
        LiteRTEmbedder(stored(tmp_path, whole, SPECIFICATION))


def test_an_operation_that_litert_lacks(tmp_path):
    model = converted(
        lambda images: tf.math.bessel_i0e(tf.reshape(images, [1, -1])),
        [1, 16, 16, 3],
        allow_custom_ops=True,
    )
    with pytest.raises(UsageError, match="LiteRT cannot run this model"):
        LiteRTEmbedder(stored(tmp_path, model, SPECIFICATION))
