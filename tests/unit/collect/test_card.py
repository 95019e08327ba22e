"""What the card of a dataset shows."""

from __future__ import annotations

import io
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from components.collect.card import Step, encoded_again, same_pictures, show, steps, under_two_names
from components.collect.collect import collect
from components.common.manifest import FACES, parts, write


def table(*rows):
    """Faces from (identity, face_id, phash)."""
    frame = pd.DataFrame(rows, columns=["identity", "face_id", "phash"]).astype({"phash": "uint64"})
    return frame.assign(
        photo_path=[f"{row[0]}/{i}.jpg" for i, row in enumerate(rows)], part=0, row=range(len(rows)), width=9
    )


# Ada has a picture three times, and one that Bob and Cy have too; Dan has one face; Cy is left with none.
ROWS = [("Ada", "1", 1), ("Ada", "1", 1), ("Ada", "1", 1), ("Ada", "2", 2), ("Ada", "3", 3), ("Bob", "4", 3)]
ROWS += [("Bob", "5", 5), ("Bob", "6", 6), ("Cy", "7", 3), ("Dan", "8", 8)]
FOUND = table(*ROWS)
COLLECTED = collect(FOUND, min_examples=2, validation=0.1, test=0.2)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    encoded = io.BytesIO()
    Image.new("RGB", (40, 40)).save(encoded, "JPEG")
    folder = tmp_path_factory.mktemp("manifest") / "faces"
    fixed = {"photo_sha256": "", "box": [0, 0, 9, 9], "crop_box": [0, 0, 9, 9], "detector": "", "score": 1.0}
    fixed |= {"image": encoded.getvalue(), "width": 40, "height": 40}
    rows = FOUND[["face_id", "identity", "photo_path", "phash"]].to_dict("records")
    write(folder, FACES, pa.Table.from_pylist([fixed | row for row in rows], schema=FACES.schema))
    return parts(folder, FACES)


def test_what_each_filter_leaves_is_counted():
    assert steps(FOUND, COLLECTED, 2) == [
        Step("found", 10, 4),
        Step("without copies of a person's own pictures", 8, 4),
        Step("without pictures under two names", 5, 3),
        Step("of people with 2 faces or more", 4, 2),
    ]


def test_the_same_picture_is_shown_with_all_who_have_it():
    (copies,) = same_pictures(FOUND, COLLECTED.dropped).shown
    assert [path for _, _, path in copies.faces] == ["Ada/0.jpg", "Ada/1.jpg", "Ada/2.jpg"]
    (shared,) = under_two_names(COLLECTED.dropped).shown
    assert [(face, name) for face, name, _ in shared.faces] == [("3", "Ada"), ("4", "Bob"), ("7", "Cy")]


def test_a_photo_in_other_sizes_is_shown_and_the_largest_is_kept():
    found = table(("Ada", "1", 1), ("Ada", "2", 1), ("Ada", "3", 3), ("Bob", "4", 4), ("Bob", "5", 5))
    found.loc[found["face_id"] == "5", ["phash", "photo_path"]] = [4, "Bob/3.jpg"]  # another face of the same photo
    found.loc[found["face_id"] == "2", "width"] = 10
    kept = collect(found, min_examples=2, validation=0.1, test=0.2)
    assert list(kept.dataset["face_id"]) == ["2", "3", "4", "5"]
    assert kept.dropped[["reason", "detail"]].to_numpy().tolist() == [["copy", "a copy of Ada/1.jpg"]]
    (copies,) = encoded_again(found, kept.dropped).shown
    assert [path for _, _, path in copies.faces] == ["Ada/0.jpg", "Ada/1.jpg"]
    card = show(found, kept, [], 2, pictures=False)
    assert "1 of 1 photos" in card.html
    assert "- Ada/0.jpg = Ada/1.jpg" in card.markdown


def test_the_card_shows_counts_splits_and_pictures(files):
    card = show(FOUND, COLLECTED, files, 2, pictures=True)
    for number in ("<strong>4</strong>", "<strong>2</strong>", "<strong>6</strong>"):
        assert number in card.html
    assert card.html.count("<img") == 6 and card.html.count("<svg") == 1
    assert "Dan" in card.html.split("too few faces")[1]
    assert "| found | 10 | 4 |" in card.markdown
    assert "- Ada/4.jpg = Bob/5.jpg = Cy/8.jpg" in card.markdown
    splits = re.findall(r"\| (?:train|validation|test) \| (\d+) \| (\d+) \|", card.markdown)
    assert np.array(splits, int).sum(axis=0).tolist() == [2, 4]


def test_without_pictures_there_are_none_and_it_is_said(files):
    card = show(FOUND, COLLECTED, files, 2, pictures=False)
    assert "<img" not in card.html
    assert "switched off" in card.html and "switched off" in card.markdown


def test_of_many_duplicates_a_few_are_shown_and_the_number_of_all():
    rows = [row for i in range(500) for row in [(f"p{i}", str(i), i)] * 30 + [(f"p{i}", f"{i}b", 10_000 + i)]]
    rows += [(f"q{i}", f"q{i}", i // 50 + 900_000) for i in range(1000)]
    found = table(*rows)
    collected = collect(found, min_examples=2, validation=0.1, test=0.2)
    card = show(found, collected, [], 2, pictures=False)
    assert "8 of 500 pictures" in card.html and "8 of 20. One" in card.html
    assert card.html.count("and 26 more") == 8 and card.html.count("and 46 more") == 8
    assert len(card.html) < 200_000
