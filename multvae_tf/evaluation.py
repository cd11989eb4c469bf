"""Held-out evaluation: each user's metrics, their mean and its standard error."""

import concurrent.futures
import dataclasses
from collections.abc import Callable

import numpy as np
import scipy.sparse
import tensorflow as tf

from multvae_tf.autoencoder import REPORTED_METRICS, MultinomialAutoencoder, ranking_metrics
from multvae_tf.errors import RunError
from multvae_tf.pipeline import HeldOutBatch, evaluation_batches

_BATCHES_AT_A_TIME = 2


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over users with its standard error.

    Attributes:
        mean: the mean.
        standard_error: standard deviation / sqrt(users), as the code of Liang et al. 2018 reports it.
    """

    mean: float
    standard_error: float

    @classmethod
    def of(cls, values: np.ndarray) -> "Estimate":
        """The estimate from one value per user."""
        return cls(float(np.mean(values)), float(np.std(values) / np.sqrt(len(values))))

    def __str__(self) -> str:
        return f"{self.mean:.5f} ({self.standard_error:.5f})"


def per_user_metrics(
    model: MultinomialAutoencoder,
    fold_in: scipy.sparse.csr_matrix,
    held_out: scipy.sparse.csr_matrix,
    batch_size: int = 500,
) -> dict[str, np.ndarray]:
    """The metrics of every user who has held-out items, in matrix order.

    Args:
        model: ranks the items that are not in the fold-in.
        fold_in: CSR [num_users, num_items].
        held_out: CSR of the same shape.
        batch_size: users at a time; memory grows with 2 * batch_size * the width of a block of items.

    Returns:
        For each of `REPORTED_METRICS` float64 [users with held-out items].

    Raises:
        RunError: no user has any held-out item, or the catalogue is not the model's.
    """
    if fold_in.shape[1] != model.num_items:
        raise RunError(f"the data has {fold_in.shape[1]} items, the model {model.num_items}")
    return _over_batches(model.per_user_metrics, fold_in, held_out, batch_size)


def _over_batches(
    metrics_of_batch: Callable[[HeldOutBatch], dict[str, tf.Tensor]],
    fold_in: scipy.sparse.csr_matrix,
    held_out: scipy.sparse.csr_matrix,
    batch_size: int,
) -> dict[str, np.ndarray]:
    has_held_out = np.flatnonzero(np.diff(held_out.indptr))
    if not len(has_held_out):
        raise RunError("no user has a held-out item: there is nothing to evaluate")
    batches = evaluation_batches(fold_in[has_held_out], held_out[has_held_out], batch_size)
    # While one batch waits for a part that has a single thread, the other keeps the cores busy.
    with concurrent.futures.ThreadPoolExecutor(_BATCHES_AT_A_TIME) as executor:
        results = list(executor.map(metrics_of_batch, batches))
    return {name: np.concatenate([r[name].numpy() for r in results]) for name in REPORTED_METRICS}


def evaluate(
    model: MultinomialAutoencoder,
    fold_in: scipy.sparse.csr_matrix,
    held_out: scipy.sparse.csr_matrix,
    batch_size: int = 500,
) -> dict[str, Estimate]:
    """Mean and standard error of `per_user_metrics`, with its arguments and errors."""
    values = per_user_metrics(model, fold_in, held_out, batch_size)
    return {name: Estimate.of(values[name]) for name in REPORTED_METRICS}


def evaluate_popularity(
    train: scipy.sparse.csr_matrix,
    fold_in: scipy.sparse.csr_matrix,
    held_out: scipy.sparse.csr_matrix,
    batch_size: int = 500,
) -> dict[str, Estimate]:
    """`evaluate` of the ranking by number of training users, the same for all: what a model must beat."""
    num_users_of = tf.constant(train.getnnz(axis=0), tf.float32)

    @tf.function(reduce_retracing=True)
    def metrics_of_batch(batch: HeldOutBatch) -> dict[str, tf.Tensor]:
        def scores_of_block(start: tf.Tensor | int, width: int) -> tf.Tensor:
            block = tf.slice(num_users_of, [start], [width])
            return tf.tile(block[tf.newaxis], [batch.fold_in.num_rows, 1])

        return ranking_metrics(scores_of_block, train.shape[1], batch)

    values = _over_batches(metrics_of_batch, fold_in, held_out, batch_size)
    return {name: Estimate.of(values[name]) for name in REPORTED_METRICS}
