from __future__ import annotations

import pyarrow as pa
import pytest

from components.common.errors import FacenetError
from components.export.faces import by_split, calibration_rows, held_out_rows

SPLITS = {"train": range(6), "validation": range(6, 8), "test": range(8, 12)}
ROWS = pa.Table.from_pylist(
    [
        {"face_id": f"{person}-{face}", "identity": f"p{person}", "split": split}
        for split, people in SPLITS.items()
        for person in people
        for face in range(5)
    ]
)


def test_calibration_takes_faces_of_the_training_split_in_their_order():
    chosen = calibration_rows(ROWS, 10, seed=0)
    assert set(chosen["split"].to_pylist()) == {"train"}
    order = ROWS["face_id"].to_pylist()
    places = [order.index(face) for face in chosen["face_id"].to_pylist()]
    assert places == sorted(set(places))
    assert len(places) == 10
    assert calibration_rows(ROWS, 10, seed=0) == chosen
    assert calibration_rows(ROWS, 10, seed=1) != chosen
    assert len(calibration_rows(ROWS, 1000, seed=0)) == 30


@pytest.mark.parametrize(("count", "people"), [(1, 1), (5, 1), (6, 2), (30, 6), (1000, 6)])
def test_held_out_takes_whole_people_of_the_other_splits(count, people):
    chosen = held_out_rows(ROWS, count, seed=0)
    assert set(chosen["split"].to_pylist()) <= {"validation", "test"}
    assert len(set(chosen["identity"].to_pylist())) == people
    assert len(chosen) == 5 * people


def test_which_people_are_held_out_depends_on_the_seed():
    chosen = {tuple(held_out_rows(ROWS, 10, seed)["face_id"].to_pylist()) for seed in range(9)}
    assert len(chosen) > 1


def test_people_without_names_are_no_people_of_a_split():
    strangers = pa.Table.from_pylist([{"face_id": f"{n}", "identity": f"some/{n}", "split": "train"} for n in range(9)])
    assert by_split(pa.concat_tables([ROWS, strangers])) == by_split(ROWS)


def test_an_empty_split_is_named():
    train = ROWS.filter(pa.compute.equal(ROWS["split"], "train"))
    test = ROWS.filter(pa.compute.equal(ROWS["split"], "test"))
    with pytest.raises(FacenetError, match="calibrated on faces of the training split"):
        calibration_rows(test, 10, 0)
    with pytest.raises(FacenetError, match="faces that were not trained on"):
        held_out_rows(train, 10, 0)


def test_splits_are_counted():
    assert by_split(ROWS) == [("test", 4, 20), ("train", 6, 30), ("validation", 2, 10)]
