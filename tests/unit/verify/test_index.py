from __future__ import annotations

import numpy as np
import pytest

from components.verify import index
from components.verify.index import Index
from tests.unit.verify.rows import unit


def ranked_by_loop(references, query):
    """All rows and their inner products in float64, the largest first; of equal ones the first row."""
    products = [np.einsum("nd,d->n", row[None], query.astype(float))[0] for row in references.astype(float)]
    rows = sorted(range(len(references)), key=lambda row: (-products[row], row))
    return rows, [products[row] for row in rows]


def crowd(rng, rows, told):
    """Embeddings of 64 numbers about one direction, of whose variance the first `told` axes have nearly all."""
    spread = np.r_[np.full(told, 0.2), np.full(64 - told, 0.01)]
    directions = np.linalg.qr(rng.normal(size=(64, 64)))[0]
    return unit((rng.normal(size=(rows, 64)) * spread + np.eye(64)[0]) @ directions)


def assert_exact(references, queries, tops, *, shortened):
    searched = Index(references)
    wanted = [ranked_by_loop(references, query) for query in queries]
    for before in (0, index._SHORTENED_AT - 1):
        searched._searches = before
        for query, (ranked, exact) in zip(queries, wanted, strict=True):
            for top in tops:
                rows, products = searched.nearest(query, top)
                assert rows.tolist() == ranked[:top]
                assert products.tolist() == exact[:top]  # bit by bit
    assert (searched._short is not None) == shortened


@pytest.mark.parametrize(("told", "shortened"), [(8, True), (24, True), (64, False)])
def test_the_rows_are_those_of_a_loop_bit_by_bit(told, shortened):
    rng = np.random.default_rng(told)
    references = crowd(rng, 2500, told)
    near = unit(references[7] + 0.02 * rng.normal(size=64))
    queries = [crowd(rng, 1, told)[0], near, -references[0]]
    assert_exact(references, queries, (1, 5), shortened=shortened)


def test_copies_and_near_copies_are_in_the_order_of_their_rows():
    """Copies tie; near copies differ by less than float32 sums of products are wrong by."""
    rng = np.random.default_rng(0)
    references = crowd(rng, 40, 8).repeat(60, 0)
    references[1::2] = np.nextafter(references[1::2], np.float32(1))
    assert_exact(rng.permutation(references), [references[0], crowd(rng, 1, 8)[0]], (1, 70), shortened=True)


def test_a_query_and_references_that_the_axes_say_nothing_of():
    """Made to mislead the bounds: what is nearest lies across the axes, and all bounds are alike."""
    rng = np.random.default_rng(1)
    references = crowd(rng, 2500, 8)
    axes = np.linalg.eigh(references.T @ references)[1]
    across = unit((axes[:, :40] @ rng.normal(size=(40, 3))).T)
    references[[5, 1500]] = across[:2]
    assert_exact(references, [*across, unit(across[0] + across[1])], (1, 4), shortened=True)


def test_fewer_references_than_are_asked_for():
    references = crowd(np.random.default_rng(2), 3, 8)
    assert_exact(references, references, (3, 10), shortened=True)
    assert_exact(references[:1], references[:1], (1, 10), shortened=True)


def test_a_query_that_is_no_number_reaches_everything():
    references = crowd(np.random.default_rng(3), 30, 8)
    rows, products = Index(references).nearest(np.full(64, np.nan, np.float32), 3)
    assert rows.tolist() == [0, 1, 2] and np.isnan(products).all()
