"""EASE, EDLAE and RDLAE: item-item weights in closed form, as Keras models."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np
import scipy.sparse

from multvae_tf.errors import SettingError
from multvae_tf.linear.choice import best_of, try_all
from multvae_tf.linear.closed_form import check_settings, solve_in_place
from multvae_tf.linear.gram import gram_matrix
from multvae_tf.linear.solved_model import DenseItemModel
from multvae_tf.recommender_model import Matrix, checked_csr


class ClosedFormModel(DenseItemModel):
    """What EASE, EDLAE and RDLAE share: one Gram matrix, one Cholesky factorisation, see `closed_form`.

    Args:
        num_items: The size I of the catalogue.
        l2: lambda; None means that `fit` chooses it from `grid` by the validation users.
        dropout_rate: p; likewise.
        max_self_weight: xi; likewise.
        **kwargs: of `RecommenderModel`.
    """

    grid: ClassVar[Mapping[str, Sequence[float]]] = {}

    def __init__(
        self,
        num_items: int,
        *,
        l2: float | None,
        dropout_rate: float | None = 0.0,
        max_self_weight: float | None = 0.0,
        **kwargs: Any,
    ):
        super().__init__(num_items, **kwargs)
        check_settings(l2 or 0.0, dropout_rate or 0.0, max_self_weight or 0.0)
        self.l2 = l2
        self.dropout_rate = dropout_rate
        self.max_self_weight = max_self_weight

    def fit(
        self,
        x: Matrix,
        *,
        batch_size: int = 500,
        validation_data: tuple[Matrix, Matrix] | None = None,
        verbose: int | str = "auto",
        **others: Any,
    ) -> keras.callbacks.History:
        """See `SolvedModel.fit`; settings that are None are first chosen by the validation users' NDCG@100.

        Raises:
            SettingError: a setting is None, and there are no validation users.
        """
        open_settings = {name: values for name, values in self.grid.items() if getattr(self, name) is None}
        if open_settings:
            if validation_data is None:
                raise SettingError(next(iter(open_settings)), "is None; give validation_data to choose it by")
            gram = gram_matrix(checked_csr(x, "x", self.num_items))
            tried = try_all(
                self, open_settings, gram, validation_data, batch_size=batch_size, verbose=verbose
            )
            del gram
            for name, value in best_of(tried).items():
                setattr(self, name, value)
        return super().fit(
            x, batch_size=batch_size, validation_data=validation_data, verbose=verbose, **others
        )

    @property
    def penalties(self) -> tuple[float, float, float]:
        """Lambda, p and xi.

        Raises:
            SettingError: one of them is left open.
        """
        for name in ("l2", "dropout_rate", "max_self_weight"):
            if getattr(self, name) is None:
                raise SettingError(name, "is None: fit chooses it by validation_data")
        return self.l2 or 0.0, self.dropout_rate or 0.0, self.max_self_weight or 0.0

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
        self.set_item_weights(solve_in_place(gram, *self.penalties))

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
        num_items: The size I of the catalogue.
        l2: The penalty lambda of the squared weights; 500 in the paper for ML-20M, 1,000 for Netflix, 200 for
            MSD. None (`auto`) means that `fit` chooses it by the validation users.
        **kwargs: of `RecommenderModel` (`seed`, without effect) and `keras.Model` (`name`).

    Raises:
        SettingError: a value is out of range.

    Examples:
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

    grid = {"l2": (50.0, 100.0, 200.0, 400.0, 800.0, 1600.0)}  # noqa: RUF012

    def __init__(self, num_items: int, *, l2: float | None = 500.0, **kwargs: Any):
        super().__init__(num_items, l2=l2, **kwargs)


@keras.saving.register_keras_serializable(package="multvae_tf")
class EDLAE(ClosedFormModel):
    """Denoising linear autoencoder with emphasis on the items that dropout hid, in closed form.

    Minimises, in the limit of infinitely many dropout masks, the squared error of the dropped items:
    B_ij = -P_ij / P_jj off the diagonal, P = (X'X + lambda I + p / (1 - p) diag(X'X))^-1. Popular items are
    regularised more than under `EASE`. Scores are x B.

    Args:
        num_items: The size I of the catalogue.
        l2: The penalty lambda of the squared weights; 300 in public code for ML-20M, 500 for Netflix, 70 for
            MSD. None (`auto`) means that `fit` chooses it by the validation users.
        dropout_rate: The share p of a user's items that training hides; .33 in public code for ML-20M and
            Netflix, .25 for MSD. None (`auto`) means that `fit` chooses it by the validation users.
        **kwargs: of `RecommenderModel` (`seed`, without effect) and `keras.Model` (`name`).

    Raises:
        SettingError: a value is out of range.

    Examples:
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

    grid = {"l2": (20.0, 60.0, 200.0, 600.0), "dropout_rate": (0.2, 0.4, 0.55)}  # noqa: RUF012

    def __init__(
        self, num_items: int, *, l2: float | None = 300.0, dropout_rate: float | None = 0.33, **kwargs: Any
    ):
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
        num_items: The size I of the catalogue.
        l2: The penalty lambda of the squared weights; 1,000 in the authors' settings for ML-20M. None
            (`auto`) means that `fit` chooses it by the validation users.
        dropout_rate: The share p of a user's items that training hides; .2 there. None (`auto`) likewise.
        max_self_weight: The largest weight xi that an item may give to itself; .6 there. None (`auto`)
            likewise.
        **kwargs: of `RecommenderModel` (`seed`, without effect) and `keras.Model` (`name`).

    Raises:
        SettingError: a value is out of range.

    Examples:
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

    grid = {  # noqa: RUF012
        "l2": (60.0, 200.0, 600.0),
        "dropout_rate": (0.2, 0.4),
        "max_self_weight": (0.1, 0.3, 0.6),
    }

    def __init__(
        self,
        num_items: int,
        *,
        l2: float | None = 1000.0,
        dropout_rate: float | None = 0.2,
        max_self_weight: float | None = 0.6,
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
