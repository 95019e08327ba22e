"""How long mining takes: `python -m benchmarks.mining`, from the repository's root. Prints the best of five runs."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from components.mine_and_train.hardest import hardest
from components.mine_and_train.mining import Strategy, mine

_RUNS = 5
_LIMIT = 10_000_000


def _unit(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _best(call: Callable[[], object], runs: int = _RUNS) -> tuple[float, float]:
    """Seconds by the clock, and of processor time: the latter tells more where other work runs."""
    clock, processor = [], []
    for _ in range(runs):
        began = time.perf_counter(), time.process_time()
        call()
        clock.append(time.perf_counter() - began[0])
        processor.append(time.process_time() - began[1])
    return min(clock), min(processor)


def _tiled_product(embeddings: npt.NDArray[np.float32]) -> None:
    for top in range(0, len(embeddings), 512):
        for left in range(0, len(embeddings), 1024):
            embeddings[top : top + 512] @ embeddings[left : left + 1024].T


def main() -> None:
    """Mines people that are well, half and not apart; then the hardest negatives of many."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(100), 25)
    people = rng.normal(size=(100, 128))[labels]
    for name, share in (("well apart", 1.0), ("half apart", 0.5), ("not apart", 0.0)):
        embeddings = _unit(share * people + rng.normal(size=(2500, 128)))

        def mined(embeddings: npt.NDArray[np.float32] = embeddings) -> object:
            return mine(embeddings, labels, Strategy(), np.random.default_rng(1), _LIMIT)

        found = mine(embeddings, labels, Strategy(), np.random.default_rng(1), _LIMIT)
        seconds, busy = _best(mined)
        tracemalloc.start()
        mined()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        listed = f"{len(found.triplets):,} of {found.found:,} triplets listed"
        time_taken = f"{seconds:.3f} s, {busy:.3f} s of processor time"
        print(f"{name}: {listed} in {time_taken}, {peak / 2**20:.0f} MB reserved at most")
    many = _unit(rng.normal(size=(50_000, 128)))
    whose = np.repeat(np.arange(2000), 25)
    # Alternating: what else the machine does is then in both.
    pairs = [(_best(lambda: hardest(many, whose), 1), _best(lambda: _tiled_product(many), 1)) for _ in range(3)]
    ours, bare = (min(seconds for seconds, _ in times) for times in zip(*pairs, strict=True))
    print(f"hardest negatives of 50,000: {ours:.1f} s; the bare products {bare:.1f} s; ratio {ours / bare:.2f}")


if __name__ == "__main__":
    main()
