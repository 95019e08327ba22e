"""Faces under a wrong name, and people under two, as a network sees them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from components.collect import outliers
from components.collect.__main__ import main
from components.collect.card import Step, steps
from components.collect.collect import collect
from components.collect.filters import without_outliers
from components.collect.outliers import find_outliers
from components.common.errors import UsageError
from components.common.manifest import DATASET, DROPPED, EMBEDDINGS, FACES, about, read, write
from components.model.embeddings import write_embeddings

PEOPLE, EACH, SIZE = 60, 6, 32


def table(identities):
    """Faces of people."""
    return pd.DataFrame(
        {
            "face_id": [f"{number:04d}" for number in range(len(identities))],
            "identity": identities,
            "photo_path": [f"{identity}/{number}.jpg" for number, identity in enumerate(identities)],
        }
    )


def drawn(identities, seed=0, spread=0.6):
    """Embeddings as networks give them: people around a mean that all share, and their faces around them."""
    rng = np.random.default_rng(seed)
    codes = np.unique(identities, return_inverse=True)[1]
    places = rng.normal(size=(codes.max() + 1, SIZE))
    vectors = 2 + places[codes] + spread * rng.normal(size=(len(codes), SIZE))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def right():
    return np.array([f"person {number // EACH:02d}" for number in range(PEOPLE * EACH)], dtype=object)


def test_likenesses_are_those_of_a_loop(right):
    vectors = drawn(right, spread=1.5)
    unit = lambda vector: vector / np.linalg.norm(vector)  # noqa: E731
    faces_of = {name: np.flatnonzero(right == name) for name in np.unique(right)}
    centre = np.mean([vectors[rows].mean(axis=0) for rows in faces_of.values()], axis=0)
    around = np.array([unit(vector - centre) for vector in vectors])
    own, other, who = [], [], []
    for face, name in enumerate(right):
        likeness = {
            person: around[face] @ unit(around[[row for row in rows if row != face]].sum(axis=0))
            for person, rows in faces_of.items()
        }
        own.append(likeness.pop(name))
        who.append(max(likeness, key=likeness.get))
        other.append(likeness[who[-1]])
    codes, names = pd.factorize(right)
    seen = outliers._likenesses(outliers._around_people(vectors, codes), codes)
    np.testing.assert_allclose(seen[0], own, atol=1e-5)
    np.testing.assert_array_equal(names[seen[1]], who)
    np.testing.assert_allclose(seen[2], other, atol=1e-5)


def test_nothing_is_found_where_all_names_are_right(right):
    found = find_outliers(table(right), drawn(right))
    assert found.faces.empty and found.people.empty


@pytest.mark.parametrize("seed", range(3))
def test_faces_under_wrong_names_are_found_with_whom_they_look_like(right, seed):
    rng = np.random.default_rng(seed)
    wrong = rng.choice(len(right), len(right) // 20, replace=False)
    named = right.copy()
    named[wrong] = rng.permutation(right[wrong])
    wrong = np.flatnonzero(named != right)
    found = find_outliers(table(named), drawn(right, seed))
    listed = found.faces.index.to_numpy()
    right_ones = np.intersect1d(listed, wrong)
    assert len(right_ones) >= 0.95 * len(listed) and len(right_ones) >= 0.85 * len(wrong)
    assert (found.faces["like_identity"].to_numpy() == right[listed]).mean() >= 0.95
    assert (found.faces["own"] < found.faces["other"]).all()
    surest = (found.faces["other"] - found.faces["own"]).to_numpy()
    assert (np.diff(surest) <= 1e-6).all()
    assert found.people.empty


def test_the_face_shown_beside_one_is_that_which_it_is_most_like(right):
    named, vectors = right.copy(), drawn(right)
    named[0] = right[-1]
    (face,) = find_outliers(table(named), vectors).faces.itertuples()
    assert face.identity == right[-1] and face.like_identity == right[0]
    others = np.flatnonzero(named == right[0])
    codes = pd.factorize(named)[0]
    around = outliers._around_people(vectors, codes)
    assert face.like_id == f"{others[np.argmax(around[others] @ around[0])]:04d}"


def test_a_person_under_two_names_is_told_as_people_and_not_face_by_face(right):
    named, twice = right.copy(), ["person 03", "person 17", "person 40"]
    for name in twice:
        named[np.flatnonzero(right == name)[: EACH // 2]] = f"{name} again"
    one_face = np.flatnonzero(right == "person 50")[0]
    named[one_face] = "person 50 again"
    found = find_outliers(table(named), drawn(right))
    expected = [[name, f"{name} again"] for name in [*twice, "person 50"]]
    assert found.people.to_numpy().tolist() == expected
    assert found.faces.empty


def test_in_pieces_the_same_is_found(right, monkeypatch):
    named = np.roll(right, 1)  # of each person, one face belongs to the person before
    whole = find_outliers(table(named), drawn(right))
    assert len(whole.faces) > PEOPLE / 2
    monkeypatch.setattr(outliers, "_LIKENESSES", 7 * PEOPLE)
    pieces = find_outliers(table(named), drawn(right))
    pd.testing.assert_frame_equal(whole.faces, pieces.faces, rtol=1e-5)


def test_one_who_has_most_of_the_photos_does_not_hide_mistakes():
    right = np.array(["Ada"] * 200 + ["Bob"] * 4 + ["Cy"] * 4, dtype=object)
    named, vectors = right.copy(), drawn(right)
    named[0], named[200] = "Bob", "Ada"
    found = find_outliers(table(named), vectors)
    assert sorted(found.faces.index) == [0, 200]
    assert sorted(found.faces["like_identity"]) == ["Ada", "Bob"]


def test_outliers_are_dropped_by_their_row_and_say_whom_they_look_like(right):
    named = right.copy()
    named[0] = right[-1]
    faces = table(named).set_axis(range(100, 100 + len(named)))
    kept, dropped = without_outliers(faces, find_outliers(faces, drawn(right)).faces)
    assert list(dropped.index) == [100] and len(kept) == len(faces) - 1
    ((reason, detail),) = dropped[["reason", "detail"]].to_numpy().tolist()
    assert reason == "outlier" and detail.startswith(f"looks like {right[0]}/")


@pytest.mark.parametrize("identities", [["Ada"] * 4, ["Ada", "Bob", "Cy"]])
def test_without_two_people_and_two_faces_nothing_can_be_said(identities):
    with pytest.raises(UsageError, match="Nobody's faces can be compared"):
        find_outliers(table(identities), drawn(np.arange(len(identities))))


def test_a_network_that_tells_nobody_apart_is_refused(right):
    with pytest.raises(UsageError, match=r"do not tell the people apart.*\n.*360 faces of 60 people"):
        find_outliers(table(right), drawn(np.arange(len(right))))


@pytest.fixture
def mistaken(faces, dataset, tmp_path):
    """Faces of which one stands under the name of somebody else, and their embeddings by a network that sees it."""
    rows = read(dataset, DATASET).to_pandas()
    vectors = drawn(rows["identity"].to_numpy(), spread=0.3)
    found = read(faces, FACES).to_pandas()
    wrong = rows.iloc[0]
    found.loc[found["face_id"] == wrong["face_id"], "identity"] = rows["identity"].iloc[-1]
    places = {"faces": tmp_path / "faces", "embeddings": tmp_path / "embeddings"}
    table = pa.Table.from_pandas(found, schema=FACES.schema, preserve_index=False)
    write(places["faces"], FACES, table, about(faces, FACES))
    write_embeddings(places["embeddings"], read(dataset, DATASET), vectors, "ab" * 32)
    return places, wrong


def collected(places, to, *flags):
    shown = ["--html", str(to.with_name("html")), "--markdown", str(to.with_name("markdown"))]
    return main(["-i", str(places["faces"]), "-o", str(to), "--outliers", str(places["embeddings"]), *flags, *shown])


def test_an_outlier_is_printed_and_shown_and_kept(mistaken, tmp_path, capsys):
    places, wrong = mistaken
    assert collected(places, tmp_path / "new") == 0
    said = capsys.readouterr().out
    assert "  1 face unlike the others of the person and like somebody else's, kept." in said
    assert f"    {wrong['photo_path']} looks like {wrong['identity']}/" in said
    assert wrong["face_id"] in read(tmp_path / "new", DATASET)["face_id"].to_pylist()
    html, markdown = (tmp_path / "html").read_text(), (tmp_path / "markdown").read_text()
    listed = html.split("Faces that look like somebody else")[1].split("<h2>")[0]
    assert "1 of 1 that are unlike" in listed and listed.count("<img") == 2 and wrong["photo_path"] in listed
    assert "all kept; it may be one person under two names: 0 of 0" in markdown
    assert " looks like " in markdown


def test_an_outlier_is_dropped_when_asked_and_listed_with_the_reason(mistaken, tmp_path, capsys):
    places, wrong = mistaken
    assert collected(places, tmp_path / "new", "--drop_outliers", "true", "--pictures", "false") == 0
    assert "somebody else's, dropped." in capsys.readouterr().out
    lost = read(tmp_path / "new-dropped", DROPPED).to_pandas()
    (detail,) = lost.loc[(lost["face_id"] == wrong["face_id"]) & (lost["reason"] == "outlier"), "detail"]
    assert detail.startswith(f"looks like {wrong['identity']}/")
    left = read(tmp_path / "new", DATASET).to_pandas()
    assert wrong["face_id"] not in set(left["face_id"])
    assert len(left) + len(lost) == len(read(places["faces"], FACES))
    assert about(tmp_path / "new", DATASET)["drop_outliers"] is True
    html = (tmp_path / "html").read_text()
    assert "<img" not in html and "without faces that look like somebody else" in html and "dropped from every" in html


def test_who_has_too_few_faces_without_an_outlier_is_dropped_too(right, tmp_path):
    named = right.copy()
    named[[0, EACH]] = right[[EACH, 0]]
    faces = table(named).assign(phash=range(len(named)), part=0, row=range(len(named)), width=9)
    rows = pa.Table.from_pandas(faces[["face_id", "identity", "photo_path"]].assign(split=""), preserve_index=False)
    write_embeddings(tmp_path / "embeddings", rows, drawn(right), "ab" * 32)
    how = {"min_examples": EACH, "validation": 0.1, "test": 0.2, "embeddings": tmp_path / "embeddings"}
    kept, left = collect(faces, **how), collect(faces, **how, drop_outliers=True)
    assert len(kept.dataset) == len(faces) and kept.dropped.empty
    reasons = left.dropped.groupby("reason")["identity"].agg(list).to_dict()
    assert sorted(reasons["outlier"]) == [right[0], right[EACH]]
    assert sorted(reasons["too-few-faces"]) == [right[0]] * (EACH - 1) + [right[EACH]] * (EACH - 1)
    assert len(left.dataset) == len(faces) - 2 * EACH
    assert steps(faces, left, EACH, drop_outliers=True) == [
        Step("found", len(faces), PEOPLE),
        Step("without copies of a person's own pictures", len(faces), PEOPLE),
        Step("without pictures under two names", len(faces), PEOPLE),
        Step("without faces that look like somebody else", len(faces) - 2, PEOPLE),
        Step(f"of people with {EACH} faces or more", len(faces) - 2 * EACH, PEOPLE - 2),
    ]


def test_embeddings_of_other_faces_and_of_several_networks_are_refused(mistaken, tmp_path, capsys):
    places, _ = mistaken
    rows = read(places["embeddings"], EMBEDDINGS)
    write(places["embeddings"], EMBEDDINGS, rows.slice(3))
    assert collected(places, tmp_path / "new") == 2
    assert f"without 3 of {len(rows)} faces" in capsys.readouterr().err
    column = rows.schema.get_field_index("checkpoint_sha256")
    several = rows.set_column(column, rows.schema.field(column), pa.array(["a"] * 3 + ["b"] * (len(rows) - 3)))
    write(places["embeddings"], EMBEDDINGS, several)
    assert collected(places, tmp_path / "new") == 2
    assert "different checkpoints" in capsys.readouterr().err
    assert main(["-i", str(places["faces"]), "-o", str(tmp_path / "new"), "--drop_outliers", "true"]) == 2
    assert "no use without --outliers" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
