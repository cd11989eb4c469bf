"""WMF: weighted matrix factorisation by alternating least squares (implicit ALS)."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import scipy.sparse
import tensorflow as tf

from multvae_tf.baselines.least_squares import gram_of, solve_rows
from multvae_tf.batches import INTERACTIONS_SPEC, Interactions, interaction_batches
from multvae_tf.errors import check
from multvae_tf.linear.solved_model import SolvedModel
from multvae_tf.ranking import ScoresOfBlock

_ROWS_AT_A_TIME = 1000


@keras.saving.register_keras_serializable(package="multvae_tf")
class WMF(SolvedModel):
    """Weighted matrix factorisation: x_ui is near p_u'q_i, and the ones weigh more than the zeros.

    Minimises sum_ui c_ui (x_ui - p_u'q_i)^2 + sum_u lambda_u ||p_u||^2 + sum_i lambda_i ||q_i||^2 with
    c_ui = alpha where x_ui = 1, and 1 elsewhere (Hu et al. 2008, equation 3), by solving for all p and all q
    in turn. Scores are p_u'q_i. A user who was not trained is folded in: p_u is solved for, given all q_i
    (equation 4), which is how strong generalisation is evaluated.

    With `l2_exponent` nu the penalty is lambda_u = lambda (n_u + num_items / (alpha - 1))^nu, where n_u is
    the number of the user's items, and likewise for an item. The form of Rendle et al. 2021, in which all
    pairs weigh alpha_0 and the ones 1 more, ranks alike under alpha = 1 + 1 / alpha_0 and
    l2 = lambda (1 + 1 / alpha_0), see `WMF.from_rendle`.

    Args:
        num_items: The size I of the catalogue.
        rank: The length of the vectors of users and items.
        positive_weight: The weight alpha of a one; that of a zero is 1.
        l2: The penalty lambda of the squared vectors.
        l2_exponent: The exponent nu with which the penalty grows with the number of items or users; 0 means
            not at all.
        num_iterations: How often the users' and the items' vectors are solved for in turn.
        seed: The seed of the first vectors.
        **kwargs: of `keras.Model` (`name`).

    Raises:
        SettingError: a value is out of range.

    Examples:
        >>> import scipy.sparse
        >>> from multvae_tf.baselines import WMF
        >>> x = scipy.sparse.random(50, 20, density=0.3, format="csr", random_state=0) > 0
        >>> model = WMF(num_items=20, rank=4)
        >>> history = model.fit(x, verbose=0)
        >>> model.fold_in(x[:5]).shape
        (5, 4)

    Deviations: solved exactly, where the library `implicit` by default makes three conjugate gradient steps;
    its Cholesky solver gives the same vectors.

    References:
        Hu, Koren and Volinsky 2008, Collaborative Filtering for Implicit Feedback Datasets (ICDM). Rendle,
        Krichene, Zhang and Koren 2021, Revisiting the Performance of iALS on Item Recommendation Benchmarks
        (arXiv 2110.14037).
    """

    def __init__(
        self,
        num_items: int,
        *,
        rank: int = 200,
        positive_weight: float = 10.0,
        l2: float = 10.0,
        l2_exponent: float = 0.0,
        num_iterations: int = 15,
        seed: int = 98765,
        **kwargs: Any,
    ):
        super().__init__(num_items, seed=seed, **kwargs)
        check(rank >= 1, "rank", rank, "at least 1")
        check(positive_weight > 1, "positive_weight", positive_weight, "above 1")
        check(l2 > 0, "l2", l2, "above 0")
        check(0 <= l2_exponent <= 1, "l2_exponent", l2_exponent, "from 0 to 1")
        check(num_iterations >= 1, "num_iterations", num_iterations, "at least 1")
        self.rank = rank
        self.positive_weight = positive_weight
        self.l2 = l2
        self.l2_exponent = l2_exponent
        self.num_iterations = num_iterations
        self.item_vectors = self.add_weight(
            name="item_vectors",
            shape=(num_items, rank),
            initializer="zeros",
            dtype="float32",
            trainable=False,
        )
        self.built = True

    @classmethod
    def from_rendle(
        cls,
        num_items: int,
        *,
        rank: int,
        unobserved_weight: float,
        l2: float,
        num_iterations: int = 16,
        **kwargs: Any,
    ) -> "WMF":
        """The model of Rendle et al. 2021, in their terms: alpha_0 is `unobserved_weight`, nu is 1.

        Examples:
            >>> from multvae_tf.baselines import WMF
            >>> WMF.from_rendle(20, rank=4, unobserved_weight=0.1, l2=0.003).positive_weight
            11.0
        """
        scale = 1 + 1 / unobserved_weight
        return cls(
            num_items,
            rank=rank,
            positive_weight=scale,
            l2=l2 * scale,
            l2_exponent=1.0,
            num_iterations=num_iterations,
            **kwargs,
        )

    @property
    def is_fitted(self) -> bool:
        """Whether there are item vectors."""
        return bool(tf.reduce_any(tf.convert_to_tensor(self.item_vectors) != 0))

    def solve(self, x: scipy.sparse.csr_matrix, say: Callable[[str], None]) -> None:
        """See `SolvedModel.solve`."""
        by_item = x.T.tocsr()
        random = np.random.default_rng(self.seed)
        scale = np.float32(0.1 / np.sqrt(self.rank))
        self.item_vectors.assign(scale * random.standard_normal((self.num_items, self.rank), np.float32))
        for iteration in range(self.num_iterations):
            users = self._solve_all(x, self.item_vectors)
            self.item_vectors.assign(self._solve_all(by_item, tf.constant(users)))
            say(f"iteration {iteration + 1} of {self.num_iterations}")

    def fold_in(self, x: scipy.sparse.csr_matrix) -> np.ndarray:
        """The vectors p of any users, float32 [num_users, rank], given the items' vectors."""
        return self._solve_all(scipy.sparse.csr_matrix(x), self.item_vectors)

    def _solve_all(self, matrix: scipy.sparse.csr_matrix, factors: Any) -> np.ndarray:
        factors = tf.convert_to_tensor(factors)
        gram = gram_of(factors)
        rows = interaction_batches(matrix, _ROWS_AT_A_TIME)
        solved = [self._solve_batch(batch, factors, gram).numpy() for batch in rows]
        return np.concatenate([np.zeros((0, self.rank), np.float32), *solved])

    @tf.function(
        input_signature=[
            INTERACTIONS_SPEC,
            tf.TensorSpec([None, None], tf.float32),
            tf.TensorSpec([None, None], tf.float32),
        ]
    )
    def _solve_batch(self, x: Interactions, factors: tf.Tensor, gram: tf.Tensor) -> tf.Tensor:
        return self._solve_rows(x, factors, gram)

    def _solve_rows(self, x: Interactions, factors: tf.Tensor, gram: tf.Tensor) -> tf.Tensor:
        counts = tf.cast(x.row_lengths, tf.float32)
        of_zeros = tf.cast(tf.shape(factors)[0], tf.float32) / (self.positive_weight - 1.0)
        penalties = self.l2 * tf.pow(counts + of_zeros, self.l2_exponent)
        return solve_rows(x, factors, gram, self.positive_weight, penalties)

    def scores(self, x: Interactions) -> ScoresOfBlock:
        """The products of the users' vectors, which are solved for, and the items'."""
        factors = tf.convert_to_tensor(self.item_vectors)
        users = self._solve_rows(x, factors, gram_of(factors))

        def scores_of_block(start: tf.Tensor | int, width: int) -> tf.Tensor:
            return tf.matmul(users, tf.slice(factors, [start, 0], [width, -1]), transpose_b=True)

        return scores_of_block

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "rank": self.rank,
            "positive_weight": self.positive_weight,
            "l2": self.l2,
            "l2_exponent": self.l2_exponent,
            "num_iterations": self.num_iterations,
        }
