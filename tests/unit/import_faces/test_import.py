"""Crops that others made: each layout gives the same faces, and what is damaged is rejected by name."""

from __future__ import annotations

import io
import json
import struct
import tarfile
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.common.crops import check_crop, crop_of
from components.common.errors import UsageError
from components.common.manifest import FACES, REJECTS, order_shards, read
from components.common.preprocessing import Crop
from components.import_faces.faces import look_at
from components.import_faces.layouts import RECORDIO, Found
from components.import_faces.sample import LARGEST_BYTES, Sample
from components.import_faces.source import open_source
from pipelines.cli import main
from tests.unit.evaluate.published_sets import crop, draw_bin, people
from tests.unit.import_faces import made_sources as made

PEOPLE, EACH = 4, 3


@pytest.fixture(scope="module")
def crops(sample_photos):
    """Of each person three: one of them a PNG, one with the magic number of RecordIO in it."""
    found = []
    for number, photos in enumerate(people(sample_photos, PEOPLE, EACH)):
        first, second, third = map(crop, photos)
        with Image.open(io.BytesIO(second)) as picture:
            picture.save(png := io.BytesIO(), "PNG")
        comment = b"\xff\xfe\x00\x22" + made.MAGIC * 8  # a comment of a JPEG, aligned wherever it comes to lie
        found += [(number, first), (number, png.getvalue()), (number, third[:2] + comment + third[2:])]
    return found


LAYOUTS = {
    "ranges": lambda place, crops: made.write_recordio(place, crops, ranges=True),
    "no ranges": lambda place, crops: made.write_recordio(place, crops, ranges=False) / "train.rec",
    "folder": made.write_folder,
    "class names": lambda place, crops: made.write_parquet(place, crops, [f"p{n}" for n in range(PEOPLE)]),
    "texts": lambda place, crops: made.write_parquet(place, crops, structs=False),
    "cls": lambda place, crops: made.write_tars(place, crops, as_json=False),
    "json": lambda place, crops: made.write_tars(place, crops, as_json=True),
    "msgpack": lambda place, crops: made.write_lmdb(place, crops, msgpack=True),
    "images": lambda place, crops: made.write_lmdb(place, crops, msgpack=False),
}


def run(source, faces, *more, code=0):
    assert main(["import", "-i", str(source), "-o", str(faces), *map(str, more)]) == code
    return read(faces, FACES).to_pylist() if not code else []


def rejects(faces):
    return read(faces.with_name(f"{faces.name}-rejects"), REJECTS).to_pylist()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_faces_whole_or_in_parts(layout, crops, tmp_path):
    source = LAYOUTS[layout](tmp_path / "source", crops)
    rows = run(source, tmp_path / "faces", "--alignment", "arcface")
    assert [row["image"] for row in rows] == [image for _, image in crops]  # not one byte of them is coded again
    names = [f"p{person}" if layout == "class names" else str(person) for person, _ in crops]
    assert [row["identity"] for row in rows] == names
    assert all(row["photo_path"].startswith(f"{row['identity']}/") for row in rows)
    assert len({row["photo_path"] for row in rows}) == len(crops)
    for row, (_, image) in zip(rows, crops, strict=True):
        with Image.open(io.BytesIO(image)) as picture:
            assert (row["width"], row["height"]) == picture.size == (112, 112)
    assert not rejects(tmp_path / "faces")
    shards = [tmp_path / f"faces-{number}" for number in (1, 2, 3)]
    parts = [run(source, shard, "--alignment", "arcface", "--shard", f"{shard.name[-1]}/3") for shard in shards]
    assert [row for part in parts for row in part] == rows
    whose = Counter(person for part in parts for person in {row["identity"] for row in part})
    assert set(whose.values()) == {1}  # nobody is in two parts
    assert crop_of(order_shards(shards[::-1], FACES)) == Crop(0.0, "arcface", "unknown")


def test_a_bin_set_gives_each_image_once_under_the_names_of_its_pairs(sample_photos, tmp_path, capsys):
    path = draw_bin(tmp_path / "lfw.bin", sample_photos)
    faces, dataset = tmp_path / "faces", tmp_path / "dataset"
    rows = run(path, faces)
    assert len(rows) == len({row["face_id"] for row in rows}) == 12
    assert main(["collect", "-i", str(faces), "-o", str(dataset), "--test", "1"]) == 0
    assert "12 faces of 4 identities" in capsys.readouterr().out
    assert check_crop(faces, path, Crop(0.0, "arcface", "blazeface")) == 1.0


def test_equal_pixels_are_copies_and_alike_ones_are_not(crops, tmp_path):
    image = crops[0][1]
    with Image.open(io.BytesIO(image)) as picture:
        picture.save(again := io.BytesIO(), "JPEG", quality=94)
        picture.save(png := io.BytesIO(), "PNG")
    rows = run(
        made.write_folder(tmp_path / "source", [(0, image), (1, png.getvalue()), (2, again.getvalue())]),
        tmp_path / "faces",
        "--alignment",
        "arcface",
    )
    first, same, other = rows
    assert (first["face_id"], first["phash"]) == (same["face_id"], same["phash"])
    assert first["face_id"] != other["face_id"] and first["phash"] != other["phash"]


def test_many_crops_are_looked_at_by_processes_and_stay_in_order(crops):
    samples = [(at, Sample("x", str(at), crops[at % len(crops)][1] if at % 50 else b"no picture")) for at in range(400)]
    looked = list(look_at(samples, 2))
    assert [(at, sample) for at, sample, _ in looked] == samples
    assert [row for _, _, row in looked] == [row for one in samples for _, _, row in look_at([one], 1)]


def encoded(size, kind="JPEG"):
    Image.new("RGB", size, (99, 88, 77)).save(written := io.BytesIO(), kind)
    return written.getvalue()


def test_what_cannot_be_used_is_rejected_by_name(crops, tmp_path, capsys):
    good = crops[0][1]
    source = made.write_recordio(tmp_path / "source", crops, ranges=True)
    bad = [
        made.labelled([1], 1, good[: len(good) // 2]),
        made.labelled([1], 1, b"no picture"),
        made.labelled([1], 1, encoded((40, 40), "WEBP")),
        made.labelled([1], 1, encoded((40, 41))),
        made.labelled([1], 1, encoded((1025, 1025))),
        made.labelled([1], 1, b""),
        made.labelled([-1], 1, good),
        made.labelled([0.5], 1, good),
        made.labelled([float("nan")], 1, good),
        made.record(b"short"),
        made.record(b"\xff" * 30),
        made.MAGIC + (2**29 - 1).to_bytes(4, "little") + b"it claims too much",
        made.MAGIC + (3 << 29 | 4).to_bytes(4, "little") + b"last",
        made.record(bytes(LARGEST_BYTES + 1)),
    ]
    with (source / "train.rec").open("ab") as file:
        file.write(b"".join(record + bytes(-len(record) % 4) for record in bad) + made.labelled([3], 1, good))
    rows = run(source, tmp_path / "faces", "--html", tmp_path / "card.html", "--markdown", tmp_path / "card.md")
    assert [row["identity"] for row in rows] == [*[str(person) for person, _ in crops], "3"]
    reasons = [row["reason"] for row in rejects(tmp_path / "faces")]
    assert reasons == [
        "damaged", "not-an-image", "not-an-image", "not-square", "too-large", "no-image", *["no-identity"] * 3,
        *["damaged"] * 3, "too-large",
    ]  # fmt: skip
    said = capsys.readouterr().out
    assert "13 faces of 4 identities in 26 crops (RecordIO)" in said
    assert "4 crops: damaged" in said and "5 ranges of identities" in said
    assert "WEBP" in (tmp_path / "card.html").read_text() and "| 1 | " in (tmp_path / "card.md").read_text()


def test_rows_and_samples_without_an_image_or_a_person_are_rejected(crops, tmp_path):
    image = crops[0][1]
    (tmp_path / "parquet").mkdir()
    structs = [{"bytes": image}, {"bytes": None}, None, {"bytes": image}, {"bytes": image}, {"bytes": image}]
    table = pa.table({"face": structs, "who": ["a", "b", "c", None, "d/e", " "]})
    pq.write_table(table, tmp_path / "parquet" / "0.parquet")
    rows = run(tmp_path / "parquet", tmp_path / "faces", "--alignment", "unknown", "--label", "who")
    assert [row["identity"] for row in rows] == ["a"]
    assert [row["reason"] for row in rejects(tmp_path / "faces")] == ["no-image"] * 2 + ["no-identity"] * 3
    with tarfile.open(tmp_path / "0.tar", "w") as archive:
        for name, content in (
            ("0.jpg", image), ("0.cls", b"7"), ("1.cls", b"7"), ("2.jpg", image), ("3.jpg", image), ("3.json", b"[]"),
            ("4.jpg", image), ("4.cls", b"x" * 99999),
        ):  # fmt: skip
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    assert [row["identity"] for row in run(tmp_path / "0.tar", tmp_path / "faces", "--alignment", "unknown")] == ["7"]
    assert [row["reason"] for row in rejects(tmp_path / "faces")] == ["no-image"] + ["no-identity"] * 3


def test_nobody_cuts_photos_for_crops_of_which_nobody_knows_how_they_were_cut():
    for crop_ in (Crop(0.0, "unknown", "dlib"), Crop(0.125, "none", "mtcnn")):
        assert Crop.from_json(json.loads(json.dumps(vars(crop_)))) == crop_
        assert crop_.share_of(crop_) == 1.0
        with pytest.raises(UsageError, match="cannot be cut out in this way"):
            _ = crop_.finder
    assert Crop(0.0, "arcface", "mtcnn").flags == "--margin 0.0 --alignment arcface --detector dlib"


@pytest.mark.parametrize(
    ("files", "flags", "says"),
    [
        ({"a.rec": b"no", "b.rec": b"no"}, "", "several sources"),
        ({"a.rec": b"no magic"}, "", "not RecordIO"),
        ({"a.tar": b"no tar"}, "--alignment arcface", "tar cannot be read"),
        ({"a.parquet": b"no parquet"}, "--alignment arcface", "Parquet file cannot be read"),
        ({"a.txt": b"x"}, "--alignment arcface", "no crops here"),
        ({"data.mdb": b"no LMDB"}, "--alignment arcface", "LMDB cannot be read"),
        ({"p/a.jpg": b"x"}, "", "has to be said how"),
        ({"p/a.jpg": b"x"}, "--alignment none", "has to be said how"),
        ({"p/a.jpg": b"x"}, "--alignment triangle", "no such --alignment"),
        ({"p/a.jpg": b"x"}, "--alignment arcface --rejects {source}/r", "must not contain each other"),
        ({"p/a.jpg": b"x"}, "--alignment arcface --rejects {faces}", "in the place of another result"),
    ],
)  # fmt: skip
def test_what_is_no_source_and_wrong_use_are_refused(files, flags, says, tmp_path, capsys):
    source = tmp_path / "source"
    for name, content in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    run(source, tmp_path / "faces", *flags.format(source=source, faces=tmp_path / "faces").split(), code=2)
    assert says in capsys.readouterr().err
    assert not (tmp_path / "faces").exists()


@pytest.mark.parametrize(("offset", "value"), [(112, 2**62), (112, 0), (104, 10**9), (104, 14)])
def test_an_lmdb_whose_tree_is_damaged_is_refused(offset, value, crops, tmp_path, capsys):
    """Its root lies beyond all pages, or in no table; it states more entries than there are bytes, or entries."""
    path = made.write_lmdb(tmp_path / "source", crops, msgpack=True) / "data.mdb"
    content = bytearray(path.read_bytes())
    struct.pack_into("<Q", content, 4096 + 16 + offset, value)
    path.write_bytes(content)
    run(path, tmp_path / "faces", "--alignment", "arcface", code=2)
    assert "LMDB cannot be read" in capsys.readouterr().err


def test_a_source_that_has_gone_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"source cannot be read(?s:.)*No such file"):
        open_source(Found(RECORDIO, [tmp_path / "train.rec"]), "")


def test_a_file_of_another_kind_and_columns_that_are_missing_are_refused(crops, tmp_path, capsys):
    (tmp_path / "a.txt").write_text("x")
    run(tmp_path / "a.txt", tmp_path / "faces", code=2)
    run(tmp_path / "none", tmp_path / "faces", code=2)
    folder = tmp_path / "parquet"
    folder.mkdir()
    image = crops[0][1]
    for columns in ({"label": [1]}, {"image": [image]}, {"image": [image], "label": [1.5]}):
        pq.write_table(pa.table(columns), folder / "0.parquet")
        run(folder, tmp_path / "faces", "--alignment", "arcface", code=2)
    pq.write_table(pa.table({"image": [image], "label": [1]}), folder / "0.parquet")
    pq.write_table(pa.table({"image": [image], "label": ["1"]}), folder / "1.parquet")
    run(folder, tmp_path / "faces", "--alignment", "arcface", code=2)
    said = capsys.readouterr().err
    for part in ("no source of crops", "no such source", "encoded images", "whose face", "not of one set"):
        assert part in said
    run(made.write_folder(tmp_path / "bad", [(0, b"no picture")]), tmp_path / "faces", "--alignment", "dlib", code=1)
    assert "no crop in this source" in capsys.readouterr().err
    assert len(read(tmp_path / "faces-rejects", REJECTS)) == 1 and not (tmp_path / "faces").exists()
