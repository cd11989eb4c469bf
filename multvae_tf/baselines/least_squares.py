"""One half-step of alternating least squares: the vectors of some rows, given those of the columns."""

import tensorflow as tf

from multvae_tf.batches import Interactions


def gram_of(factors: tf.Tensor) -> tf.Tensor:
    """Q'Q, float32 [rank, rank], of Q, float32 [num_items, rank]."""
    return tf.matmul(factors, factors, transpose_a=True)


def solve_rows(
    x: Interactions, factors: tf.Tensor, gram: tf.Tensor, positive_weight: float, penalties: tf.Tensor
) -> tf.Tensor:
    """The vectors p that minimise, for each row on its own, a weighted squared error.

    It is sum_i c_i (x_i - p'q_i)^2 + penalty ||p||^2 over all columns i, with c_i = positive_weight for the
    row's own and 1 for the others (Hu et al. 2008, eq. 4):
    p = (Q'Q + (positive_weight - 1) Q_x'Q_x + penalty I)^-1 positive_weight sum of Q_x.

    Args:
        x: the columns of B rows that hold a one.
        factors: Q, float32 [num_items, rank].
        gram: Q'Q, float32 [rank, rank].
        positive_weight: above 1.
        penalties: float32 [B].

    Returns:
        float32 [B, rank]; zeros for a row without a one.
    """
    rank = tf.shape(factors)[1]

    def solve(row: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tf.Tensor:
        start, stop, penalty = row
        own = tf.gather(factors, x.ids[start:stop])
        matrix = gram + (positive_weight - 1.0) * gram_of(own) + penalty * tf.eye(rank)
        target = positive_weight * tf.reduce_sum(own, axis=0)
        return tf.linalg.cholesky_solve(tf.linalg.cholesky(matrix), target[:, tf.newaxis])[:, 0]

    row_ends = tf.cumsum(x.row_lengths)
    rows = (row_ends - x.row_lengths, row_ends, penalties)
    return tf.map_fn(solve, rows, fn_output_signature=tf.TensorSpec([factors.shape[1]], tf.float32))
