"""ItemKNN: the items most similar to those that a user has."""

from collections.abc import Callable
from typing import Any

import keras
import scipy.sparse

from multvae_tf.errors import check
from multvae_tf.linear.neighbours import nearest_items
from multvae_tf.linear.sparse_model import SparseItemModel


@keras.saving.register_keras_serializable(package="multvae_tf")
class ItemKNN(SparseItemModel):
    """Item neighbourhoods: the score of an item is the sum of its similarities to the items of the user.

    Only its k nearest items count, by the cosine with shrinkage s_ij = G_ij / (sqrt(n_i n_j) + h), where G_ij
    users have both items and n_i users have item i.

    Args:
        num_items: The size I of the catalogue.
        num_neighbours: The number k of items that count as near to an item.
        shrinkage: The number h that lowers the similarities which rest on few users.
        **kwargs: of `RecommenderModel` (`seed`, without effect) and `keras.Model` (`name`).

    Raises:
        SettingError: a value is out of range.

    Examples:
        >>> import scipy.sparse
        >>> from multvae_tf.baselines import ItemKNN
        >>> model = ItemKNN(num_items=3, num_neighbours=1)
        >>> history = model.fit(scipy.sparse.csr_matrix([[1, 1, 0], [1, 1, 0], [0, 1, 1]]), verbose=0)
        >>> items, scores = model.recommend(scipy.sparse.csr_matrix([[1, 0, 0]]), k=1)
        >>> items.tolist()
        [[1]]

    Deviations: none.

    References:
        Sarwar, Karypis, Konstan and Riedl 2001, Item-Based Collaborative Filtering Recommendation Algorithms
        (WWW); the form with shrinkage as in Ferrari Dacrema, Cremonesi and Jannach 2019 (RecSys).
    """

    def __init__(self, num_items: int, *, num_neighbours: int = 100, shrinkage: float = 10.0, **kwargs: Any):
        super().__init__(num_items, **kwargs)
        check(num_neighbours >= 1, "num_neighbours", num_neighbours, "at least 1")
        check(shrinkage >= 0, "shrinkage", shrinkage, "0 or more")
        self.num_neighbours = num_neighbours
        self.shrinkage = shrinkage

    def solve(self, x: scipy.sparse.csr_matrix, say: Callable[[str], None]) -> None:
        """See `SolvedModel.solve`."""
        # Row j of the neighbours holds those of item j: it becomes the column of the scores of j.
        self.set_item_weights(nearest_items(x, self.num_neighbours, self.shrinkage).T.tocsr())

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "num_neighbours": self.num_neighbours, "shrinkage": self.shrinkage}
