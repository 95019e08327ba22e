"""Classification of identities as a start: centres that embeddings are drawn to, before triplets are mined.

Triplets taken from random weights can collapse onto one point. A classification cannot, and gives them a start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from components.common.errors import UsageError
from components.common.flags import Flag

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Classification:
    """The loss of the classification rounds: cross entropy of scale * cos(angle to each identity's centre)."""

    head: Annotated[Literal["softmax", "arcface", "cosface"], Flag(name="class_head")] = "arcface"
    """The head of the classification rounds. Softmax leaves the angles as they are; arcface adds the margin to the
    angle to the own centre (Deng et al., 2019, eq. 3); cosface takes it off that angle's cosine (Wang et al., 2018, eq.
    4)."""
    margin: Annotated[float, Flag(name="class_margin")] = 0.3
    """Margin of the head of the classification rounds: of arcface in radians, of cosface in cosine."""
    scale: Annotated[float, Flag(name="class_scale")] = 24.0
    """What the classification rounds multiply cosines by before the softmax. Thousands of identities need 64; a few
    hundred are better off with less."""

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


class Head:
    """The centres of the identities, and the loss that draws embeddings to them.

    Args:
        classification: which loss.
        identities: how many.
        embedding_size: length of an embedding.
        seed: of the centres' first places.
    """

    def __init__(self, classification: Classification, identities: int, embedding_size: int, seed: int = 0) -> None:
        import keras

        self._classification = classification
        self._identities = identities
        place = keras.initializers.RandomNormal(stddev=embedding_size**-0.5, seed=seed)
        self.centres: keras.Variable = keras.Variable(place((embedding_size, identities)), name="kernel")

    def __call__(self, embeddings: Any, labels: Any) -> tuple[Any, Any]:
        """Classifies, in float32.

        Args:
            embeddings: float32 tensor [n, embedding_size], unit length.
            labels: int32 tensor [n], from 0.

        Returns:
            The mean cross entropy, and the share of embeddings whose nearest centre is their own.
        """
        import tensorflow as tf

        kind, margin = self._classification.head, self._classification.margin
        centres = tf.math.l2_normalize(tf.convert_to_tensor(self.centres), axis=0)
        # A hair inside [-1, 1]: the square root below has no finite gradient at the ends.
        cosines = tf.clip_by_value(tf.matmul(embeddings, centres), -1 + 1e-7, 1 - 1e-7)
        own = tf.one_hot(labels, self._identities)
        if kind == "arcface":
            cosine = tf.reduce_sum(cosines * own, axis=1, keepdims=True)
            sine = tf.sqrt(1 - cosine * cosine)
            shifted = cosine * math.cos(margin) - sine * math.sin(margin)
            # Beyond pi, cos(angle + margin) would rise again; a line with the cosine's slope falls on (as in the
            # authors' code: continuous enough, and monotonic).
            shifted = tf.where(cosine > -math.cos(margin), shifted, cosine - margin * math.sin(margin))
            logits = cosines + own * (shifted - cosine)
        else:
            logits = cosines - own * (margin if kind == "cosface" else 0.0)
        entropy = tf.nn.softmax_cross_entropy_with_logits(own, self._classification.scale * logits)
        right = tf.argmax(cosines, axis=1, output_type=labels.dtype) == labels
        return tf.reduce_mean(entropy), tf.reduce_mean(tf.cast(right, tf.float32))
