"""The ranking by number of users: what every model must beat."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import scipy.sparse
import tensorflow as tf

from multvae_tf.batches import Interactions
from multvae_tf.linear.solved_model import SolvedModel
from multvae_tf.ranking import ScoresOfBlock


@keras.saving.register_keras_serializable(package="multvae_tf")
class Popularity(SolvedModel):
    """Scores each item by its number of training users, n_i, the same for all users.

    Args:
        num_items: The size I of the catalogue.
        **kwargs: of `RecommenderModel` (`seed`, without effect) and `keras.Model` (`name`).

    Examples:
        >>> import scipy.sparse
        >>> from multvae_tf.baselines import Popularity
        >>> model = Popularity(num_items=3)
        >>> history = model.fit(scipy.sparse.csr_matrix([[0, 1, 1], [0, 1, 0]]), verbose=0)
        >>> items, scores = model.recommend(scipy.sparse.csr_matrix([[0, 0, 1]]), k=2)
        >>> items.tolist()
        [[1, 0]]

    Deviations: none.
    """

    def __init__(self, num_items: int, **kwargs: Any):
        super().__init__(num_items, **kwargs)
        self.num_users_of = self.add_weight(
            name="num_users_of", shape=(num_items,), initializer="zeros", dtype="float32", trainable=False
        )
        self.built = True

    @property
    def is_fitted(self) -> bool:
        """Whether any item has a user."""
        return bool(tf.reduce_any(tf.convert_to_tensor(self.num_users_of) > 0))

    def solve(self, x: scipy.sparse.csr_matrix, say: Callable[[str], None]) -> None:
        """See `SolvedModel.solve`."""
        self.num_users_of.assign(np.bincount(x.indices, minlength=self.num_items))

    def scores(self, x: Interactions) -> ScoresOfBlock:
        """The numbers of users, by blocks of items."""
        num_users_of = tf.convert_to_tensor(self.num_users_of)

        def scores_of_block(start: tf.Tensor | int, width: int) -> tf.Tensor:
            return tf.tile(tf.slice(num_users_of, [start], [width])[tf.newaxis], [x.num_rows, 1])

        return scores_of_block
