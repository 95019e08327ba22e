"""Identification against loops that spell the definitions out; galleries, strangers and what few people cannot tell."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest

from components.evaluate.bootstrap import REPLICATES, search_intervals
from components.evaluate.galleries import DRAWS, Plan, galleries
from components.evaluate.identification import FALSE_POSITIVE_RATES, RANKS, Searches, identification
from components.evaluate.metrics import curve, val_at_far
from components.evaluate.references import RULES, References, on_grid, references
from components.evaluate.searches import best_similarities, mate_ranks


def people(number, faces, *, size=6, noise=0.6, seed=0, copies=False):
    """Embeddings around a random centre for each person; with copies, many faces of several people are one vector."""
    rng = np.random.default_rng(seed)
    identity = np.repeat(np.arange(number), faces)
    vectors = rng.normal(size=(number, size))[identity] + noise * rng.normal(size=(len(identity), size))
    if copies:
        vectors = np.sign(vectors)
    order = rng.permutation(len(identity))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)[order], identity[order]


def score(probe, enrolled, rule):
    """One probe, the enrolled faces of one person, and the rule as its name says it; sums without rounding."""
    each = [math.fsum(map(float, probe * face)) for face in enrolled]  # float64
    if rule == "nearest" or len(enrolled) == 1:
        return max(each)
    if rule == "mean score":
        return math.fsum(each) / len(each)
    mean = np.mean(enrolled, axis=0)
    return math.fsum(map(float, probe * np.rint(mean / np.linalg.norm(mean) * 2**27) / 2**27))


def searched(grid, drawn, enrolled, rule):
    """The definitions by loops: (mate's distance, mate's rank) of each mated search, nearest distance of the others."""
    exact, mated, nonmated = grid.astype(np.float64), [], []
    for gallery in drawn:
        everybody = [exact[faces[:enrolled]] for faces in gallery.enrolled]
        for probe, mate in zip(gallery.mated, gallery.mate, strict=True):
            scores = [score(exact[probe], faces, rule) for faces in everybody]
            rank = 1 + sum(other >= scores[mate] for number, other in enumerate(scores) if number != mate)
            mated.append((math.sqrt(max(2 - 2 * scores[mate], 0)), rank))
        nearest = [max(score(exact[probe], faces, rule) for faces in everybody) for probe in gallery.strangers]
        nonmated += [math.sqrt(max(2 - 2 * best, 0)) for best in nearest]
    return mated, nonmated


def fnir_at(mated, nonmated, fpir):
    """By trying every distance: the largest threshold with no more false positives than that."""
    thresholds = sorted({distance for distance, _ in mated} | set(nonmated))
    allowed = [t for t in thresholds if Fraction(sum(d <= t for d in nonmated), len(nonmated)) <= Fraction(fpir)]
    threshold = max(allowed, default=-1)
    return sum(rank > 1 or distance > threshold for distance, rank in mated) / len(mated)


@pytest.mark.parametrize("copies", [False, True])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("enrolled", [1, 2])
def test_rates_are_those_of_the_definitions(enrolled, rule, copies):
    vectors, identity = people(24, 5, copies=copies)
    plan, grid = Plan.of(identity), on_grid(vectors)
    drawn = list(galleries(identity, plan, plan.sizes[-1], seed=1))[:2]
    mated, nonmated = searched(grid, drawn, enrolled, rule)
    found = Searches.of(grid, identity, drawn, enrolled, rule)
    numbers = found.numbers(seed=0)
    np.testing.assert_allclose(found.distances, [distance for distance, _ in mated], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.nonmated.nearest, nonmated, rtol=0, atol=1e-12)
    assert found.ranks.tolist() == [rank for _, rank in mated]
    for hit, rank in zip(numbers["hit_rates"], RANKS, strict=True):
        assert hit["rate"] == pytest.approx(sum(place <= rank for _, place in mated) / len(mated), abs=1e-12)
    for at in numbers["fnir_at_fpir"][:1]:
        assert at["fnir"] == pytest.approx(fnir_at(mated, nonmated, at["fpir"]), abs=1e-12)
    for fpir, fnir, threshold in numbers["det"]:
        assert fpir == pytest.approx(np.mean([distance <= threshold for distance in nonmated]), abs=1e-12)
        missed = [rank > 1 or distance > threshold for distance, rank in mated]
        assert fnir == pytest.approx(np.mean(missed), abs=1e-12)
    if copies:
        assert len(set(nonmated)) < len(nonmated) / 2


def test_whoever_is_as_near_as_the_mate_stands_before_them():
    faces = on_grid(np.array([[1, 0], [1, 0], [0, 1], [1, 0]], np.float32))
    _, rank = mate_ranks(faces[:, None], faces, np.arange(4), np.arange(4))
    assert rank.tolist() == [3, 3, 1, 3]


@pytest.mark.parametrize("at_once", [1, 7, 60])
@pytest.mark.parametrize("block", [(1, 1), (7, 5), (64, 3), (1000, 1000)])
@pytest.mark.parametrize("rule", RULES)
def test_blocks_of_any_size_give_the_same_bits(rule, block, at_once, monkeypatch):
    vectors, identity = people(60, 5, size=40)
    grid = on_grid(vectors)
    faces = np.argsort(identity, kind="stable").reshape(60, 5)
    kept, made = references(grid[faces[:, :4]], rule), References(grid, faces[:, :4], rule)
    mate, probes = np.arange(60), faces[::-1, 4]
    best, mates = best_similarities(kept, grid, probes), mate_ranks(kept, grid, probes, mate)
    monkeypatch.setattr("components.evaluate.searches._PEOPLE_AT_ONCE", at_once)
    assert best_similarities(made, grid, probes, block=block).tobytes() == best.tobytes()
    for part, whole in zip(mate_ranks(made, grid, probes, mate, block=block), mates, strict=True):
        assert part.tobytes() == whole.tobytes()


def test_an_inner_product_is_the_exact_sum_of_its_products():
    vectors, _ = people(40, 4, size=512)
    grid = on_grid(vectors)
    for rule in RULES:
        kept, probe = references(grid[:8].reshape(2, 4, 512), rule), grid[9]
        exact = max(
            sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(row, probe, strict=True))
            for row in kept.reshape(-1, 512)
        )
        assert Fraction(float(best_similarities(kept, grid, np.array([9]))[0])) == exact


def test_nobody_is_both_enrolled_and_a_stranger_and_no_face_is_probe_and_enrolled():
    _, identity = people(30, 6)
    identity[identity < 4] = 40 + np.arange(24)  # they have one face: strangers only
    plan = Plan.of(identity)
    assert (plan.sizes, plan.enrolled) == ([10, 25], [1, 2, 4])
    seen = set()
    for size in plan.sizes:
        drawn = list(galleries(identity, plan, size, seed=0))
        assert len(drawn) == DRAWS
        for gallery in drawn:
            enrolled = set(identity[gallery.enrolled[:, 0]])
            assert len(enrolled) == size
            assert (identity[gallery.enrolled] == identity[gallery.enrolled[:, :1]]).all()
            assert enrolled.isdisjoint(identity[gallery.strangers])
            assert enrolled | set(identity[gallery.strangers]) == set(identity)
            assert set(gallery.enrolled.ravel()).isdisjoint([*gallery.mated, *gallery.strangers])
            assert (identity[gallery.enrolled[gallery.mate, 0]] == identity[gallery.mated]).all()
            seen.add(tuple(sorted(enrolled)))
    assert len(seen) == 2 * DRAWS


def test_galleries_of_all_sizes_and_numbers_of_faces_search_for_the_same_people():
    vectors, identity = people(50, 5)
    plan = Plan.of(identity)
    small, large = (list(galleries(identity, plan, size, seed=3)) for size in (10, 25))
    for some, more in zip(small, large, strict=True):
        assert (more.enrolled[:10] == some.enrolled).all()
    record = identification(vectors, identity, 3)
    assert [(row["people"], row["enrolled_faces"], row["rule"]) for row in record["galleries"]] == [
        *((10, number, "mean embedding") for number in (1, 2, 4)),
        (25, 1, "mean embedding"),
        *((25, number, rule) for number in (2, 4) for rule in RULES),
    ]
    for size in (10, 25):
        kinds = {
            (row["mated_searches"], row["nonmated_searches"]) for row in record["galleries"] if row["people"] == size
        }
        assert kinds == {(DRAWS * size, DRAWS * (50 - size) * 5)}


def test_a_seed_gives_the_same_again_and_another_seed_does_not():
    vectors, identity = people(30, 4)
    assert identification(vectors, identity, 5) == identification(vectors, identity, 5)
    assert identification(vectors, identity, 5) != identification(vectors, identity, 6)


def test_a_rate_that_the_strangers_faces_cannot_show_is_not_measured():
    vectors, identity = people(40, 4)
    for row in identification(vectors, identity, 0)["galleries"]:
        # Draws show a face again and again: searches would be enough for a smaller rate than faces are.
        for at in row["fnir_at_fpir"]:
            measured = row["stranger_faces"] * at["fpir"] >= 1
            assert (at["fnir"] is not None) == measured == (at["fnir_interval"] is not None)
            if measured:
                low, high = at["fnir_interval"]
                assert 0 <= low <= at["fnir"] <= high <= 1
        assert row["nonmated_searches"] > row["stranger_faces"]
    assert [at["fnir"] is None for at in row["fnir_at_fpir"]] == [False, False, True]


def test_the_ranges_are_those_of_searches_repeated_as_often_as_their_people_are_drawn():
    rng = np.random.default_rng(0)
    mates, nearest = np.round(rng.normal(0.8, 0.2, 90), 2), np.round(rng.normal(1.2, 0.1, 150), 2)
    mate_people, stranger_people = np.arange(90) % 9, 9 + np.arange(150) % 15
    draws, values = np.random.default_rng(4), []
    for _ in range(REPLICATES):
        times = draws.multinomial(24, np.full(24, 1 / 24))
        one, other = np.repeat(mates, times[mate_people]), np.repeat(nearest, times[stranger_people])
        whole = curve(np.concatenate([one, other]), np.arange(len(one) + len(other)) < len(one))
        values.append([val_at_far(whole, rate)[0] for rate in (0.1, 0.02)])
    wanted = np.quantile(values, (0.025, 0.975), axis=0)
    found = search_intervals(mates, mate_people, nearest, stranger_people, (0.1, 0.02), seed=4)
    for i, rate in enumerate((0.1, 0.02)):
        np.testing.assert_allclose(found[rate].val, wanted[:, i])


@pytest.mark.parametrize(
    ("number", "faces", "said"), [(3, 4, "3 people, 3 of"), (9, 1, "9 people, 0 of"), (0, 1, "0 people")]
)
def test_too_few_people_are_said_in_a_sentence(number, faces, said):
    record = identification(*people(number, faces), seed=0)
    assert said in record["not_measured"] and record["galleries"] == []


def test_the_report_shows_what_was_measured_and_a_pairs_file_changes_nothing_of_it(tmp_path, write_inputs, capsys):
    from components.evaluate.__main__ import main

    inputs = write_inputs(tmp_path)
    (tmp_path / "pairs.txt").write_text("1\t2\np1/0 p1/1\np2/0 p2/1\np1/0 p2/0\np2/0 p3/0\n")
    records = []
    for more in ([], ["--pairs", str(tmp_path / "pairs.txt"), "--folds", "2"]):
        assert main(["-i", str(inputs / "embeddings"), "-o", str(tmp_path / "report"), *more]) == 0
        records.append(json.loads((tmp_path / "report" / "metrics.json").read_text())["identification"])
    assert records[0] == records[1] and records[0]["galleries"]
    said = capsys.readouterr().out
    for name in ("report.html", "report.md"):
        text = (tmp_path / "report" / name).read_text()
        for row in records[0]["galleries"]:
            for at in row["fnir_at_fpir"]:
                if at["fnir"] is not None and (row["rule"] == "mean embedding" or at["fpir"] == 0.01):
                    assert f"{at['fnir'] * 100:.2f}%" in text
        assert all(rule in text for rule in RULES) and "not measurable" in text
    assert "FNIR at FPIR 0.01" in said


def test_a_split_without_enough_people_is_reported_and_the_rest_is_measured(tmp_path, write_inputs, capsys):
    from components.evaluate.__main__ import main

    inputs = write_inputs(tmp_path, identities=3)
    assert main(["-i", str(inputs / "embeddings"), "-o", str(tmp_path / "report")]) == 0
    assert "too few people for a gallery" in capsys.readouterr().out
    for name in ("report.html", "report.md"):
        assert "Identification is not measured" in (tmp_path / "report" / name).read_text()
    assert FALSE_POSITIVE_RATES == (0.1, 0.01, 0.001)
