"""SLIM: sparse, non-negative item-item weights by an elastic net for each item."""

import time
from collections.abc import Callable
from typing import Any

import keras
import scipy.sparse

from multvae_tf.errors import check
from multvae_tf.linear.elastic_net import check_penalties, elastic_net_weights
from multvae_tf.linear.gram import gram_matrix
from multvae_tf.linear.neighbours import nearest_items
from multvae_tf.linear.sparse_model import SparseItemModel

_SECONDS_BETWEEN_MESSAGES = 30


@keras.saving.register_keras_serializable(package="multvae_tf")
class SLIM(SparseItemModel):
    """Sparse linear method: the item-item regression with non-negative, sparse weights and a zero diagonal.

    Minimises 1/2 ||X - X W||^2 + l2/2 ||W||^2 + l1 sum W with W >= 0, diag(W) = 0 (equation 3), by coordinate
    descent for one item after the other (scikit-learn, `pip install 'multvae-tf[linear]'`). Scores are x W.
    Needs the Gram matrix, float32 [num_items, num_items], while it is fitted; W alone afterwards.

    Args:
        num_items: The size I of the catalogue.
        l1: The penalty of the weights' sum, beta in the paper, which makes W sparse.
        l2: The penalty of the squared weights, lambda in the paper.
        num_neighbours: How many items, the nearest by cosine, may have a weight for an item (fsSLIM in the
            paper, far faster); None means all.
        tolerance: The duality gap at which an item's weights are good enough, relative to its users.
        **kwargs: of `RecommenderModel` (`seed`, without effect) and `keras.Model` (`name`).

    Raises:
        SettingError: a value is out of range.

    Examples:
        >>> import scipy.sparse
        >>> from multvae_tf.linear import SLIM
        >>> x = scipy.sparse.random(50, 20, density=0.3, format="csr", random_state=0) > 0
        >>> model = SLIM(num_items=20, l1=1.0, l2=1.0)
        >>> history = model.fit(x, verbose=0)
        >>> bool(model.item_weights.nnz < 20 * 19)
        True

    Deviations: none; the penalties are not divided by the number of users, as they are in scikit-learn.

    References:
        Ning and Karypis 2011, SLIM: Sparse Linear Methods for Top-N Recommender Systems (ICDM).
    """

    def __init__(
        self,
        num_items: int,
        *,
        l1: float = 5.0,
        l2: float = 50.0,
        num_neighbours: int | None = None,
        tolerance: float = 1e-3,
        **kwargs: Any,
    ):
        super().__init__(num_items, **kwargs)
        check_penalties(l1, l2)
        check(
            num_neighbours is None or num_neighbours >= 1,
            "num_neighbours",
            num_neighbours,
            "at least 1, or None",
        )
        check(0 < tolerance < 1, "tolerance", tolerance, "above 0 and below 1")
        self.l1 = l1
        self.l2 = l2
        self.num_neighbours = num_neighbours
        self.tolerance = tolerance

    def solve(self, x: scipy.sparse.csr_matrix, say: Callable[[str], None]) -> None:
        """See `SolvedModel.solve`."""
        neighbours = nearest_items(x, self.num_neighbours) if self.num_neighbours else None
        started = told = time.monotonic()

        def progress(item: int) -> None:
            nonlocal told
            if (now := time.monotonic()) - told > _SECONDS_BETWEEN_MESSAGES:
                say(f"item {item:,} of {self.num_items:,} after {now - started:.0f} s")
                told = now

        self.set_item_weights(
            elastic_net_weights(gram_matrix(x), self.l1, self.l2, neighbours, self.tolerance, progress)
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "l1": self.l1,
            "l2": self.l2,
            "num_neighbours": self.num_neighbours,
            "tolerance": self.tolerance,
        }
