"""The layouts in which benchmarks are published: made-up sets of drawn photos, read, and damaged."""

from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pytest

from components.common.errors import UsageError
from components.common.manifest import EMBEDDINGS, write
from components.evaluate.bin_file import read_bin
from components.evaluate.embeddings import Embeddings
from components.evaluate.pairs_file import from_pairs_file, read_pairs_file
from components.evaluate.settings import Settings
from components.evaluate.stage import run
from components.evaluate.templates import from_templates, read_templates
from tests.unit.evaluate import published_sets as sets


def embeddings(photos, size=8):
    vectors = np.random.default_rng(0).normal(size=(len(photos), size)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    columns = ([str(at) for at in range(len(photos))], [path.split("/")[0] for path in photos], ["test"] * len(photos))
    return Embeddings(*(np.array(column, dtype=object) for column in (*columns, photos)), vectors, "c")


def of_list(file):
    return embeddings(["/".join(photo) for photo in file.files])


@pytest.mark.parametrize("kind", ["FF", "FP"])
def test_cfp_keeps_its_splits_and_takes_second_photos_of_fp_from_the_profiles(kind, sample_photos, tmp_path):
    path = sets.draw_cfp(tmp_path, sample_photos) / "Protocol" / "Split" / kind
    file = read_pairs_file(path)
    assert list(zip(file.fold, file.same, strict=True)) == [
        (fold, same) for fold in (0, 1) for same in (True, True, False, False)
    ]
    second = {"FF": "frontal", "FP": "profile"}[kind]
    assert {(one[1][:7], other[1][:7]) for one, other in file.pairs} == {("frontal", second)}
    assert [one[0] == other[0] for one, other in file.pairs] == file.same
    assert all((tmp_path / "Data" / "Images" / end).is_file() for end in file.files.values())
    assert len(from_pairs_file(path, of_list(file), folds=10).scored) == 8


@pytest.mark.parametrize("folds", [True, False])
def test_two_lines_a_pair_with_folds_as_flags_or_without(folds, sample_photos, tmp_path):
    (path,) = sets.draw_flagged(tmp_path / "set", sample_photos, folds=folds).glob("*.txt")
    file = read_pairs_file(path)
    assert (file.folds, sum(file.same)) == (2 if folds else 8, 8)
    for fold in range(file.folds):
        kinds = [same for same, its in zip(file.same, file.fold, strict=True) if its == fold]
        assert sum(kinds) * 2 == len(kinds)
    assert [one[0] == other[0] for one, other in file.pairs] == file.same
    assert all(
        identity.startswith("Per_Son") and "_" not in identity[4:] for pair in file.pairs for identity, _ in pair
    )
    assert from_pairs_file(path, of_list(file), folds=10).notes == []


def test_labelled_lines_are_tenths_in_order_and_same_pairs_make_people(sample_photos, tmp_path):
    path = sets.draw_labelled(tmp_path / "set", sample_photos) / "agedb_30_pair.txt"
    file = read_pairs_file(path)
    assert np.bincount(file.fold).tolist() == [2] * 6 + [1] * 4
    assert list(file.fold) == sorted(file.fold)
    person = {inside: identity for pair in file.pairs for identity, inside in pair}
    assert [len({person[f"{3 * number + at}.jpg"] for at in range(3)}) for number in range(4)] == [1] * 4
    assert len(set(person.values())) == 4
    (note,) = from_pairs_file(path, of_list(file), folds=10).notes[:1]
    assert "names nobody" in note


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("made_by", [bytes, lambda image: np.frombuffer(image, np.uint8).reshape(-1, 1).copy()])
def test_bin_sets_are_read_whatever_wrote_the_bytes(protocol, made_by, tmp_path):
    images, same = [b"\xff\xd8\n\x00'" + bytes([number]) for number in range(4)], [True, False]
    path = tmp_path / "set.bin"
    path.write_bytes(pickle.dumps(([made_by(image) for image in images], same), protocol))
    bins = read_bin(path)
    assert (bins.images, bins.same) == (images, same)


def test_bin_sets_of_python_2_are_read(tmp_path):
    # As cPickle of Python 2 writes it, protocol 2: its bytes are what Python 3 calls a string.
    path = tmp_path / "set.bin"
    path.write_bytes(b"\x80\x02]q\x01(U\x03\xff\xd8aq\x02U\x03\xff\xd8bq\x03e]q\x04\x88a\x86.")
    assert read_bin(path).images == [b"\xff\xd8a", b"\xff\xd8b"]


def test_an_image_in_several_pairs_is_one_face(sample_photos, tmp_path):
    path = sets.draw_bin(tmp_path / "lfw.bin", sample_photos)
    file = read_pairs_file(path)
    assert (len(file.files), len(file.pairs), sum(file.same)) == (12, 16, 8)
    assert len({identity for identity, _ in file.files}) == 4
    notes = from_pairs_file(path, of_list(file), folds=10).notes
    assert "ArcFace's template" in notes[0]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"cbuiltins\nlist\n.", "the name 'builtins.list', at byte 0"),
        (pickle.dumps(([b"a"], [list])), "the name 'builtins.list'"),
        (pickle.dumps({"a": 1}), "the opcode EMPTY_DICT"),
        (pickle.dumps(([b"a", "b"], [True])), "a text among the images"),
        (pickle.dumps(([b"a", [b"b"]], [True])), "a list among the images"),
        (pickle.dumps(([b"a", b"b"], [1])), "a number among the truth values"),
        (pickle.dumps(([np.arange(3.0)], [True])), "an array of type 'f8'"),
        (pickle.dumps([[b"a"]]), "no pair of two lists"),
        (b"c_codecs\nencode\n(V\xe9\nVcp037\ntR.", "text in 'cp037'"),
        (b"cnumpy\nndarray\n(tR.", "a call of numpy.ndarray"),
        (b"K\x01a.", "cannot be read"),
        (b"K\x01K\x02a.", "a number as a list"),
        (b"K\x01)R.", "a call of a number"),
        (b"]K\x01b.", "a state of a list"),
        (pickle.dumps(([b"a", b"b"], [True, False])), "two images for each pair"),
        (pickle.dumps(([b"a", b"b"], [True]))[:-5], "cannot be read"),
        (b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7fabc", "cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_nothing_else_in_a_bin_set_is_taken_and_nothing_is_executed(content, says, tmp_path):
    path = tmp_path / "set.bin"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=says) as refused:
        read_pairs_file(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("A_0001.jpg 1\nA_0002.jpg 2\n", "two lines `photo flag`"),
        ("A_0001.jpg 1\nA_0002.jpg 1\nA_0001.jpg 0\n", "two lines `photo flag`"),
        ("A_0001.jpg 1\nA_0001.jpg 1\n", "paired with itself"),
        ("A_0001.jpg 1\nA_0002.jpg 1\n", "pairs of both kinds"),
        ("A_0001.jpg 1\n../A_0002.jpg 1\n", "must lie below the folder"),
        ("a.jpg b.jpg 1\na.jpg c.jpg 2\n", "`photo photo label`"),
        ("a.jpg b.jpg 1\n/a.jpg c.jpg 0\n", "must lie below the folder"),
        ("a.jpg b.jpg 0\n", "pairs of both kinds"),
    ],
)
def test_malformed_lists_are_refused_with_their_line(lines, says, tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text(lines)
    with pytest.raises(UsageError, match=says):
        read_pairs_file(path)


def test_damaged_cfp_and_matlabs_protocol_are_refused(sample_photos, tmp_path):
    split = sets.draw_cfp(tmp_path, sample_photos) / "Protocol" / "Split" / "FP"
    (split / "02" / "diff.txt").write_text("1,5001\n")
    with pytest.raises(UsageError, match=r"two numbers of the lists(?s:.)*diff.txt, line 1"):
        read_pairs_file(split)
    (tmp_path / "Protocol" / "Pair_list_P.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"cannot be read(?s:.)*Pair_list_P.txt \(not UTF-8"):
        read_pairs_file(split)
    with pytest.raises(UsageError, match=r"MATLAB(?s:.)*agedb_30.bin"):
        read_pairs_file(tmp_path / "04_FINAL_protocol_30_years.mat")


def test_templates_are_pooled_as_a_loop_over_media_does_it(sample_photos, tmp_path):
    folder = sets.draw_templates(tmp_path / "ijbc", sample_photos) / "meta"
    lists = read_templates(folder)
    faces = embeddings(["/".join(photo) for photo in lists.files][::-1][1:])  # the last photo has no face
    measured, protocol = from_templates(folder, faces, folds=2)
    vector = {path.split("/")[1]: faces.vectors[row] for row, path in enumerate(faces.photo_path)}
    lines = [line.split() for line in (folder / "ijbc_face_tid_mid.txt").read_text().splitlines()]
    expected = {}
    for number in sorted({int(template) for _, template, _ in lines}):
        media = {}
        for photo, template, medium in lines:
            if int(template) == number and photo in vector:
                media.setdefault(medium, []).append(vector[photo])
        if media:
            total = sum(np.mean(faces_of_it, axis=0) for faces_of_it in media.values())
            expected[number] = total / np.linalg.norm(total)
    np.testing.assert_allclose(measured.vectors, list(expected.values()), atol=1e-6)
    assert (len(expected), len(set(measured.identity))) == (7, 4)
    # The template 39 is the lost photo's alone: four pairs need it.
    assert (protocol.missing.first, protocol.missing.pairs) == (["template 39"], 4)
    assert (len(protocol.compared), protocol.compared.same_count, len(protocol.scored)) == (12, 3, 6)
    place = {number: at for at, number in enumerate(expected)}
    pairs = [line.split() for line in (folder / "ijbc_template_pair_label.txt").read_text().splitlines()]
    known = [(int(one), int(other), label == "1") for one, other, label in pairs if int(other) != 39]
    compared = protocol.compared.as_pairs()
    assert list(zip(compared.first, compared.second, compared.same, strict=True)) == [
        (place[one], place[other], same) for one, other, same in known
    ]


def test_the_report_of_templates_has_the_published_rates(sample_photos, tmp_path, capsys):
    folder = sets.draw_templates(tmp_path / "ijbc", sample_photos) / "meta"
    faces = embeddings(["/".join(photo) for photo in read_templates(folder).files])
    rows = [
        {
            "face_id": faces.face_id[row],
            "identity": faces.identity[row],
            "split": "test",
            "photo_path": faces.photo_path[row],
            "embedding": faces.vectors[row],
            "checkpoint_sha256": "c",
        }
        for row in range(len(faces))
    ]
    write(tmp_path / "embeddings", EMBEDDINGS, pa.Table.from_pylist(rows, schema=EMBEDDINGS.schema))
    run(Settings(output=tmp_path / "report", input=(tmp_path / "embeddings",), pairs=folder))
    said = capsys.readouterr().out
    for text in ("8 templates of 4 people", "VAL at FAR 0.0001", "VAL at FAR 1e-05"):
        assert text in said


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("ijbc_template_pair_label.txt", lambda text: text.replace("7 9 1", "7 8 1"), "templates without photos"),
        ("ijbc_template_pair_label.txt", lambda text: text.replace("7 9 1", "7 9 2"), "labels other than 0 and 1"),
        ("ijbc_template_pair_label.txt", lambda text: text.replace(" 1\n", " 0\n"), "pairs of one kind"),
        ("ijbc_template_pair_label.txt", lambda text: text.replace("7 9 1", "7 x 1"), "cannot be read"),
        ("ijbc_face_tid_mid.txt", lambda text: text.replace("2.jpg", "../2.jpg"), "photos outside the folder"),
        ("ijbc_face_tid_mid.txt", lambda text: text[:-3], "cannot be read"),
        ("ijbc_face_tid_mid.txt", lambda text: "", "cannot be read"),
    ],
)
def test_damaged_lists_of_templates_are_refused(name, change, says, sample_photos, tmp_path):
    path = sets.draw_templates(tmp_path / "ijbc", sample_photos) / "meta" / name
    path.write_text(change(path.read_text()))
    with pytest.raises(UsageError, match=says):
        read_templates(path.parent)


def test_templates_without_enough_faces_are_refused(sample_photos, tmp_path):
    folder = sets.draw_templates(tmp_path / "ijbc", sample_photos) / "meta"
    for photos in (["x/none.jpg"], ["x/1.jpg", "x/4.jpg"]):
        with pytest.raises(UsageError, match="Too few pairs of templates"):
            from_templates(folder, embeddings(photos), folds=2)
