"""Models that are solved at once, not trained batch by batch, and those of them with dense weights."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import scipy.sparse
import tensorflow as tf

from multvae_tf.batches import Interactions
from multvae_tf.errors import RunError, check
from multvae_tf.evaluation import HeldOutRanking
from multvae_tf.linear import gram
from multvae_tf.ranking import ScoresOfBlock
from multvae_tf.recommender_model import Matrix, RecommenderModel, checked_csr


class SolvedModel(RecommenderModel):
    """A `RecommenderModel` whose `fit` solves for its weights; it needs no optimizer and no epochs.

    Subclasses implement `solve`, `scores` and `is_fitted`. Fitting again forgets what was there before.

    Args:
        num_items: size I of the catalogue.
        **kwargs: of `RecommenderModel` (`seed`) and `keras.Model` (`name`, `dtype`).
    """

    @property
    def is_fitted(self) -> bool:
        """Whether there are weights."""
        raise NotImplementedError

    def solve(self, x: scipy.sparse.csr_matrix, say: Callable[[str], None]) -> None:
        """Makes the weights from CSR [num_users, num_items] of ones; `say` tells how far it is."""
        raise NotImplementedError

    def compile(self) -> None:
        """Does what Keras needs for `evaluate` on a Dataset; there is nothing to choose."""
        super().compile(optimizer=None)

    def get_compile_config(self) -> dict[str, Any]:
        """Nothing: a model that is loaded needs no optimizer."""
        return {}

    def fit(
        self,
        x: Matrix,
        *,
        epochs: int = 1,
        batch_size: int = 500,
        validation_data: tuple[Matrix, Matrix] | None = None,
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        verbose: int | str = "auto",
    ) -> keras.callbacks.History:
        """Solves for the weights, once, and ranks the validation users.

        Args:
            x: scipy sparse [num_users, num_items] in any format, a 1 for each interaction.
            epochs: without effect, since there is one solution; here so that all models can be called alike.
            batch_size: validation users at a time.
            validation_data: fold-in and held-out, scipy sparse [num_validation_users, num_items] each.
            callbacks: Keras callbacks; they see one epoch without batches.
            verbose: 0 tells nothing.

        Returns:
            Keras' history, with one epoch: val_NDCG@100 and so on where there is validation data.

        Raises:
            SettingError: the data does not fit the model, or holds anything but zeros and ones.
            RunError: there is no solution with these settings.
        """
        matrix = checked_csr(x, "x", self.num_items)
        check(matrix.shape[0] >= 1, "x", f"of shape {matrix.shape}", "of at least one user")
        history = keras.callbacks.History()
        listeners = keras.callbacks.CallbackList([*(callbacks or ()), history], model=self, epochs=1, steps=1)
        listeners.on_train_begin()
        listeners.on_epoch_begin(0)
        self.solve(matrix, (lambda message: None) if verbose == 0 else self._say)
        logs = {}
        if validation_data is not None:
            found = self.evaluate(*validation_data, batch_size=batch_size)
            logs = {f"val_{name}": estimate.mean for name, estimate in found.items()}
        listeners.on_epoch_end(0, logs)
        listeners.on_train_end(logs)
        return history

    def build(self, input_shape: Any = None) -> None:
        """Raises an error, since Keras builds what has no weights, and only `fit` makes them."""
        self._check_fitted()

    def rank_users(self, fold_in: Matrix, held_out: Matrix, batch_size: int = 500) -> HeldOutRanking:
        """See `RecommenderModel.rank_users`."""
        self._check_fitted()
        return super().rank_users(fold_in, held_out, batch_size)

    def predict(self, x: Any, batch_size: int = 500, verbose: int | str = "auto") -> np.ndarray:
        """See `RecommenderModel.predict`."""
        self._check_fitted()
        return super().predict(x, batch_size, verbose)

    def recommend(self, x: Matrix, k: int = 10, *, batch_size: int = 500) -> tuple[np.ndarray, np.ndarray]:
        """See `RecommenderModel.recommend`."""
        self._check_fitted()
        return super().recommend(x, k, batch_size=batch_size)

    def _check_fitted(self) -> None:
        if not self.is_fitted:
            raise RunError("the model has no weights yet: call model.fit(x), or load one that was fitted")

    def _say(self, message: str) -> None:
        print(f"{type(self).__name__}: {message}", flush=True)


def dense_scores(weights: tf.Tensor, x: Interactions) -> ScoresOfBlock:
    """The rows of x B, for B float32 [num_items, num_items]: the sum of B's rows over each user's items.

    All scores are made at once, since a block of B's columns would have to be copied out of B: memory grows
    with B * num_items, which is little beside a dense B.
    """
    scores = tf.raw_ops.SparseSegmentSumWithNumSegments(
        data=weights, indices=x.ids, segment_ids=x.segment_ids, num_segments=x.num_rows
    )

    def scores_of_block(start: tf.Tensor | int, width: int) -> tf.Tensor:
        return tf.slice(scores, [0, start], [-1, width])

    return scores_of_block


class DenseItemModel(SolvedModel):
    """Scores x B with a dense B, float32 [num_items, num_items], which exists once `fit` has made it."""

    item_weights: keras.Variable | None = None

    @property
    def is_fitted(self) -> bool:
        """Whether there are weights."""
        return self.item_weights is not None

    def set_item_weights(self, weights: np.ndarray) -> None:
        """Takes B, in C order, without a copy if `gram` made the array; it may not be changed afterwards."""
        weights = weights if gram.is_aligned(weights) else gram.copy(weights)
        shared = tf.experimental.dlpack.from_dlpack(weights.__dlpack__())
        if self.item_weights is not None:
            self.item_weights.assign(shared)
            return
        self.item_weights = self.add_weight(
            name="item_weights",
            shape=(self.num_items, self.num_items),
            initializer=lambda shape, dtype: shared,
            dtype="float32",
            trainable=False,
        )
        self.built = True

    def scores(self, x: Interactions) -> ScoresOfBlock:
        """The sums of the rows of B over the users' items; see `dense_scores`."""
        self._check_fitted()
        return dense_scores(tf.convert_to_tensor(self.item_weights), x)

    def get_build_config(self) -> dict[str, Any]:
        """Whether there are weights to load."""
        return {"is_fitted": self.is_fitted}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Lets Keras load the weights of a fitted model."""
        if config["is_fitted"]:
            self.prepare_loading()

    def prepare_loading(self) -> None:
        """See `RecommenderModel.prepare_loading`; the weights get their room when they are read."""
        self.built = True

    def load_own_variables(self, store: Any) -> None:
        """Takes B from Keras' store, in memory for one matrix."""
        if len(store.keys()):
            self.set_item_weights(gram.copy(store["0"]))
