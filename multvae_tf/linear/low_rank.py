"""What ELSA computes with its item vectors, without a dense row of the interactions."""

import tensorflow as tf

from multvae_tf.batches import Interactions
from multvae_tf.layers import sum_kernel_rows
from multvae_tf.ranking import ScoresOfBlock

_TINY = 1e-12


def unit_rows(weights: tf.Tensor) -> tf.Tensor:
    """The rows divided by their norms, float32 [..., rank]."""
    return tf.math.l2_normalize(weights, axis=-1, epsilon=_TINY)


def normalized_squared_error(x: Interactions, vectors: tf.Tensor) -> tf.Tensor:
    """The squared distance of y / ||y|| and x / ||x||, with y = x A A' - x, of each user.

    It is 2 - 2 <x, y> / (||x|| ||y||). With h = x A one has <x, y> = ||h||^2 - n and
    ||y||^2 = ||h A'||^2 - 2 ||h||^2 + n, so that neither x nor y is made. ||h A'||^2 takes the scores,
    float32 [B, num_items], where there are fewer users than dimensions, and else h (A'A) h': a batch of any
    size on a million items fits.

    Args:
        x: the items of B users; n is their number.
        vectors: A, float32 [num_items, rank], with rows of norm 1.

    Returns:
        float32 [B], from 0 to 4; 2 for a user without items.
    """
    h = sum_kernel_rows(vectors, x.ids, x.segment_ids, x.num_rows)
    counts = tf.cast(x.row_lengths, tf.float32)
    squared_h = tf.reduce_sum(tf.square(h), axis=1)
    squared_y = tf.maximum(_squared_norms(h, vectors) - 2.0 * squared_h + counts, _TINY)
    return 2.0 - 2.0 * (squared_h - counts) * tf.math.rsqrt(squared_y * tf.maximum(counts, 1.0))


def _squared_norms(h: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
    """||h A'||^2 of each row, float32 [B]."""
    return tf.cond(
        tf.shape(h)[0] < tf.shape(h)[1],
        lambda: tf.reduce_sum(tf.square(tf.matmul(h, vectors, transpose_b=True)), axis=1),
        lambda: tf.reduce_sum(tf.matmul(h, tf.matmul(vectors, vectors, transpose_a=True)) * h, axis=1),
    )


def shallow_scores(x: Interactions, weights: tf.Tensor) -> ScoresOfBlock:
    """X A A' - x by blocks of items, A being the unit rows of `weights`.

    Args:
        x: the items of B users.
        weights: float32 [num_items, rank], of any norm.

    Returns:
        (start, width) -> float32 [B, width].
    """
    h = tf.math.unsorted_segment_sum(unit_rows(tf.gather(weights, x.ids)), x.segment_ids, x.num_rows)

    def scores_of_block(start: tf.Tensor | int, width: int) -> tf.Tensor:
        vectors = unit_rows(tf.slice(weights, [start, 0], [width, -1]))
        inside = tf.where((x.ids >= start) & (x.ids < start + width))[:, 0]
        places = tf.stack([tf.gather(x.segment_ids, inside), tf.gather(x.ids, inside) - start], axis=1)
        scores = tf.matmul(h, vectors, transpose_b=True)
        return tf.tensor_scatter_nd_sub(scores, places, tf.ones_like(inside, tf.float32))

    return scores_of_block
