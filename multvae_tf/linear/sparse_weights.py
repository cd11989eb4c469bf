"""Scores x W in the graph, for a sparse item-item matrix W."""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
import tensorflow as tf

from multvae_tf.batches import Interactions
from multvae_tf.ranking import ScoresOfBlock


class SparseWeights(NamedTuple):
    """A CSR matrix [num_items, num_items]: what each item in a history adds to the scores of other items.

    Attributes:
        row_splits: int64 [num_items + 1].
        columns: int32 [num_weights], ascending within a row.
        values: float32 [num_weights].
    """

    row_splits: Any
    columns: Any
    values: Any

    @classmethod
    def of(cls, matrix: scipy.sparse.csr_matrix) -> "SparseWeights":
        """The arrays of a scipy matrix."""
        matrix = matrix.sorted_indices()
        return cls(
            matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data.astype(np.float32)
        )

    def scores(self, x: Interactions) -> ScoresOfBlock:
        """The rows of x W by blocks of items; the weights of the users' items are gathered once.

        Args:
            x: the histories of B users.

        Returns:
            (start, width) -> float32 [B, width].
        """
        row_splits = tf.convert_to_tensor(self.row_splits)
        positions = tf.ragged.range(tf.gather(row_splits, x.ids), tf.gather(row_splits, x.ids + 1))
        users = tf.gather(x.segment_ids, positions.value_rowids())
        columns = tf.gather(tf.convert_to_tensor(self.columns), positions.values)
        values = tf.gather(tf.convert_to_tensor(self.values), positions.values)

        def scores_of_block(start: tf.Tensor | int, width: int) -> tf.Tensor:
            inside = tf.where((columns >= start) & (columns < start + width))[:, 0]
            places = tf.stack([tf.gather(users, inside), tf.gather(columns, inside) - start], axis=1)
            return tf.scatter_nd(places, tf.gather(values, inside), [x.num_rows, width])

        return scores_of_block
