"""Held-out evaluation: each user's ranking and metrics, their mean and its standard error."""

import concurrent.futures
import dataclasses
import functools
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
import tensorflow as tf

from multvae_tf.batches import HeldOutBatch, evaluation_batches
from multvae_tf.errors import RunError
from multvae_tf.files import write_atomically
from multvae_tf.ranking import REPORTED_METRICS, Ranking, rank_batch

_BATCHES_AT_A_TIME = 2


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over users with its standard error.

    Attributes:
        mean: the mean.
        standard_error: standard deviation / sqrt(users), as the code of Liang et al. 2018 reports it.

    Examples:
        >>> import numpy as np
        >>> from multvae_tf import Estimate
        >>> print(Estimate.of(np.array([0.25, 0.75])))
        0.50000 (0.17678)
    """

    mean: float
    standard_error: float

    @classmethod
    def of(cls, values: np.ndarray) -> "Estimate":
        """The estimate from one value per user."""
        return cls(float(np.mean(values)), float(np.std(values) / np.sqrt(len(values))))

    def __str__(self) -> str:
        return f"{self.mean:.5f} ({self.standard_error:.5f})"

    def __float__(self) -> float:
        return self.mean


@dataclasses.dataclass(frozen=True)
class HeldOutRanking:
    """What a model ranks highest for the U users who have held-out items, and how good that is.

    Attributes:
        users: int64 [U], the rows of these users in the matrices of fold-ins and held-out items, ascending.
        top_items: int32 [U, min(100, num_items)], the unseen items, best first; `ranking.NO_ITEM` where none
            is left.
        metrics: for each of `REPORTED_METRICS` float64 [U].
    """

    users: np.ndarray
    top_items: np.ndarray
    metrics: dict[str, np.ndarray]

    def estimates(self) -> dict[str, Estimate]:
        """Mean and standard error of each metric."""
        return {name: Estimate.of(values) for name, values in self.metrics.items()}

    def save(self, path: Path) -> None:
        """Writes the arrays as one .npz file, all or nothing."""
        arrays: dict[str, Any] = {"users": self.users, "top_items": self.top_items, **self.metrics}
        write_atomically(path, lambda temporary: np.savez_compressed(temporary, **arrays))

    @classmethod
    def load(cls, path: Path) -> "HeldOutRanking":
        """The inverse of `save`.

        Raises:
            RunError: the file is missing or damaged.
        """
        try:
            with np.load(path) as arrays:
                return cls(arrays["users"], arrays["top_items"], {m: arrays[m] for m in REPORTED_METRICS})
        except FileNotFoundError:
            raise RunError(f"{path} is missing: resume the run") from None
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise RunError(f"{path} is damaged ({error}): resume the run") from error


def rank_users(
    rank: Callable[[HeldOutBatch], Ranking],
    fold_in: scipy.sparse.csr_matrix,
    held_out: scipy.sparse.csr_matrix,
    batch_size: int = 500,
) -> HeldOutRanking:
    """The ranking for every user who has held-out items.

    Args:
        rank: of a batch, such as `model.rank_held_out`; called by two threads at a time.
        fold_in: CSR [num_users, num_items], what is known of the users.
        held_out: CSR of the same shape, what is to be ranked high.
        batch_size: users at a time; memory grows with 2 * batch_size * the width of a block of items.

    Raises:
        RunError: no user has any held-out item.
    """
    users = np.flatnonzero(np.diff(held_out.indptr))
    if not len(users):
        raise RunError("no user has a held-out item: there is nothing to evaluate")
    batches = evaluation_batches(fold_in[users], held_out[users], batch_size)
    # While one batch waits for a part that has a single thread, the other keeps the cores busy.
    with concurrent.futures.ThreadPoolExecutor(_BATCHES_AT_A_TIME) as executor:
        rankings = list(executor.map(rank, batches))
    return HeldOutRanking(
        users,
        np.concatenate([ranking.top_items.numpy() for ranking in rankings]),
        {m: np.concatenate([ranking.metrics[m].numpy() for ranking in rankings]) for m in REPORTED_METRICS},
    )


@tf.function(reduce_retracing=True)
def _rank_alike(batch: HeldOutBatch, num_users_of: tf.Tensor, num_items: int) -> Ranking:
    """Ranks a batch by the same scores for all users, float32 [I]."""

    def scores_of_block(start: tf.Tensor | int, width: int) -> tf.Tensor:
        block = tf.slice(num_users_of, [start], [width])
        return tf.tile(block[tf.newaxis], [batch.fold_in.num_rows, 1])

    return rank_batch(scores_of_block, num_items, batch)


def rank_by_popularity(
    train: scipy.sparse.csr_matrix,
    fold_in: scipy.sparse.csr_matrix,
    held_out: scipy.sparse.csr_matrix,
    batch_size: int = 500,
) -> HeldOutRanking:
    """`rank_users` by number of training users, the same order for all: what a model must beat.

    Args:
        train: CSR [num_train_users, num_items].
        fold_in: as for `rank_users`.
        held_out: as for `rank_users`.
        batch_size: as for `rank_users`.
    """
    num_users_of = tf.constant(train.getnnz(axis=0), tf.float32)
    rank = functools.partial(_rank_alike, num_users_of=num_users_of, num_items=train.shape[1])
    return rank_users(rank, fold_in, held_out, batch_size)
