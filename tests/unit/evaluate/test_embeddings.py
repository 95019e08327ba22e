from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from components.common.errors import UsageError
from components.common.manifest import EMBEDDINGS, read, write
from components.evaluate.embeddings import _vectors, pair_distances, read_embeddings, read_split
from components.evaluate.metrics import STEP


def manifest(path, vectors, checkpoints=None):
    rows = [
        {
            "face_id": f"id{i}",
            "identity": f"p{i // 2}",
            "split": "test" if i % 2 else "train",
            "photo_path": f"p{i // 2}/{i}.jpg",
            "embedding": list(vector),
            "checkpoint_sha256": (checkpoints or ["c"] * len(vectors))[i],
        }
        for i, vector in enumerate(vectors)
    ]
    write(path, EMBEDDINGS, pa.Table.from_pylist(rows, schema=EMBEDDINGS.schema))
    return path


def unit(count, size=4):
    vectors = np.random.default_rng(0).normal(size=(count, size)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_embeddings_are_read_as_written_and_filtered_by_split(tmp_path):
    vectors = unit(5)
    found = read_embeddings(manifest(tmp_path / "e", vectors))
    assert np.array_equal(found.vectors, vectors)
    assert found.identity_codes().tolist() == [0, 0, 1, 1, 2]
    test = found.of_split("test")
    assert list(test.face_id) == ["id1", "id3"]
    assert np.array_equal(test.vectors, vectors[[1, 3]])
    assert len(found.of_split("all")) == 5
    assert len(found.of_split("validation")) == 0


def test_unnamed_people_are_of_no_split_to_measure(tmp_path):
    found = read_embeddings(manifest(tmp_path / "e", unit(4)))
    found = replace(found, identity=np.array(["p0", "some/a", "p1", "some/b"], object))
    assert list(found.of_split("all").face_id) == ["id0", "id2"] == list(found.of_split("train").face_id)
    assert not len(found.of_split("test"))


def test_of_one_split_the_rest_is_counted_and_checked_and_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("components.common.manifest.stored._AT_ONCE", 2)
    vectors = unit(7)
    found, census = read_split(manifest(tmp_path / "e", vectors), "test")
    assert list(found.face_id) == ["id1", "id3", "id5"] and np.array_equal(found.vectors, vectors[1::2])
    assert (census.faces, sorted(census.identities)) == (7, ["p0", "p1", "p2", "p3"])
    assert not len(read_split(tmp_path / "e", "validation")[0])
    vectors[4] = np.nan
    with pytest.raises(UsageError, match=r"1 of the first 6 faces: p2/4.jpg"):
        read_split(manifest(tmp_path / "e", vectors), "test")


def change(row, value):
    def apply(vectors):
        return [value if i == row else vector for i, vector in enumerate(vectors)]

    return apply


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (change(2, [1.0, 0.0, 0.0]), "differing lengths"),
        (change(2, [float("nan"), 0.0, 0.0, 1.0]), "not finite"),
        (change(2, [None, 0.0, 0.0, 1.0]), "not finite"),
        (change(2, [2.0, 0.0, 0.0, 0.0]), "unit length"),
        (change(2, [0.0, 0.0, 0.0, 0.0]), "unit length"),
    ],
)
def test_vectors_that_mean_nothing_are_refused_by_photo(tmp_path, spoil, what):
    with pytest.raises(UsageError, match=what) as error:
        read_embeddings(manifest(tmp_path / "e", spoil(unit(5))))
    assert "1 of 5 faces: p1/2.jpg" in str(error.value)


def test_vectors_of_several_parts_are_put_together_without_joining_lists(tmp_path, monkeypatch):
    monkeypatch.setattr("components.common.manifest.writing.ROWS_PER_PART", 3)
    vectors = unit(8)
    folder = manifest(tmp_path / "e", vectors)
    assert len(list(folder.iterdir())) == 3
    assert np.array_equal(read_embeddings(folder).vectors, vectors)
    chunks = read(folder, EMBEDDINGS)["embedding"].slice(1)  # offsets that do not begin at 0
    assert chunks.num_chunks == 3
    assert np.array_equal(_vectors(chunks, None, None, "7 faces"), vectors[1:])
    longer = manifest(tmp_path / "longer", [*vectors[:7], [1.0]])
    with pytest.raises(UsageError, match=r"differing lengths(?s:.)*1 of 8 faces: p3/7.jpg \(1\); the first"):
        read_embeddings(longer)


def test_two_checkpoints_are_refused_by_name(tmp_path):
    with pytest.raises(UsageError, match="different checkpoints") as error:
        read_embeddings(manifest(tmp_path / "e", unit(3), ["aa", "bb", "aa"]))
    assert "aa (2 faces), bb (1 face)" in str(error.value)


def test_no_embeddings_are_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no embeddings"):
        read_embeddings(manifest(tmp_path / "e", []))


def exact(vectors, first, second):
    """In float64, pair by pair, to the nearest step."""
    distances = np.linalg.norm(vectors[first].astype(float) - vectors[second], axis=1)
    return np.rint(distances / STEP) * STEP


@pytest.mark.parametrize("products", [0, 1e9], ids=["picked", "product"])
def test_distances_are_exact_in_chunks_and_threads_and_both_ways(monkeypatch, products):
    vectors = unit(40)
    vectors[7] = vectors[3]
    vectors[8] = vectors[3] * np.float32(1 + 2e-4)  # nearly of unit length, as in half precision
    first, second = np.triu_indices(40)
    monkeypatch.setattr("components.evaluate.embeddings._PRODUCTS_PER_PAIR", products)
    whole = pair_distances(vectors, first, second)
    assert np.array_equal(whole, exact(vectors, first, second))
    assert whole[(first == 3) & (second == 7)] == 0
    monkeypatch.setattr("components.evaluate.embeddings._VALUES_PER_CHUNK", 28)
    monkeypatch.setattr("components.evaluate.embeddings._PAIRS_PER_THREAD", 50)
    assert np.array_equal(pair_distances(vectors, first, second), whole)


def test_pairs_may_come_in_any_order():
    vectors = unit(40)
    first, second = np.random.default_rng(1).integers(0, 40, (2, 333))
    assert np.array_equal(pair_distances(vectors, first, second), exact(vectors, first, second))
