from __future__ import annotations

import json

import pandas as pd
import pytest

from components.collect.__main__ import main
from components.collect.card import show, steps
from components.collect.collect import collect, list_photos, read_faces
from components.collect.filters import without_duplicates, without_rare, without_two_names
from components.collect.splits import SPLITS, split_of
from components.common.crops import decode_crops, faces_of
from components.common.errors import FacenetError, UsageError
from components.common.manifest import DATASET, DROPPED, FACES, about, read, write
from components.common.shard import Shard


def table(*rows):
    """Faces from (identity, face_id, phash)."""
    frame = pd.DataFrame(rows, columns=["identity", "face_id", "phash"]).astype({"phash": "uint64"})
    return frame.assign(
        photo_path=[f"{row[0]}/{i}.jpg" for i, row in enumerate(rows)], part=0, row=range(len(rows)), width=9
    )


def test_the_first_of_equal_faces_of_an_identity_is_kept():
    kept, dropped = without_duplicates(table(("a", "1", 1), ("a", "1", 1), ("a", "2", 2), ("b", "1", 1)))
    assert list(kept["photo_path"]) == ["a/0.jpg", "a/2.jpg", "b/3.jpg"]
    assert dropped[["photo_path", "reason", "detail"]].to_numpy().tolist() == [
        ["a/1.jpg", "exact-duplicate", "same as a/0.jpg"]
    ]


def test_a_picture_under_two_names_is_dropped_under_both_and_says_where():
    kept, dropped = without_two_names(table(("a", "1", 7), ("b", "2", 7), ("a", "3", 8), ("a", "4", 8)))
    assert list(kept["face_id"]) == ["3", "4"]
    assert list(dropped["reason"]) == ["two-names", "two-names"]
    assert list(dropped["detail"]) == ["a/0.jpg = b/1.jpg"] * 2


def test_identities_with_too_few_faces_are_dropped():
    kept, dropped = without_rare(table(("a", "1", 1), ("a", "2", 2), ("b", "3", 3)), 2)
    assert set(kept["identity"]) == {"a"}
    assert list(dropped["detail"]) == ["1 of at least 2"]


def test_faces_below_a_quality_are_dropped_counted_and_do_not_count_towards_the_minimum():
    faces = table(*((name, str(i), i) for i, name in enumerate("aaabb"))).assign(quality=[50.0, 49.9, 80, 90, 10])
    collected = collect(faces, min_examples=2, validation=0, test=1, min_quality=50)
    assert list(collected.dataset["face_id"]) == ["0", "2"]
    assert collected.reasons == {"low-quality": 2, "too-few-faces": 1}
    assert list(collected.dropped["detail"]) == [
        "quality 49.9 of at least 50",
        "quality 10.0 of at least 50",
        "1 of at least 2",
    ]
    last = steps(faces, collected, 2, min_quality=50)[-2:]
    assert [(step.faces, step.people) for step in last] == [(3, 2), (2, 1)]
    with pytest.raises(UsageError, match="have a quality"):
        collect(faces.assign(quality=[50.0, None, 80, 90, 10]), min_examples=2, validation=0, test=1, min_quality=50)


def test_duplicates_do_not_count_towards_the_minimum():
    faces = table(("a", "1", 1), ("a", "1", 1), ("b", "2", 2), ("b", "3", 3))
    collected = collect(faces, min_examples=2, validation=0.1, test=0.2)
    assert set(collected.dataset["identity"]) == {"b"}
    assert list(collected.dropped["reason"]) == ["exact-duplicate", "too-few-faces"]


def test_nothing_left_is_an_error_that_counts():
    with pytest.raises(FacenetError, match=r"1 face of 1 identity; dropped \{'too-few-faces': 1\}"):
        collect(table(("a", "1", 1)), min_examples=2, validation=0.1, test=0.2)


def test_every_face_is_in_the_dataset_or_dropped_and_an_identity_in_one_split():
    faces = table(*((f"p{i % 40}", str(i // 40 // 2), i % 40 + 100 * (i // 7 % 3)) for i in range(300)))
    collected = collect(faces, min_examples=3, validation=0.2, test=0.3)
    paths = [*collected.dataset["photo_path"], *collected.dropped["photo_path"]]
    assert sorted(paths) == sorted(faces["photo_path"])
    assert (collected.dataset.groupby("identity")["split"].nunique() == 1).all()


def test_shares_that_add_up_to_one_leave_nobody_to_train_on():
    names = [f"person {i}" for i in range(5000)]
    for validation, test in ((0, 1), (0.1, 1), (1, 0), (0.9, 0.1), (0.42, 0.58), (0.93, 0.07)):
        assert "train" not in {split_of(name, validation, test) for name in names}


def test_duplicates_and_pictures_under_two_names_are_kept_when_asked():
    faces = table(("a", "1", 1), ("a", "1", 1), ("a", "2", 1), ("b", "1", 1), ("b", "3", 3), ("c", "4", 4))
    kept = collect(faces, min_examples=2, validation=0.1, test=0.2, drop_duplicates=False)
    assert list(kept.dataset["photo_path"]) == ["a/0.jpg", "a/1.jpg", "a/2.jpg", "b/3.jpg", "b/4.jpg"]
    assert list(kept.dropped["reason"]) == ["too-few-faces"]
    card = show(faces, kept, [], 2, False, pictures=False)
    for page in (card.html, card.markdown):
        assert "were not looked for, and are kept" in page and "None." not in page and "without" not in page


def test_splits_have_their_shares_and_adding_people_moves_nobody():
    names = [f"person {i}" for i in range(5000)]
    splits = {name: split_of(name, 0.1, 0.2) for name in names}
    shares = pd.Series(splits).value_counts(normalize=True)
    assert shares[list(SPLITS)].to_numpy() == pytest.approx([0.7, 0.1, 0.2], abs=0.02)
    assert {name: split_of(name, 0.1, 0.2) for name in names[:100]} == {name: splits[name] for name in names[:100]}
    assert all(split_of(name, 0, 0) == "train" for name in names[:100])


def test_the_split_of_a_name_is_fixed_for_ever():
    assert [split_of(name, 0.25, 0.25) for name in ("Ada", "Grace", "Émilie", "x" * 300)] == [
        "train", "train", "train", "test",
    ]  # fmt: skip


def test_both_of_unicodes_forms_of_a_name_are_one_person_in_one_split(faces, tmp_path):
    nfc, nfd = "Zo\u00eb", "Zoe\u0308"
    assert {split_of(name, share, share) for name in (nfc, nfd) for share in (0.3,)} == {split_of(nfc, 0.3, 0.3)}
    rows = read(faces, FACES)
    former = rows.set_column(rows.schema.get_field_index("identity"), "identity", [[nfc, nfd] * (len(rows) // 2)])
    write(tmp_path / "faces", FACES, former, about(faces, FACES))
    assert set(read_faces(tmp_path / "faces")["identity"]) == {nfc}


def test_the_stage_writes_dataset_dropped_and_listing(faces, tmp_path, capsys):
    output, file = tmp_path / "dataset", tmp_path / "listing.json"
    assert main(["-i", str(faces), "-o", str(output), "--listing", str(file)]) == 0
    rows = read(output, DATASET).to_pandas()
    found = read(faces, FACES, columns=["face_id", "identity"]).to_pandas()
    assert len(rows) + read(output.with_name("dataset-dropped"), DROPPED).num_rows == len(found)
    assert (found["face_id"].to_numpy()[rows["row"]] == rows["face_id"]).all()
    (place,) = about(output, DATASET)["faces"]
    assert (output / place).resolve() == faces.resolve()
    assert json.loads(file.read_text()) == list_photos(rows)
    assert f"{len(rows)} faces" in capsys.readouterr().out


def test_the_faces_of_all_shards_become_one_manifest_that_the_dataset_points_into(faces, tmp_path):
    rows = read(faces, FACES)
    for number, some in ((1, rows.slice(0, 7)), (2, rows.slice(7))):
        write(tmp_path / f"{number}", FACES, some, about(faces, FACES), Shard(number, 2))
    flags = ["--output", str(tmp_path / "dataset"), "--faces", str(tmp_path / "faces")]
    assert main(["-i", str(tmp_path / "2"), str(tmp_path / "1"), *flags]) == 0
    assert read(tmp_path / "faces", FACES).equals(rows)
    assert about(tmp_path / "dataset", DATASET)["faces"] == ["../faces"]
    dataset = read(tmp_path / "dataset", DATASET)
    assert faces_of(tmp_path / "dataset", ()) == (tmp_path / "faces",)
    assert len(decode_crops(dataset, (tmp_path / "faces",), 8)) == len(dataset)  # compares the ids


OUT_OF_RANGE = ["--test 1.1", "--test nan", "--test 0.9001 --validation 0.1", "--test 1 --validation 1.1"]
OUT_OF_RANGE += ["--validation -0.1", "--min_examples 0", "--min_quality 101", "--min_quality nan"]


@pytest.mark.parametrize("flags", OUT_OF_RANGE)
def test_shares_and_minimum_out_of_range_are_refused(faces, tmp_path, flags, capsys):
    assert main(["-i", str(faces), "-o", str(tmp_path / "dataset"), *flags.split()]) == 2
    assert flags.split()[0] in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# Ada's first photo is a stranger's too; of the strangers one is there twice, and one in another size.
STRANGERS = [("Ada", "1", 1), ("Ada", "2", 2), ("Bo", "3", 3), ("Bo", "4", 4), ("some", "1", 1), ("some", "5", 5)]
STRANGERS += [("some", "5", 5), ("some", "6", 5), ("some", "7", 7)]


def test_faces_of_unnamed_people_are_for_training_alone_and_no_conflict_of_names():
    found = table(*STRANGERS)
    collected = collect(found, min_examples=2, validation=0.5, test=0.5, unnamed="some")
    without = collect(found[:4], min_examples=2, validation=0.5, test=0.5)
    pd.testing.assert_frame_equal(collected.dataset, without.dataset)
    pd.testing.assert_frame_equal(collected.dropped, without.dropped)
    assert list(collected.unnamed["identity"]) == ["some/5", "some/7"]
    assert set(collected.unnamed["split"]) == {"train"}
    assert dict(zip(collected.unnamed_dropped["photo_path"], collected.unnamed_dropped["detail"], strict=True)) == {
        "some/4.jpg": "a copy of Ada/0.jpg",
        "some/6.jpg": "same as some/5.jpg",
        "some/7.jpg": "a copy of some/5.jpg",
    }
    everything = collect(found, min_examples=1, validation=0, test=1, unnamed="some", drop_duplicates=False)
    assert len(everything.unnamed) == 5 and not everything.reasons
    card = show(found[:4], collected, [], 2, pictures=False)
    for page in (card.html, card.markdown):
        assert "2 faces of unnamed people" in page and "without 3 copies" in page


def test_unnamed_people_alone_make_a_dataset_and_a_folder_that_is_not_there_makes_none(faces, tmp_path, capsys):
    with pytest.raises(UsageError, match="--unnamed same"):
        collect(table(*STRANGERS), min_examples=2, validation=0.1, test=0.2, unnamed="same")
    rows = read(faces, FACES)
    where = rows.schema.get_field_index("identity")
    write(tmp_path / "faces", FACES, rows.set_column(where, "identity", [["some"] * len(rows)]), about(faces, FACES))
    pages = ["--html", str(tmp_path / "card.html"), "--markdown", str(tmp_path / "card.md")]
    assert main(["-i", str(tmp_path / "faces"), "-o", str(tmp_path / "dataset"), "--unnamed", "some", *pages]) == 0
    dataset = read(tmp_path / "dataset", DATASET)
    assert len(set(dataset["identity"].to_pylist())) == len(dataset) > 90
    assert f"{len(dataset)} faces of unnamed people" in capsys.readouterr().out
