"""Classification of identities: centres that embeddings are drawn to, with a margin.

As a start it is a cure for collapse: triplets taken from random weights can collapse onto one point, a classification
cannot. As the whole training it is how networks for many thousands of identities are trained.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import numpy.typing as npt

from components.common.errors import UsageError
from components.common.flags import Flag

if TYPE_CHECKING:
    import keras

# Of adaface, as its authors have them: how far lengths of one deviation move the margin, and how much the running mean
# and deviation of the lengths take from each batch (Kim et al., 2022, section 3.3; their code has the second as 0.01).
_CONCENTRATION = 0.333
_NEW = 0.01


@dataclass(frozen=True)
class Classification:
    """The loss of a classification: cross entropy of scale * cos(angle to each identity's centre)."""

    head: Annotated[Literal["softmax", "arcface", "cosface", "adaface"], Flag(name="class_head")] = "arcface"
    """The head of a classification. Softmax leaves the angles as they are; arcface adds the margin to the angle to the
    own centre (Deng et al., 2019, eq. 3); cosface takes it off that angle's cosine (Wang et al., 2018, eq. 4); adaface
    goes from the one to the other by the length of the embedding before it is brought to 1, which is small for poor
    pictures (Kim et al., 2022, section 3.3)."""
    margin: Annotated[float, Flag(name="class_margin")] = 0.3
    """Margin of the head of a classification: of arcface in radians, of cosface in cosine, of adaface in both."""
    scale: Annotated[float, Flag(name="class_scale")] = 24.0
    """What a classification multiplies cosines by before the softmax. Thousands of identities need 64; a few hundred
    are better off with less."""
    subcentres: Annotated[int, Flag(name="class_subcentres")] = 1
    """How many centres each identity has; a face counts for the nearest. Several, such as 3, tolerate wrong names: the
    faces of somebody else gather around a centre of their own (Deng et al., 2020)."""
    sample_rate: Annotated[float, Flag(name="class_sample_rate")] = 1.0
    """Share of the identities whose centres take part in a step: those of its faces, and others at random (An et al.,
    2021 and 2022, "Partial FC"). Below 1, a step takes less time and memory; 0.1 is usual for 100,000 identities."""

    def check(self) -> None:
        """Raises UsageError for a number outside its range."""
        largest = math.pi / 2 if self.head == "arcface" else 1.0
        if not 0 <= self.margin <= largest:
            raise UsageError(
                f"--class_margin of {self.head} is a number from 0 to {largest:.4g}.",
                received=self.margin,
            )
        if not 0 < self.scale <= 1000:
            raise UsageError("--class_scale is a positive number up to 1000.", received=self.scale)
        if self.subcentres < 1:
            raise UsageError("--class_subcentres must be 1 or more.", received=self.subcentres)
        if not 0 < self.sample_rate <= 1:
            raise UsageError("--class_sample_rate is a share, above 0 to 1.", received=self.sample_rate)

    def in_a_step(self, identities: int, batch_size: int) -> int:
        """The number of identities whose centres take part in a step; those of its faces always do."""
        return min(identities, max(round(self.sample_rate * identities), batch_size))


def memory_of_head(
    classification: Classification, identities: int, embedding_size: int, batch_size: int, kept: int
) -> tuple[int, int]:
    """The memory of a head, as measured (components/mine_and_train/README.md).

    Args:
        classification: which.
        identities: of the training.
        embedding_size: numbers of a centre.
        batch_size: faces in a step.
        kept: numbers that the optimiser keeps of each number of a centre.

    Returns:
        Bytes of the centres and what is kept of them, and of what a step takes besides, at most.
    """
    chosen = classification.in_a_step(identities, batch_size)
    of_one = 4 * classification.subcentres * embedding_size
    copies = 4 if chosen == identities else 8 + kept
    cosines = 4 * batch_size * chosen * classification.subcentres
    return (1 + kept) * identities * of_one, copies * chosen * of_one + 3 * cosines


def first_centres(identities: int, subcentres: int, embedding_size: int, seed: int) -> npt.NDArray[np.float32]:
    """Where centres begin: float32 [identities, subcentres, embedding_size], normal, of a mean squared length of 1."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((identities, subcentres, embedding_size), np.float32)
    centres *= embedding_size**-0.5
    return centres


class Head:
    """The centres of identities, and the loss that draws embeddings to them.

    Args:
        classification: which loss.
        centres: float32 [identities, subcentres, embedding_size], the centres' first places.
    """

    def __init__(self, classification: Classification, centres: npt.NDArray[np.float32]) -> None:
        import keras

        self._classification = classification
        self.centres: keras.Variable = keras.Variable(centres, name="centres")
        self.variables: list[keras.Variable] = [self.centres]
        if classification.head == "adaface":
            # How much of the running means is there, and so much of the mean and the deviation of the lengths: what has
            # just begun is not drawn to where it began.
            self._lengths = keras.Variable(np.zeros(3, np.float32), trainable=False, aggregation="only_first_replica")
            self.variables.append(self._lengths)

    def __call__(self, embeddings: Any, lengths: Any, labels: Any) -> tuple[Any, Any]:
        """Classifies, in float32.

        Args:
            embeddings: float32 tensor [n, embedding_size], unit length.
            lengths: float32 tensor [n], what they were before.
            labels: int32 tensor [n], from 0.

        Returns:
            The mean cross entropy, and the cosines of each embedding with each identity's nearest centre, [n,
            identities].
        """
        import tensorflow as tf

        identities, subcentres, size = self.centres.shape
        centres = tf.reshape(tf.convert_to_tensor(self.centres), (-1, size))
        # The products are divided by the centres' lengths, not the centres: there are fewer of them.
        inverse = tf.math.rsqrt(tf.maximum(tf.reduce_sum(centres * centres, axis=1), 1e-12))
        cosines = tf.matmul(embeddings, centres, transpose_b=True) * inverse
        if subcentres > 1:
            cosines = tf.reduce_max(tf.reshape(cosines, (-1, identities, subcentres)), axis=2)
        own = tf.gather(cosines, labels, axis=1, batch_dims=1)
        places = tf.stack([tf.range(tf.shape(labels)[0]), labels], axis=1)
        logits = tf.tensor_scatter_nd_add(cosines, places, self._with_margin(own, lengths) - own)
        scaled = self._classification.scale * logits
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scaled)), cosines

    def _with_margin(self, cosine: Any, lengths: Any) -> Any:
        """What stands for the cosine with the own centre."""
        import tensorflow as tf

        kind, margin = self._classification.head, self._classification.margin
        if kind == "softmax":
            return cosine
        if kind == "cosface":
            return cosine - margin
        # A hair inside [-1, 1]: neither the square root nor the angle has a finite gradient at the ends.
        cosine = tf.clip_by_value(cosine, -1 + 1e-7, 1 - 1e-7)
        if kind == "adaface":
            quality = self._quality(lengths)
            angle = tf.clip_by_value(tf.acos(cosine) - margin * quality, 0.0, math.pi)
            return tf.cos(angle) - margin * (1.0 + quality)
        shifted = cosine * math.cos(margin) - tf.sqrt(1 - cosine * cosine) * math.sin(margin)
        # Beyond pi, cos(angle + margin) would rise again; a line with the cosine's slope falls on (as in the
        # authors' code: continuous enough, and monotonic).
        return tf.where(cosine > -math.cos(margin), shifted, cosine - margin * math.sin(margin))

    def _quality(self, lengths: Any) -> Any:
        """From -1 to 1: how much longer embeddings were than usual; a constant for the gradient."""
        import tensorflow as tf

        lengths = tf.stop_gradient(lengths)
        batch = tf.stack([1.0, tf.reduce_mean(lengths), tf.math.reduce_std(lengths)])
        running = self._lengths + _NEW * (batch - self._lengths)
        self._lengths.assign(running)
        mean, deviation = running[1] / running[0], running[2] / running[0]
        return tf.clip_by_value(tf.math.divide_no_nan(lengths - mean, deviation / _CONCENTRATION), -1.0, 1.0)
