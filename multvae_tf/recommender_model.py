"""The door of every model here: Keras' evaluate and predict, and recommend, on scipy matrices."""

import importlib
from collections.abc import Mapping
from typing import Any, TypeAlias

import keras
import numpy as np
import scipy.sparse
import tensorflow as tf

from multvae_tf.batches import (
    HELD_OUT_SPEC,
    INTERACTIONS_SPEC,
    HeldOutBatch,
    Interactions,
    interaction_batches,
)
from multvae_tf.errors import SettingError, check
from multvae_tf.evaluation import Estimate, HeldOutRanking, rank_users
from multvae_tf.ranking import REPORTED_METRICS, Ranking, ScoresOfBlock, rank_batch, top_unseen

if keras.config.backend() != "tensorflow":
    raise ImportError(
        f"Keras' backend is {keras.config.backend()}, and these models need TensorFlow: "
        "set KERAS_BACKEND=tensorflow"
    )

Matrix: TypeAlias = scipy.sparse.spmatrix | scipy.sparse.sparray


def checked_csr(x: Any, name: str, num_items: int) -> scipy.sparse.csr_matrix:
    """A matrix of users by items as CSR with sorted columns, checked to hold zeros and ones alone.

    Args:
        x: a scipy sparse matrix or array in any format; it is not changed.
        name: how the caller calls it, for messages.
        num_items: the number of columns that it must have.

    Returns:
        CSR [num_users, num_items], every stored entry a 1.

    Raises:
        SettingError: it is dense, has another width, or holds a value that is neither 0 nor 1.
    """
    if not scipy.sparse.issparse(x):
        kind = f"a dense {x.dtype} array" if isinstance(x, np.ndarray) else f"a {type(x).__name__}"
        raise SettingError(
            name,
            f"is {kind}; it must be a scipy sparse matrix of users by items, a 1 for each interaction, "
            "such as scipy.sparse.csr_matrix(ratings > 3.5)",
        )
    if x.ndim != 2 or x.shape[1] != num_items:
        raise SettingError(name, f"has the shape {x.shape}; the model has {num_items} items, one a column")
    matrix = scipy.sparse.csr_matrix(x)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    is_positive = matrix.data == 1
    if not is_positive.all():
        is_other = ~is_positive & (matrix.data != 0)
        if is_other.any():
            position = int(np.argmax(is_other))
            row = int(np.searchsorted(matrix.indptr, position, side="right")) - 1
            raise SettingError(
                name,
                f"holds {matrix.data[position]} in row {row}, column {matrix.indices[position]}; it must "
                "hold zeros and ones: say which values count as an interaction, such as x > 3.5 or x > 0",
            )
        matrix = matrix.copy()
        matrix.eliminate_zeros()
    return matrix


def checked_held_out(
    fold_in: Any, held_out: Any, num_items: int
) -> tuple[scipy.sparse.csr_matrix, scipy.sparse.csr_matrix]:
    """Both matrices as `checked_csr` gives them, of the same users, and without an item that both have.

    Args:
        fold_in: scipy sparse [num_users, num_items], what a model may see of the users.
        held_out: of the same shape, what it should rank high.
        num_items: size of the catalogue.

    Raises:
        SettingError: see `checked_csr`, or the matrices do not belong together.
    """
    fold_in, held_out = (
        checked_csr(matrix, name, num_items)
        for matrix, name in ((fold_in, "fold_in"), (held_out, "held_out"))
    )
    if fold_in.shape != held_out.shape:
        raise SettingError(
            "held_out",
            f"has {held_out.shape[0]} users, fold_in {fold_in.shape[0]}: they must be the same users",
        )
    common = fold_in.multiply(held_out).tocoo()
    if common.nnz:
        where = f"row {common.row[0]}, column {common.col[0]}"
        raise SettingError(
            "held_out", f"has a 1 in {where}, and so has fold_in: what is seen is never ranked"
        )
    return fold_in, held_out


def import_modules_of(config: Any) -> None:
    """Imports the modules of this library that a serialised object names: Keras finds no others."""
    if isinstance(config, Mapping):
        module = config.get("module")
        if isinstance(module, str) and module.partition(".")[0] in ("multvae_tf", "recvae_tf"):
            importlib.import_module(module)
        for value in config.values():
            import_modules_of(value)


class RecommenderModel(keras.Model):
    """A Keras model that ranks the items of a catalogue for users, who are sets of items.

    Subclasses create their weights in the constructor and implement `scores`, which is linear in memory: it
    never has more than a block of items at once. `TrainableModel` adds what is trained by gradients.

    Args:
        num_items: size I of the catalogue.
        seed: of all that is random: the initial weights, the order of the users, dropout and noise.
        **kwargs: of `keras.Model` (`name`, `dtype`).

    Raises:
        SettingError: a value is out of range.
    """

    def __init__(self, num_items: int, *, seed: int = 98765, **kwargs: Any):
        super().__init__(**kwargs)
        floats = keras.config.floatx()
        check(
            floats == "float32", "floatx", floats, "float32: Keras' settings file, or set_floatx, changed it"
        )
        check(num_items >= 1, "num_items", num_items, "at least 1")
        check(0 <= seed < 2**31, "seed", seed, "between 0 and 2147483647")
        self.num_items = num_items
        self.seed = seed
        # The number of ids changes with every batch: XLA would compile each step anew.
        self.supports_jit = False
        self._validation_means = {name: keras.metrics.Mean(name=name) for name in REPORTED_METRICS}

    def scores(self, x: Interactions) -> ScoresOfBlock:
        """The scores by which items are recommended, by blocks of items; see `ranking.ScoresOfBlock`."""
        raise NotImplementedError

    def prepare_loading(self) -> None:
        """Makes room for weights that only `fit` makes otherwise; called before `load_weights`."""

    def call(self, x: Interactions, training: bool = False) -> tf.Tensor:
        """The scores of all items, float32 [B, num_items]."""
        return self.scores(Interactions(*x))(0, self.num_items)

    def evaluate(
        self, x: Any = None, y: Any = None, batch_size: int = 500, **kwargs: Any
    ) -> dict[str, Estimate]:
        """How well the model ranks the held-out items of users of whom it sees the fold-in.

        Args:
            x: the fold-in, scipy sparse [num_users, num_items]; or a Dataset of `HeldOutBatch`, for which
                Keras' own `evaluate` is called, and plain means are returned.
            y: the held-out items, of the same shape.
            batch_size: users at a time.
            **kwargs: of Keras' `evaluate`, with a Dataset.

        Returns:
            For each of NDCG@100, Recall@20 and Recall@50 its mean over the users who have held-out items,
            and the standard error of that mean.

        Raises:
            SettingError: the data does not fit the model, or batch_size is less than 1.
            RunError: no user has a held-out item.
        """
        if isinstance(x, tf.data.Dataset):
            return super().evaluate(x, **{**kwargs, "return_dict": True})
        return self.rank_users(x, y, batch_size).estimates()

    def rank_users(self, fold_in: Matrix, held_out: Matrix, batch_size: int = 500) -> HeldOutRanking:
        """What `evaluate` takes the mean of: each user's best items and metrics; see `HeldOutRanking`."""
        return rank_users(
            self.rank_held_out, *checked_held_out(fold_in, held_out, self.num_items), batch_size
        )

    @tf.function(input_signature=[HELD_OUT_SPEC])
    def rank_held_out(self, batch: HeldOutBatch) -> Ranking:
        """The ranking of the unseen items of a batch's users."""
        return rank_batch(self.scores(batch.fold_in), self.num_items, batch)

    def test_step(self, batch: HeldOutBatch) -> dict[str, tf.Tensor]:
        """Ranks the held-out items of a batch; users without any do not count."""
        has_held_out = tf.cast(batch.held_out.row_lengths > 0, tf.float32)
        for name, values in self.rank_held_out(batch).metrics.items():
            self._validation_means[name].update_state(values, sample_weight=has_held_out)
        return {name: mean.result() for name, mean in self._validation_means.items()}

    def predict(
        self, x: Matrix | tf.data.Dataset, batch_size: int = 500, verbose: int | str = "auto"
    ) -> np.ndarray:
        """The scores of all items: dense, so for a few users only; `recommend` needs no such room.

        Args:
            x: scipy sparse [num_users, num_items]; or a Dataset of `Interactions`.
            batch_size: users at a time.
            verbose: 0 shows no progress bar.

        Returns:
            float32 [num_users, num_items]; items that the users have have scores too.

        Raises:
            SettingError: the data does not fit the model, or batch_size is less than 1.
        """
        if not isinstance(x, tf.data.Dataset):
            x = interaction_batches(checked_csr(x, "x", self.num_items), batch_size)
        progress = keras.utils.Progbar(int(x.cardinality()), verbose=1 if verbose == "auto" else verbose)
        scores = [np.zeros([0, self.num_items], np.float32)]
        for step, batch in enumerate(x, start=1):
            scores.append(self._all_scores(batch).numpy())
            progress.update(step)
        return np.concatenate(scores)

    @tf.function(input_signature=[INTERACTIONS_SPEC])
    def _all_scores(self, x: Interactions) -> tf.Tensor:
        return self(Interactions(*x))

    def recommend(self, x: Matrix, k: int = 10, *, batch_size: int = 500) -> tuple[np.ndarray, np.ndarray]:
        """The best items that each user does not have, best first; of equal scores the lower number first.

        Args:
            x: scipy sparse [num_users, num_items], what the users have.
            k: how many items; at most num_items are given.
            batch_size: users at a time; memory grows with it times the width of a block of items.

        Returns:
            Items, int32 [num_users, k], and their scores, float32 [num_users, k]. Where a user has fewer than
            k unseen items the rest is `ranking.NO_ITEM`, -1, with the score `ranking.NO_ITEM_SCORE`, -3e38.

        Raises:
            SettingError: the data does not fit the model, or k or batch_size is less than 1.
        """
        check(k >= 1, "k", k, "at least 1")
        matrix, width = checked_csr(x, "x", self.num_items), min(k, self.num_items)
        answers = [self.best_unseen(batch, width) for batch in interaction_batches(matrix, batch_size)]
        if not answers:
            return np.zeros([0, width], np.int32), np.zeros([0, width], np.float32)
        scores, items = (np.concatenate(parts) for parts in zip(*answers, strict=True))
        return items, scores

    @tf.function(reduce_retracing=True)
    def best_unseen(self, seen: Interactions, k: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Scores and numbers of the k best unseen items of a batch, [B, k]; see `ranking.top_unseen`."""
        return top_unseen(self.scores(seen), self.num_items, seen, min(k, self.num_items))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "num_items": self.num_items, "seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "RecommenderModel":
        """The inverse of `get_config`; objects among the arguments may be serialised."""
        import_modules_of(config)
        return cls(
            **{
                name: keras.saving.deserialize_keras_object(value, custom_objects)
                if isinstance(value, dict) and "class_name" in value
                else value
                for name, value in config.items()
            }
        )
