"""Pairs against all pairs, listed."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from components.common import draw
from components.common.errors import UsageError
from components.evaluate.folds import deal_identities, deal_pairs, faces_alike
from components.evaluate.protocols import Population, from_identities

SIZES = [1, 5, 2, 2, 3, 9, 1, 4, 2, 6, 3, 2]


def people(sizes=SIZES, seed=0):
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))


def pairs_of(pairs):
    return [frozenset(map(int, pair)) for pair in zip(pairs.first, pairs.second, strict=True)]


def all_pairs(identity, same):
    return {frozenset(p) for p in combinations(range(len(identity)), 2) if (identity[p[0]] == identity[p[1]]) == same}


def protocol(identity, *, folds=3, max_pairs=1000, seed=0):
    return from_identities(identity, folds=folds, max_pairs=max_pairs, seed=seed, where="here")


@pytest.mark.parametrize("sizes", [SIZES, [1, 1, 1], [5], [3, 1]])
def test_a_population_counts_and_draws_exactly_all_pairs(sizes):
    identity = people(sizes)
    population = Population.of(np.arange(len(identity)), identity)
    counts = population.counts()
    assert counts == (len(all_pairs(identity, True)), len(all_pairs(identity, False)))
    drawn = population.draw(*counts, np.random.default_rng(0)).as_pairs()
    listed = pairs_of(drawn)
    assert set(listed[: counts[0]]) == all_pairs(identity, True)
    assert set(listed[counts[0] :]) == all_pairs(identity, False)
    assert len(listed) == sum(counts)
    assert drawn.same.tolist() == [True] * counts[0] + [False] * counts[1]


def test_pairs_listed_some_at_a_time_are_those_listed_at_once(monkeypatch):
    population = Population.of(np.arange(40), people())
    samples = [population.draw(*counts, np.random.default_rng(0)) for counts in (population.counts(), (20, 60), (1, 2))]
    whole = [sample.as_pairs() for sample in samples]
    monkeypatch.setattr(draw, "_PIECE", 8)
    for sample, listed in zip(samples, whole, strict=True):
        assert max(len(first) for first, _ in sample.of_kind(False)) <= 8
        for name in ("first", "second", "same"):
            np.testing.assert_array_equal(getattr(sample.as_pairs(), name), getattr(listed, name))


def test_a_sample_has_no_pair_twice_and_every_pair_as_often():
    identity = people([2, 3, 2])
    population = Population.of(np.arange(len(identity)), identity)
    rng = np.random.default_rng(0)
    seen = dict.fromkeys(all_pairs(identity, False), 0)
    for _ in range(800):
        drawn = pairs_of(population.draw(0, 4, rng).as_pairs())
        assert len(set(drawn)) == 4
        for pair in drawn:
            seen[pair] += 1
    assert len(seen) == 16
    assert all(150 < count < 250 for count in seen.values())  # 200 expected, standard deviation 12


@pytest.mark.parametrize(("sizes", "most"), [(SIZES, 3), ([2, 2, 2, 50], 2), ([1, 1, 7, 4], 5), ([1, 1, 1], 1)])
def test_nobody_takes_part_with_more_faces_than_the_median_person_who_has_several(sizes, most):
    identity = people(sizes)
    drawn = [faces_alike(identity, np.random.default_rng(seed)) for seed in range(40)]
    for faces in drawn:
        assert len(set(faces)) == len(faces)
        assert np.bincount(identity[faces]).tolist() == np.minimum(sizes, most).tolist()
    assert len(set(np.concatenate(drawn))) > len(drawn[0]) or max(sizes) == most  # now this face, now that one


def test_that_each_person_counts_alike_is_said():
    found = protocol(people())
    assert [note for note in found.notes if "nobody is measured by more than 3 faces" in note and "28 of 40" in note]
    assert protocol(people([3] * 12)).notes == []


def test_folds_share_no_identity_and_have_all_same_pairs_and_as_many_different_ones():
    sizes = np.minimum(SIZES, 3)
    identity = people(sizes)
    found = protocol(identity)
    assert found.kind == "unseen-folds"
    folds_of = {name: set() for name in range(len(sizes))}
    for first, second, fold in zip(found.scored.first, found.scored.second, found.fold, strict=True):
        folds_of[identity[first]].add(fold)
        folds_of[identity[second]].add(fold)
    assert all(len(folds) <= 1 for folds in folds_of.values())
    assert {pair for pair, same in zip(pairs_of(found.scored), found.scored.same, strict=True) if same} == all_pairs(
        identity, True
    )
    for fold in range(3):
        inside = found.scored.same[found.fold == fold]
        assert 0 < inside.sum() == (~inside).sum()
    assert len(set(pairs_of(found.scored))) == len(found.scored)
    assert set(pairs_of(found.compared.as_pairs())) == all_pairs(identity, True) | all_pairs(identity, False)
    assert found.notes == []


def test_same_means_the_same_identity():
    identity = people()
    for pairs in (protocol(identity).scored, protocol(identity, max_pairs=20).compared.as_pairs()):
        assert np.array_equal(identity[pairs.first] == identity[pairs.second], pairs.same)


def test_the_seed_decides():
    identity = people()
    first, again, other = (protocol(identity, seed=seed).scored for seed in (0, 0, 1))
    assert pairs_of(first) == pairs_of(again)
    assert pairs_of(first) != pairs_of(other)


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_every_fold_gets_two_identities_one_with_two_faces_and_about_as_many_faces(folds):
    identity = people([1] * 5 + [2, 3, 4, 5, 20])
    fold = deal_identities(identity, folds, np.random.default_rng(0))
    for number in range(folds):
        sizes = np.unique(identity[fold == number], return_counts=True)[1]
        assert len(sizes) >= 2
        assert sizes.max() >= 2
    assert np.bincount(fold).max() - np.bincount(fold).min() <= 20


@pytest.mark.parametrize("sizes", [[2, 2, 2, 2, 2], [4, 4, 1, 1, 1, 1, 1]])
def test_too_few_identities_share_folds_and_it_is_said(sizes):
    found = protocol(people(sizes))
    assert found.kind == "shared-folds"
    assert "folds share identities" in found.notes[0]
    assert set(found.fold) == {0, 1, 2}
    for fold in range(3):
        inside = found.scored.same[found.fold == fold]
        assert inside.any()
        assert not inside.all()
    assert found.scored.same_count * 2 == len(found.scored)


def test_fewer_pairs_than_folds_make_fewer_folds():
    assert set(protocol(people([2, 2]), folds=10).fold) == {0, 1}


def test_more_pairs_than_allowed_are_sampled_and_it_is_said():
    identity = people([4] * 12)
    found = protocol(identity, max_pairs=60)
    assert len(found.scored) <= 60
    assert len(found.compared) == 60
    assert found.compared.same_count == 30
    assert len(set(pairs_of(found.compared.as_pairs()))) == 60
    assert ["sample" in note for note in found.notes] == [True, True]


def test_the_few_same_pairs_are_all_compared_when_others_are_sampled():
    identity = people([2] * 30)
    found = protocol(identity, max_pairs=100)
    assert (found.compared.same_count, len(found.compared)) == (30, 100)


@pytest.mark.parametrize(
    ("sizes", "what"),
    [
        ([], "two identities"),
        ([7], "two identities"),
        ([1, 1, 1], "no same-identity pair"),
        ([2, 1, 1], "two same-identity"),
    ],
)
def test_too_few_people_say_what_is_missing_and_what_to_do(sizes, what):
    with pytest.raises(UsageError, match=what) as error:
        protocol(people(sizes) if sizes else np.array([], np.int64))
    assert f"here: identities {len(sizes)}, faces {sum(sizes)}" in str(error.value)
    assert "--split all" in str(error.value)


def test_pairs_are_dealt_in_order_and_evenly():
    same = np.array([True] * 7 + [False] * 4)
    assert deal_pairs(same, 3).tolist() == [0, 0, 0, 1, 1, 2, 2, 0, 0, 1, 2]
