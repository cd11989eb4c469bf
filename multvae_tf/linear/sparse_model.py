"""Solved models whose item-item weights are sparse, and do not need room for num_items^2 of them."""

from typing import Any

import numpy as np
import scipy.sparse
import tensorflow as tf

from multvae_tf.batches import Interactions
from multvae_tf.linear.solved_model import SolvedModel
from multvae_tf.linear.sparse_weights import SparseWeights
from multvae_tf.ranking import ScoresOfBlock


class SparseItemModel(SolvedModel):
    """Scores x W with a sparse W [num_items, num_items], which `fit` makes.

    The number of weights is not known before, so they are variables of TensorFlow with a free length, beside
    Keras' own, whose shapes are fixed; they are saved and loaded with the model.

    Attributes:
        weights_by_item: `SparseWeights` of three variables; without an entry before `fit`.
    """

    def __init__(self, num_items: int, **kwargs: Any):
        super().__init__(num_items, **kwargs)
        self.weights_by_item = SparseWeights(
            *(
                tf.Variable(tf.zeros([0], dtype), shape=[None], trainable=False, name=name)
                for name, dtype in zip(SparseWeights._fields, (tf.int64, tf.int32, tf.float32), strict=True)
            )
        )
        self.built = True

    @property
    def is_fitted(self) -> bool:
        """Whether there are weights."""
        return int(tf.size(self.weights_by_item.row_splits)) > 0

    def set_item_weights(self, matrix: scipy.sparse.csr_matrix) -> None:
        """Takes W, CSR float32 [num_items, num_items]."""
        for variable, value in zip(self.weights_by_item, SparseWeights.of(matrix), strict=True):
            variable.assign(value)

    @property
    def item_weights(self) -> scipy.sparse.csr_matrix:
        """W, CSR float32 [num_items, num_items]; empty before `fit`."""
        shape = (self.num_items, self.num_items)
        if not self.is_fitted:
            return scipy.sparse.csr_matrix(shape, dtype=np.float32)
        row_splits, columns, values = (variable.numpy() for variable in self.weights_by_item)
        return scipy.sparse.csr_matrix((values, columns, row_splits), shape=shape)

    def scores(self, x: Interactions) -> ScoresOfBlock:
        """The sums of the rows of W over the users' items; see `SparseWeights.scores`."""
        return self.weights_by_item.scores(x)

    def save_own_variables(self, store: Any) -> None:
        """Puts the weights into Keras' store."""
        for name, variable in self.weights_by_item._asdict().items():
            store[name] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Takes the weights from Keras' store."""
        for name, variable in self.weights_by_item._asdict().items():
            variable.assign(np.array(store[name]))
