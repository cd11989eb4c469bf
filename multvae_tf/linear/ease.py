"""EASE, EDLAE and RDLAE: item-item weights in closed form, as Keras models."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import scipy.sparse

from multvae_tf.linear.closed_form import check_settings, solve_in_place
from multvae_tf.linear.gram import gram_matrix
from multvae_tf.linear.solved_model import DenseItemModel


class ClosedFormModel(DenseItemModel):
    """What EASE, EDLAE and RDLAE share: one Gram matrix, one Cholesky factorisation, see `closed_form`.

    Args:
        num_items: size I of the catalogue.
        l2: lambda.
        dropout_rate: p.
        max_self_weight: xi.
        **kwargs: of `RecommenderModel`.
    """

    def __init__(
        self,
        num_items: int,
        *,
        l2: float,
        dropout_rate: float = 0.0,
        max_self_weight: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(num_items, **kwargs)
        check_settings(l2, dropout_rate, max_self_weight)
        self.l2 = l2
        self.dropout_rate = dropout_rate
        self.max_self_weight = max_self_weight

    def solve(self, x: scipy.sparse.csr_matrix, say: Callable[[str], None]) -> None:
        """See `SolvedModel.solve`."""
        say(f"counting the common users of {self.num_items} x {self.num_items} items")
        gram = gram_matrix(x)
        say(f"inverting the matrix, {gram.nbytes / 2**30:.2f} GiB")
        self.solve_gram(gram)

    def solve_gram(self, gram: np.ndarray) -> None:
        """Makes the weights from X'X, float32 [num_items, num_items], in whose memory they will be.

        Raises:
            RunError: there is no solution with these settings.
        """
        self.set_item_weights(solve_in_place(gram, self.l2, self.dropout_rate, self.max_self_weight))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "l2": self.l2}


@keras.saving.register_keras_serializable(package="multvae_tf")
class EASE(ClosedFormModel):
    """Embarrassingly shallow autoencoder: the item-item regression with a zero diagonal, in closed form.

    Minimises ||X - X B||^2 + lambda ||B||^2 subject to diag(B) = 0, which gives B_ij = -P_ij / P_jj off the
    diagonal, P = (X'X + lambda I)^-1 (equation 8). Scores are x B. Memory is that of one or two float32
    matrices [num_items, num_items]; time grows with their third power.

    Args:
        num_items: size I of the catalogue.
        l2: lambda; the paper's 500 is for ML-20M, 1,000 for Netflix, 200 for MSD. Choose it by `choose`.
        **kwargs: of `RecommenderModel` (`seed`, without effect) and `keras.Model` (`name`).

    Raises:
        SettingError: a value is out of range.

    Example:
        >>> import scipy.sparse
        >>> from multvae_tf.linear import EASE
        >>> x = scipy.sparse.random(50, 20, density=0.3, format="csr", random_state=0) > 0
        >>> model = EASE(num_items=20, l2=10.0)
        >>> history = model.fit(x, verbose=0)
        >>> items, scores = model.recommend(x[:5], k=3)
        >>> items.shape
        (5, 3)

    Deviations: in float32 throughout; the metrics agree with float64 to the fourth digit.

    References:
        Steck 2019, Embarrassingly Shallow Autoencoders for Sparse Data (WWW, arXiv 1905.03375).
    """

    def __init__(self, num_items: int, *, l2: float = 500.0, **kwargs: Any):
        super().__init__(num_items, l2=l2, **kwargs)


@keras.saving.register_keras_serializable(package="multvae_tf")
class EDLAE(ClosedFormModel):
    """Denoising linear autoencoder with emphasis on the items that dropout hid, in closed form.

    Minimises, in the limit of infinitely many dropout masks, the squared error of the dropped items:
    B_ij = -P_ij / P_jj off the diagonal, P = (X'X + lambda I + p / (1 - p) diag(X'X))^-1. Popular items are
    regularised more than under `EASE`. Scores are x B.

    Args:
        num_items: size I of the catalogue.
        l2: lambda; 300 in public code for ML-20M, 500 for Netflix, 70 for MSD. Choose it by `choose`.
        dropout_rate: p; .33 in public code for ML-20M and Netflix, .25 for MSD.
        **kwargs: of `RecommenderModel` (`seed`, without effect) and `keras.Model` (`name`).

    Raises:
        SettingError: a value is out of range.

    Example:
        >>> import scipy.sparse
        >>> from multvae_tf.linear import EDLAE
        >>> x = scipy.sparse.random(50, 20, density=0.3, format="csr", random_state=0) > 0
        >>> model = EDLAE(num_items=20, l2=2.0, dropout_rate=0.5)
        >>> history = model.fit(x, verbose=0)
        >>> model.predict(x[:5], verbose=0).shape
        (5, 20)

    Deviations: of the paper's models this is the one of full rank; in float32 throughout.

    References:
        Steck 2020, Autoencoders that don't overfit towards the Identity (NeurIPS).
    """

    def __init__(self, num_items: int, *, l2: float = 300.0, dropout_rate: float = 0.33, **kwargs: Any):
        super().__init__(num_items, l2=l2, dropout_rate=dropout_rate, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "dropout_rate": self.dropout_rate}


@keras.saving.register_keras_serializable(package="multvae_tf")
class RDLAE(ClosedFormModel):
    """Denoising linear autoencoder whose items may recommend themselves up to a limit, in closed form.

    As `EDLAE`, but with diag(B) <= xi in the place of diag(B) = 0: B = I - P diag(c) with
    c_j = max(L_j, (1 - xi) / P_jj), L = lambda + p / (1 - p) diag(X'X), P = (X'X + diag(L))^-1. With xi = 0
    it is EDLAE, with xi = 1 a plain ridge regression with dropout.

    Args:
        num_items: size I of the catalogue.
        l2: lambda; 1,000 in the authors' settings for ML-20M.
        dropout_rate: p; .2 there.
        max_self_weight: xi; .6 there.
        **kwargs: of `RecommenderModel` (`seed`, without effect) and `keras.Model` (`name`).

    Raises:
        SettingError: a value is out of range.

    Example:
        >>> import numpy as np, scipy.sparse
        >>> from multvae_tf.linear import RDLAE
        >>> x = scipy.sparse.random(50, 20, density=0.3, format="csr", random_state=0) > 0
        >>> model = RDLAE(num_items=20, l2=2.0, dropout_rate=0.2, max_self_weight=0.1)
        >>> history = model.fit(x, verbose=0)
        >>> bool(np.diag(model.item_weights.numpy()).max() <= 0.1001)
        True

    Deviations: in float32 throughout.

    References:
        Moon, Kim and Lee 2023, It's Enough: Relaxing Diagonal Constraints in Linear Autoencoders for
        Recommendation (SIGIR, arXiv 2305.12922).
    """

    def __init__(
        self,
        num_items: int,
        *,
        l2: float = 1000.0,
        dropout_rate: float = 0.2,
        max_self_weight: float = 0.6,
        **kwargs: Any,
    ):
        super().__init__(
            num_items, l2=l2, dropout_rate=dropout_rate, max_self_weight=max_self_weight, **kwargs
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "dropout_rate": self.dropout_rate,
            "max_self_weight": self.max_self_weight,
        }
