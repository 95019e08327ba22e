"""Embeddings on a plane: faces that are near each other stay near each other.

t-SNE (van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 2008), exact, for the few hundred faces of a map.
It begins with the principal components instead of noise, so that the same embeddings give the same map.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

PERPLEXITY = 15.0  # about how many neighbours count for a face; people have about as many photos
_STEPS = 500
# While the first steps pull neighbours together more strongly, groups can still pass through each other.
_EARLY_STEPS, _EXAGGERATION = 120, 12.0
_BISECTIONS = 40
_SMALLEST = 1e-12


def layout(vectors: npt.NDArray[np.float32]) -> Array:
    """Places embeddings on a plane; n^2 distances are held at once.

    Args:
        vectors: float32 [n, size], n at least 1.

    Returns:
        float64 [n, 2], from 0 to 1, centred; directions mean nothing.
    """
    points = _principal(vectors.astype(np.float64))
    if len(points) > 3:
        points = _tsne(_affinities(vectors.astype(np.float64)), points)
    points = points - (points.min(axis=0) + points.max(axis=0)) / 2
    return points / max(2 * np.abs(points).max(), _SMALLEST) + 0.5


def _principal(vectors: Array) -> Array:
    """float64 [n, 2], the two directions in which the vectors differ most."""
    centred = vectors - vectors.mean(axis=0)
    left, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    points = np.zeros((len(vectors), 2))
    kept = min(2, len(lengths))
    points[:, :kept] = left[:, :kept] * lengths[:kept]
    # An axis may point either way: its largest value is positive.
    largest = np.abs(points).argmax(axis=0)
    return points * np.where(points[largest, [0, 1]] < 0, -1, 1)


def _affinities(vectors: Array) -> Array:
    """float64 [n, n], how much of a neighbour each face is to each other one; all add up to 1 (the paper's p_ij)."""
    squares = (vectors**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares[None] - 2 * vectors @ vectors.T, 0)
    others = 1 - np.eye(len(vectors))
    # Only differences from the nearest matter; without this, all of a far face's would vanish.
    distances = (distances - np.where(others, distances, np.inf).min(axis=1, keepdims=True)) * others
    wanted = np.log(min(PERPLEXITY, (len(vectors) - 1) / 3))
    low, high = np.zeros((len(vectors), 1)), np.full((len(vectors), 1), np.inf)
    width = np.ones((len(vectors), 1))
    for _ in range(_BISECTIONS):
        weights = np.exp(-distances * width) * others
        total = weights.sum(axis=1, keepdims=True)
        entropy = np.log(total) + width * (distances * weights).sum(axis=1, keepdims=True) / total
        low, high = np.where(entropy > wanted, width, low), np.where(entropy > wanted, high, width)
        width = np.where(np.isinf(high), width * 2, (low + high) / 2)
    shares = weights / total
    return (shares + shares.T) / (2 * len(vectors))


def _tsne(affinities: Array, start: Array) -> Array:
    """Gradient descent on the divergence between nearness in the embeddings and nearness on the plane."""
    points = start / max(start.std(), _SMALLEST) * 1e-4
    velocity, gains = np.zeros_like(points), np.ones_like(points)
    rate = max(len(points) / _EXAGGERATION, 50.0)
    for step in range(_STEPS):
        early = step < _EARLY_STEPS
        gradient = _gradient(affinities * (_EXAGGERATION if early else 1.0), points)
        turned = np.sign(gradient) != np.sign(velocity)
        gains = np.maximum(np.where(turned, gains + 0.2, gains * 0.8), 0.01)
        velocity = (0.5 if early else 0.8) * velocity - rate * gains * gradient
        points = points + velocity
        points -= points.mean(axis=0)
    return points


def _gradient(affinities: Array, points: Array) -> Array:
    squares = (points**2).sum(axis=1)
    near = 1 / (1 + squares[:, None] + squares[None] - 2 * points @ points.T)
    np.fill_diagonal(near, 0)
    pulls = (affinities - near / max(near.sum(), _SMALLEST)) * near
    return 4 * (pulls.sum(axis=1, keepdims=True) * points - pulls @ points)
