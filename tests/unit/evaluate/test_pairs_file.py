from __future__ import annotations

import numpy as np
import pytest

from components.common.errors import UsageError
from components.evaluate.embeddings import Embeddings
from components.evaluate.pairs_file import from_pairs_file, read_pairs_file


def embeddings(*paths, split="test"):
    vectors = np.random.default_rng(0).normal(size=(len(paths), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    columns = (
        [f"id{i}" for i in range(len(paths))],
        [path.split("/")[0] for path in paths],
        [split] * len(paths),
        paths,
    )
    return Embeddings(*(np.array(column, dtype=object) for column in columns), vectors, "c")


LFW = embeddings(*(f"{name}/{name}_{i:04d}.jpg" for name in ("Ann_B", "Bo", "Cy") for i in range(1, 5)))
TWO_FOLDS = (
    "2\t2\nAnn_B\t1\t2\nBo\t1\t4\nAnn_B\t1\tBo\t1\nBo\t2\tCy\t3\nCy\t1\t2\nBo\t3\t4\nCy\t4\tBo\t1\nAnn_B\t3\tCy\t4\n"
)


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "pairs.txt"
        path.write_bytes(text.encode())
        return path

    return write


def named(protocol, faces):
    path = faces.photo_path
    return [
        (path[a], path[b], bool(same), int(fold))
        for a, b, same, fold in zip(
            protocol.scored.first, protocol.scored.second, protocol.scored.same, protocol.fold, strict=True
        )
    ]


@pytest.mark.parametrize("change", [str, lambda t: t.replace("\t", "  "), lambda t: "\ufeff" + t.replace("\n", "\r\n")])
def test_folds_and_pairs_are_as_the_file_says(file, change):
    protocol = from_pairs_file(file(change(TWO_FOLDS)), LFW, folds=10)
    assert named(protocol, LFW)[:5] == [
        ("Ann_B/Ann_B_0001.jpg", "Ann_B/Ann_B_0002.jpg", True, 0),
        ("Bo/Bo_0001.jpg", "Bo/Bo_0004.jpg", True, 0),
        ("Ann_B/Ann_B_0001.jpg", "Bo/Bo_0001.jpg", False, 0),
        ("Bo/Bo_0002.jpg", "Cy/Cy_0003.jpg", False, 0),
        ("Cy/Cy_0001.jpg", "Cy/Cy_0002.jpg", True, 1),
    ]
    assert protocol.notes == []
    assert (protocol.missing.faces, protocol.missing.pairs) == (0, 0)
    assert protocol.compared is protocol.scored


def test_names_with_spaces_work_between_tabs(file):
    faces = embeddings("Mary Ann/Mary Ann_0001.jpg", "Mary Ann/Mary Ann_0002.jpg", "Bo/Bo_0001.jpg", "Bo/Bo_0002.png")
    text = "2\nMary Ann\t1\t2\nBo\t1\t2\nMary Ann\t1\tBo\t1\nMary Ann\t2\tBo\t1\n"
    assert len(from_pairs_file(file(text), faces, folds=2).scored) == 4


def test_names_are_found_in_either_of_unicodes_forms(file):
    nfc, nfd = "Zo\u00eb", "Zoe\u0308"
    faces = embeddings(f"{nfd}/{nfd}_0001.jpg", f"{nfd}/{nfd}_0002.jpg", f"{nfc}/{nfc}_0003.jpg", "Bo/Bo_0001.jpg")
    text = f"3\n{nfc}\t1\t2\n{nfd}\t1\t2\n{nfc}\t1\t3\n{nfc}\t1\tBo\t1\n{nfd}\t2\tBo\t1\n{nfc}\t3\tBo\t1\n"
    found = named(from_pairs_file(file(text), faces, folds=2), faces)
    assert [same for *_, same, _ in found] == [True] * 3 + [False] * 3


def test_file_names_of_ones_own_are_given_as_paths(file):
    faces = embeddings("a/x.jpg", "a/sub/y.jpg", "b/x.jpg", "b/y.jpg")
    text = "2\na/x a/sub/y\nb/x b/y\na/x b/x\na/y b/y\n"
    assert [same for *_, same, _ in named(from_pairs_file(file(text), faces, folds=2), faces)] == [True] * 2 + [
        False
    ] * 2


CFP = embeddings(
    *(f"{person}/{view}/{i:02d}.jpg" for person in "123" for view in ("frontal", "profile") for i in (1, 2))
)


@pytest.mark.parametrize("ending", ["", ".jpg", ".JPEG"])
def test_photos_in_folders_inside_a_persons_are_the_ones_that_are_named(file, ending):
    lines = [
        "1/frontal/01 1/profile/02",
        "2/profile/01 2/frontal/01",
        "1/frontal/02 2/profile/02",
        "3/profile/01 1/profile/01",
    ]
    text = "2\n" + "\n".join(lines).replace(" ", f"{ending}\t").replace("\n", f"{ending}\n") + ending
    found = named(from_pairs_file(file(text), CFP, folds=2), CFP)
    assert [f"{first} {second}".replace(".jpg", "") for first, second, *_ in found] == lines


def test_a_name_that_several_photos_have_is_refused(file):
    text = "2\n1/01 1/02\n2/01 2/02\n1/01 2/01\n1/02 2/02\n"
    with pytest.raises(
        UsageError, match=r"(?s)any of several.*1/01: 1/frontal/01.jpg, 1/profile/01.jpg.*identity/folder"
    ):
        from_pairs_file(file(text), CFP, folds=2)
    one_view = embeddings(*(path for path in CFP.photo_path if "frontal" in path))
    assert len(from_pairs_file(file(text), one_view, folds=2).scored) == 4  # then there is no doubt


def test_an_ending_tells_apart_photos_that_differ_in_nothing_else(file):
    faces = embeddings("1/a.jpg", "1/a.png", "1/b.jpg", "2/a.jpg", "2/b.png")
    text = "2\n1/a.jpg 1/a.png\n2/a.PNG 2/b\n1/a.png 2/a.jpg\n1/a.jpg 2/b.png\n"
    found = from_pairs_file(file(text), faces, folds=2)
    assert [(a, b) for a, b, *_ in named(found, faces)] == [
        ("1/a.jpg", "1/a.png"), ("2/a.jpg", "2/b.png"), ("1/a.png", "2/a.jpg"), ("1/a.jpg", "2/b.png"),
    ]  # fmt: skip


def test_none_of_the_pairs_says_how_the_photos_are_called(file):
    with pytest.raises(UsageError, match=r"called as 1/frontal/01\.jpg"):
        from_pairs_file(file("1\nx/1 x/2\nx/1 y/1\n"), CFP, folds=2)


def test_a_file_of_one_fold_is_dealt_in_order_and_it_is_said(file):
    lines = TWO_FOLDS.splitlines()
    text = "\n".join(["4", *lines[1:3], *lines[5:7], *lines[3:5], *lines[7:9]])
    protocol = from_pairs_file(file(text), LFW, folds=2)
    assert protocol.fold.tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
    assert "one fold" in protocol.notes[0]


def test_missing_faces_are_left_out_counted_and_named(file):
    known = embeddings(*(path for path in LFW.photo_path if path not in ("Bo/Bo_0004.jpg", "Cy/Cy_0004.jpg")))
    protocol = from_pairs_file(file(TWO_FOLDS + "\n\n"), known, folds=2)
    assert protocol.missing.faces == 2
    assert protocol.missing.pairs == 4
    assert protocol.missing.first == ["Bo/Bo_0004", "Cy/Cy_0004"]
    assert protocol.missing.pairs_per_fold == [1, 3]
    assert [(same, fold) for *_, same, fold in named(protocol, known)] == [(True, 0), (False, 0), (False, 0), (True, 1)]
    assert "4 of 8 pairs are left out: 2 of their faces" in protocol.notes[0]


def test_a_fold_without_pairs_is_left_out_and_it_is_said(file):
    extra = "Di\t1\t2\nDi\t1\t3\nDi\t1\tEd\t1\nDi\t2\tEd\t1\n"
    text = TWO_FOLDS.replace("2\t2", "3\t2", 1) + extra
    protocol = from_pairs_file(file(text), LFW, folds=2)
    assert set(protocol.fold) == {0, 1}
    assert any("1 of 3 folds have no pair left" in note for note in protocol.notes)


def test_pairs_of_people_the_network_was_trained_on_are_counted_and_it_is_said(file):
    faces = Embeddings(
        LFW.face_id,
        LFW.identity,
        np.where(LFW.identity == "Cy", "train", "test").astype(object),
        LFW.photo_path,
        LFW.vectors,
        "c",
    )
    notes = from_pairs_file(file(TWO_FOLDS), faces, folds=2).notes
    assert len(notes) == 1
    assert "4 of 8 pairs show people of the train split (1 identity)" in notes[0]


def test_pairs_out_of_balance_say_what_calling_all_alike_would_score(file):
    text = "3\nAnn_B 1 2\nBo 1 2\nCy 1 2\nAnn_B 1 Bo 1\nAnn_B 2 Bo 2\nDi 1 Bo 2\n"
    balanced = from_pairs_file(file(text), LFW, folds=2).notes
    text = "4\nAnn_B 1 2\nBo 1 2\nCy 1 2\nCy 1 3\nAnn_B 1 Bo 1\nAnn_B 2 Bo 2\nDi 1 Bo 2\nDi 2 Bo 1\n"
    unbalanced = from_pairs_file(file(text), LFW, folds=2).notes
    assert any("4 same and 2 different" in note and "66.7%" in note for note in unbalanced)
    assert any("3 same and 2 different" in note and "60.0%" in note for note in balanced)


def test_a_photo_with_several_faces_is_said(file):
    faces = embeddings(*LFW.photo_path, "Bo/Bo_0001.jpg")
    protocol = from_pairs_file(file(TWO_FOLDS), faces, folds=2)
    assert any("Of 1 photo with more than one face" in note for note in protocol.notes)
    assert len(LFW) not in np.concatenate([protocol.scored.first, protocol.scored.second])


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("Bo\t1", "it must be"),
        ("", "it must be"),
        ("Bo\t1\tx", "it must be"),
        ("Bo\t1\tCy\t2\t3", "it must be"),
        ("Mary Ann 1 2", "it must be"),
        ("Bo\t1\tBo\t2", "names of a pair of two people are equal"),
        ("Bo\t1\t1", "paired with itself"),
    ],
)
def test_a_malformed_line_is_named_by_its_number(file, line, why):
    lines = TWO_FOLDS.splitlines()
    lines[4] = line
    with pytest.raises(UsageError, match=f"Line 5 .*{why}"):
        read_pairs_file(file("\n".join(lines)))


@pytest.mark.parametrize("text", ["", "x\nBo 1 2\n", "0\n", "1\t2\t3\n", "-1\n"])
def test_a_first_line_that_is_not_a_header_is_refused(file, text):
    with pytest.raises(UsageError, match="Line 1 "):
        read_pairs_file(file(text))


def test_another_number_of_pairs_than_promised_is_refused(file):
    with pytest.raises(UsageError, match="as many pairs") as error:
        read_pairs_file(file(TWO_FOLDS + "Bo\t1\t2\n"))
    assert "9 pairs; '2\\t2' means 8" in str(error.value)


def test_no_pair_among_the_embeddings_is_an_error_that_names_faces(file):
    with pytest.raises(UsageError, match="None of the pairs") as error:
        from_pairs_file(file(TWO_FOLDS), embeddings("Zoe/Zoe_0001.jpg"), folds=2)
    assert "Ann_B/Ann_B_0001" in str(error.value)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read"):
        read_pairs_file(path)


@pytest.mark.photos
def test_the_official_list_of_lfw_is_read_whole(real_photos):
    file = read_pairs_file(real_photos / "lfw-protocol" / "pairsDevTrain.txt")
    same = [first[0] == second[0] for first, second in file.pairs]
    assert (file.folds, sum(same), len(same)) == (1, 1100, 2200)
    assert file.pairs[0] == (("Aaron_Peirsol", "Aaron_Peirsol_0001"), ("Aaron_Peirsol", "Aaron_Peirsol_0002"))
