"""What the card of embeddings shows, and that its map moves in a real browser."""

from __future__ import annotations

import json
import re

import numpy as np
import pyarrow as pa
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from components.common.manifest import DATASET, read
from components.embed import neighbours
from components.embed.card import Embedded, show, some_of_each
from components.embed.layout import _affinities, layout


def grouped(groups, faces, noise, size=32, seed=0):
    rng = np.random.default_rng(seed)
    vectors = np.repeat(rng.normal(size=(groups, size)), faces, axis=0) + noise * rng.normal(
        size=(groups * faces, size)
    )
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def rows(dataset):
    return read(dataset, DATASET)


def shown(rows, faces, pictures=True):
    people = np.unique(rows["identity"].to_numpy(zero_copy_only=False), return_inverse=True)[1]
    embeddings = grouped(people.max() + 1, 1, 0)[people] + 0.02 * np.random.default_rng(1).normal(size=(len(rows), 32))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return show(Embedded(rows, rows.take, embeddings.astype(np.float32), 32), faces, "ab" * 32, pictures=pictures)


def test_the_map_keeps_neighbours_together_far_better_than_a_projection():
    vectors = grouped(20, 6, 0.6)
    places = layout(vectors)
    assert places.min() >= 0 and places.max() <= 1 and np.ptp(places, axis=0).max() == pytest.approx(1)
    kept = trustworthiness(vectors, places, n_neighbors=5)
    assert kept > 0.98 and kept > trustworthiness(vectors, PCA(2).fit_transform(vectors), n_neighbors=5) + 0.1
    np.testing.assert_array_equal(places, layout(vectors))


def test_each_face_has_an_eye_on_as_many_neighbours_as_asked_for():
    shares = _affinities(grouped(12, 5, 1.0).astype(np.float64))
    assert shares.sum() == pytest.approx(1) and (shares == shares.T).all() and not shares.diagonal().any()
    rows = shares / shares.sum(axis=1, keepdims=True)
    effective = np.exp(-(rows * np.log(np.maximum(rows, 1e-30))).sum(axis=1))
    assert 13 < np.median(effective) < 25  # the perplexity of 15; the two directions together make it a little larger


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6])
def test_few_or_equal_faces_have_places_too(count):
    for vectors in (grouped(count, 1, 0), np.ones((count, 4), np.float32) / 2):
        places = layout(vectors)
        assert places.shape == (count, 2) and np.isfinite(places).all()


def test_neighbours_are_those_of_a_loop_whatever_the_blocks(monkeypatch):
    monkeypatch.setattr(neighbours, "_BLOCK", 7)
    vectors = grouped(10, 4, 0.8)
    asked = np.array([0, 13, 39])
    found, distances = neighbours.nearest(vectors, np.arange(len(vectors)), asked, 5)
    for row, near, apart in zip(asked, found, distances, strict=True):
        all_distances = {other: np.linalg.norm(vectors[row] - vectors[other]) for other in range(40) if other != row}
        assert near.tolist() == sorted(all_distances, key=all_distances.get)[:5]
        assert apart == pytest.approx([all_distances[other] for other in near])


def test_people_and_faces_are_chosen_at_even_distances():
    people = np.random.default_rng(0).permutation(np.repeat(np.arange(100), 30))
    chosen = some_of_each(people, 40, 8)
    numbers, counts = np.unique(people[chosen], return_counts=True)
    assert len(numbers) == 40 and set(counts) == {8} and {0, 99} <= set(numbers)
    assert len(set(chosen)) == 320


def test_the_card_shows_the_map_and_the_neighbours_of_people_not_trained_on(rows, faces):
    card = shown(rows, faces)
    places = card.html.count('class="place"')
    assert places == len(rows)
    assert card.html.count("<img") == places + 8 * 7 or card.html.count("<img") < places + 8 * 7  # fewer unseen people
    splits = dict(zip(rows["identity"].to_pylist(), rows["split"].to_pylist(), strict=True))
    asked = re.findall(r'<li class="asked">.*?<bdi[^>]*>(.*?)</bdi>', card.html, re.DOTALL)
    assert asked and all(splits[name] != "train" for name in asked)
    for split in set(splits.values()):
        assert re.search(rf"\| {split} \| \d+ \| 100.00% \|", card.markdown)
    assert len(card.html) < 2_000_000


def test_without_pictures_the_map_is_of_points(rows, faces):
    card = shown(rows, faces, pictures=False)
    assert "<img" not in card.html and 'class="map points"' in card.html
    assert "switched off" in card.html and "switched off" in card.markdown


def test_unnamed_people_are_counted_and_not_shown(rows, faces):
    names = rows["identity"].to_pylist()
    each = [f"some/{number}" if name == names[0] else name for number, name in enumerate(names)]
    strangers = rows.set_column(rows.schema.get_field_index("identity"), "identity", [each])
    card = shown(strangers, faces, pictures=False)
    assert card.html.count('class="place"') == len(rows) - 4
    assert "And 4 faces of unnamed people" in card.html and "unnamed people, not shown | 4 |" in card.markdown
    assert "some/" not in card.html + card.markdown


def test_the_card_of_many_faces_is_no_larger_and_says_of_how_many(faces):
    names = [f"person {i // 20}" for i in range(20_000)]
    fixed = {"split": "train", "phash": 0, "photo_path": "p.jpg", "part": 0, "row": 0}
    rows = pa.Table.from_pylist([{"face_id": "f", "identity": name, **fixed} for name in names], schema=DATASET.schema)
    card = show(Embedded(rows, rows.take, grouped(1000, 20, 0.5), 32), faces, "ab" * 32, pictures=False)
    assert "320 of 20,000 faces, of 40 of 1,000 people" in card.html
    assert len(card.html) < 300_000


def test_one_face_alone_has_a_card_and_so_has_a_shard_without_any(rows, faces):
    card = shown(rows.slice(0, 1), faces)
    assert card.html.count('class="place"') == 1 and "Nearest neighbours" not in card.html
    nobody = Embedded(rows.slice(0, 0), rows.take, np.empty((0, 32), np.float32), 32)
    card = show(nobody, faces, "ab" * 32, pictures=True)
    assert "| Faces | 0 |" in card.markdown and 'class="place"' not in card.html


TRY = """<script>
const seen = [];
const dim = () => faces.filter(face => face.classList.contains("dim")).length;
const look = () => seen.push([view.zoom, view.x, dim(), told.textContent]);
look();
document.querySelector("#nearer").click(); look();
const point = { bubbles: true, pointerId: 1, clientX: 200, clientY: 200 };
map.dispatchEvent(new PointerEvent("pointerdown", point));
map.dispatchEvent(new PointerEvent("pointermove", { ...point, clientX: 150 }));
map.dispatchEvent(new PointerEvent("pointerup", point)); look();
document.querySelector("#whole").click();
map.dispatchEvent(new PointerEvent("pointerdown", point));
map.dispatchEvent(new PointerEvent("pointerup", point));
faces[3].click(); look();
faces[3].click(); look();
wanted.value = faces[3].title.toUpperCase(); wanted.dispatchEvent(new Event("input")); look();
document.title = JSON.stringify(seen);
</script>"""


@pytest.mark.browser
def test_the_map_moves_zooms_and_tells_who_it_is(rows, faces, tmp_path, browser):
    card = shown(rows, faces)
    file = tmp_path / "card.html"
    file.write_text(card.html.replace("</body>", TRY + "</body>"))
    page = browser.new_page()
    page.goto(file.as_uri())
    still, nearer, moved, chosen, unchosen, found = json.loads(page.title())
    name = rows["identity"][3].as_py()
    of_others = sum(other != name for other in rows["identity"].to_pylist())
    assert still == [1, 0, 0, ""]
    assert nearer[0] == 1.5 and nearer[1] == pytest.approx(-0.25)
    assert moved[0] == 1.5 and moved[1] < nearer[1]
    assert chosen[:3] == [1, 0, of_others] and chosen[3].startswith(name)
    assert unchosen == [1, 0, 0, ""]
    assert found[2] == of_others


def test_long_names_and_paths_do_not_make_a_large_page(faces):
    names = [f"{i:03}" + '"' * 250 for i in range(40) for _ in range(8)]
    fixed = {"split": "test", "phash": 0, "photo_path": "</" * 2000, "part": 0, "row": 0, "face_id": "f"}
    rows = pa.Table.from_pylist([{"identity": name, **fixed} for name in names], schema=DATASET.schema)
    card = show(Embedded(rows, rows.take, grouped(40, 8, 0.5), 32), faces, "ab" * 32, pictures=False)
    assert len(card.html) < 1_400_000  # 320 pictures of 1.8 kB are not in it
