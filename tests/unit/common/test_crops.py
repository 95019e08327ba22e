from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.common import crops, manifest
from components.common.errors import FacenetError, UsageError
from components.common.manifest import DATASET, FACES
from components.common.preprocessing import Crop, Preprocessing, pixels
from components.common.shard import Shard


def encoded(colour, side=40):
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def face(number):
    return {
        "face_id": f"{number:032x}",
        "photo_path": f"a/{number}.jpg",
        "photo_sha256": "0" * 64,
        "identity": "a",
        "box": [0, 0, 40, 40],
        "crop_box": [0, 0, 40, 40],
        "detector": "none",
        "score": 1.0,
        "landmarks": None,
        "phash": number,
        "image": encoded((number, 0, 0)),
        "width": 40,
        "height": 40,
    }


@pytest.fixture
def two_parts(tmp_path, monkeypatch):
    """250 faces in parts of 100 and row groups of 30; face i is red with value i."""
    monkeypatch.setattr("components.common.manifest.writing.ROWS_PER_PART", 100)
    monkeypatch.setattr("components.common.manifest.writing.ROWS_PER_GROUP", 30)
    with manifest.writer(tmp_path / "faces", FACES, {"margin": 0.25, "alignment": "none"}) as rows:
        rows.add([face(number) for number in range(250)])
    return tmp_path / "faces"


def pointing(*numbers):
    return pa.table(
        {
            "face_id": [f"{number:032x}" for number in numbers],
            "part": pa.array([number // 100 for number in numbers], pa.int32()),
            "row": pa.array([number % 100 for number in numbers], pa.int32()),
        }
    )


def test_crops_come_in_the_order_of_the_rows_from_any_part(two_parts):
    numbers = [249, 0, 99, 100, 31, 200, 0]
    images = crops.decode_crops(pointing(*numbers), two_parts, 20)
    assert images.shape == (7, 20, 20, 3)
    np.testing.assert_allclose(images[:, 10, 10, 0], numbers, atol=2)


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_large_sets_are_decoded_when_they_are_asked_for_and_are_the_same(two_parts, monkeypatch, compression):
    if compression != "none":  # as another program may write it
        for file in two_parts.iterdir():
            pq.write_table(pq.read_table(file), file, compression=compression, row_group_size=30)
    rows = pointing(*range(40, 210), 41)
    inside = crops.open_crops(rows, two_parts, 20)
    monkeypatch.setattr(crops, "DECODED_BYTES", 1000)
    outside = crops.open_crops(rows, two_parts, 20)
    assert not isinstance(outside, np.ndarray)
    some = np.random.default_rng(0).integers(len(rows), size=300)
    np.testing.assert_array_equal(outside[some], inside[some])
    np.testing.assert_array_equal(outside[5:90], inside[5:90])
    np.testing.assert_allclose(inside[:, 10, 10, 0], [*range(40, 210), 41], atol=2)


def test_a_crop_that_is_damaged_is_named_with_its_file(tmp_path):
    faces = [face(number) for number in range(3)]
    faces[1]["image"] = faces[1]["image"][:200]
    manifest.write(tmp_path / "faces", FACES, pa.Table.from_pylist(faces, schema=FACES.schema))
    with pytest.raises(FacenetError, match="damaged") as raised:
        crops.decode_crops(pointing(0, 1, 2), tmp_path / "faces", 20)
    assert f"part-00000.parquet, face {1:032x}: 200 bytes" in str(raised.value)


def test_another_faces_manifest_is_noticed(two_parts):
    wrong = pointing(5).set_column(1, "part", pa.array([0], pa.int32())).set_column(0, "face_id", pa.array(["f" * 32]))
    for rows in (wrong, pointing(305), pointing(299)):
        with pytest.raises(UsageError, match="not the one"):
            crops.decode_crops(rows, two_parts, 20)


def test_a_dataset_knows_where_its_faces_lie_and_can_be_told(tmp_path):
    dataset, faces, moved = tmp_path / "runs" / "dataset", tmp_path / "runs" / "faces", tmp_path / "x"
    for folder in (faces, moved):
        manifest.write(folder, FACES, FACES.schema.empty_table())
    for written in ("../faces", ["../faces"]):  # a text before there were shards
        manifest.write(dataset, DATASET, DATASET.schema.empty_table(), {"faces": written})
        assert crops.faces_of(dataset, ()) == (faces,)
    assert crops.faces_of(dataset, (moved,)) == (moved,)


def test_crops_are_found_in_shards_one_after_another(tmp_path, monkeypatch):
    monkeypatch.setattr("components.common.manifest.writing.ROWS_PER_PART", 100)
    folders = [tmp_path / name for name in ("b", "empty", "a")]
    for number, (folder, faces) in enumerate(zip(folders, (range(150), (), range(150, 170)), strict=True)):
        with manifest.writer(folder, FACES, {"margin": 0.25, "alignment": "none"}, Shard(number + 1, 3)) as rows:
            rows.add([face(one) for one in faces])
    rows = pointing(*range(150)), pointing(*range(150, 170)).set_column(1, "part", pa.array([3] * 20, pa.int32()))
    rows = pa.concat_tables(rows).set_column(2, "row", pa.array([*range(100), *range(50), *range(20)], pa.int32()))
    images = crops.decode_crops(rows, manifest.order_shards(folders[::-1], FACES), 20)
    np.testing.assert_allclose(images[:, 10, 10, 0], range(170), atol=2)


def test_the_preprocessing_specification_survives_and_an_unknown_one_is_refused():
    spec = Preprocessing(112, Crop(0.25, "none"))
    assert Preprocessing.from_json(spec.to_json()) == spec
    for change in ({"resize_filter": "nearest"}, {"scaling": "[0, 1]"}, {"image_size": 0}, {"extra": 1}, {"crop": {}}):
        with pytest.raises(UsageError, match="preprocessing"):
            Preprocessing.from_json(spec.to_json() | change)


@pytest.mark.parametrize(("written", "read"), [("five-point", "dlib"), ("arcface", "arcface")])
def test_what_was_written_before_alignments_had_names_is_dlibs(tmp_path, written, read):
    manifest.write(tmp_path / "faces", FACES, FACES.schema.empty_table(), {"margin": 0.14, "alignment": written})
    assert crops.crop_of((tmp_path / "faces",)) == Crop(0.14, read)
    spec = Preprocessing(112, Crop(0.14, read)).to_json()
    assert Preprocessing.from_json(spec | {"crop": {"margin": 0.14, "alignment": written}}).to_json() == spec


def test_pixels_are_resized_with_antialiasing_and_kept_in_rgb_order():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    stripes[..., 2] = 0
    buffer = io.BytesIO()
    Image.fromarray(stripes).save(buffer, "PNG")
    small = pixels(buffer.getvalue(), 16)
    assert small.shape == (16, 16, 3)
    assert (np.abs(small[:, 2:-2, :2].astype(int) - 127) < 20).all()  # no single stripe survives
    assert (small[..., 2] == 0).all()


@pytest.mark.parametrize(("part", "row"), [(-1, 0), (0, -1), (0, 100), (3, 0)])
def test_a_row_that_points_outside_of_the_manifest_is_refused_and_no_picture_is_made_up(two_parts, part, row):
    rows = pointing(0)
    for name, value in (("part", part), ("row", row)):
        rows = rows.set_column(rows.schema.get_field_index(name), name, pa.array([value], pa.int32()))
    with pytest.raises(UsageError, match="not the one"):
        crops.decode_crops(rows, two_parts, 32)


def test_a_damaged_row_group_is_named(two_parts):
    file = two_parts / "part-00000.parquet"
    data = bytearray(file.read_bytes())
    data[4 : len(data) // 2] = b"\xff" * (len(data) // 2 - 4)
    file.write_bytes(data)
    with pytest.raises(UsageError, match="cannot be read"):
        crops.decode_crops(pointing(0, 1), two_parts, 32)
