from __future__ import annotations

import numpy as np

from benchmarks.evaluating import ours, pairs, same_accuracies, sort_per_fold, threshold_loop


def test_the_peers_and_the_product_give_the_same_accuracies():
    distances, same = pairs(300, 0.01)
    given = distances + 0.005, same, np.arange(300) % 3
    assert same_accuracies(ours(*given), sort_per_fold(*given)) == "the accuracies of all 3 folds"
    same_accuracies(ours(*given), threshold_loop(*given))
