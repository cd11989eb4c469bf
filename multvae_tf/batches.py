"""From a scipy matrix of users by items to tf.data batches of item ids; nothing is ever densified.

A training batch is a pure function of (seed, epoch, pass, step): rows are shuffled statelessly, so that a run
can be continued at any epoch and sees exactly the batches that it would have seen.
"""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
import tensorflow as tf

from multvae_tf.errors import check


class Interactions(NamedTuple):
    """The items of a batch of users, as the rows of a CSR matrix without values.

    Attributes:
        ids: int32 [N], item numbers, the users' rows one after another.
        row_splits: int32 [B + 1], user b owns `ids[row_splits[b]:row_splits[b + 1]]`.

    Examples:
        >>> import scipy.sparse
        >>> from multvae_tf import Interactions
        >>> Interactions.from_csr(scipy.sparse.csr_matrix([[0, 1, 1], [1, 0, 0]])).ids.numpy().tolist()
        [1, 2, 0]
    """

    ids: tf.Tensor
    row_splits: tf.Tensor

    @classmethod
    def from_csr(cls, matrix: scipy.sparse.csr_matrix) -> "Interactions":
        """All rows of a CSR matrix as one batch; its values are not looked at."""
        return cls(tf.constant(matrix.indices, tf.int32), tf.constant(matrix.indptr, tf.int32))

    @property
    def num_rows(self) -> tf.Tensor:
        """The number of users B, an int32 scalar."""
        return tf.shape(self.row_splits)[0] - 1

    @property
    def row_lengths(self) -> tf.Tensor:
        """The number of items of each user, int32 [B]."""
        return self.row_splits[1:] - self.row_splits[:-1]

    @property
    def segment_ids(self) -> tf.Tensor:
        """The row to which each id belongs, int32 [N], in linear time and memory."""
        num_ids = tf.shape(self.ids)[0]
        row_starts = tf.tensor_scatter_nd_add(
            tf.zeros([num_ids + 1], tf.int32),
            self.row_splits[1:-1, tf.newaxis],
            tf.ones_like(self.row_splits[1:-1]),
        )
        return tf.cumsum(row_starts)[:num_ids]

    @property
    def coordinates(self) -> tf.Tensor:
        """(row, item) of every interaction, int32 [N, 2]."""
        return tf.stack([self.segment_ids, self.ids], axis=1)

    def only(self, kept: tf.Tensor) -> "Interactions":
        """The same users with a part of their items; kept, bool [N], says of each of `ids` if it stays."""
        kept_before = tf.concat([[0], tf.cumsum(tf.cast(kept, tf.int32))], axis=0)
        return Interactions(tf.boolean_mask(self.ids, kept), tf.gather(kept_before, self.row_splits))


class TrainingBatch(NamedTuple):
    """What `train_step` takes.

    Attributes:
        x: the users' interactions.
        users: int64 [B], the users' row numbers in the training matrix.
        pass_number: int64 scalar, counted from 0 within the epoch: which pass over the data this is.
        step_in_pass: int64 scalar, counted from 0 within the pass.
    """

    x: Interactions
    users: tf.Tensor
    pass_number: tf.Tensor
    step_in_pass: tf.Tensor


class HeldOutBatch(NamedTuple):
    """What `test_step` takes: what the model may see of each user, and what it should rank high."""

    fold_in: Interactions
    held_out: Interactions


INTERACTIONS_SPEC = Interactions(tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.int32))
HELD_OUT_SPEC = HeldOutBatch(INTERACTIONS_SPEC, INTERACTIONS_SPEC)


class _RowGather:
    """Rows of a CSR matrix by number, gathered in the graph."""

    def __init__(self, matrix: scipy.sparse.csr_matrix):
        if not scipy.sparse.issparse(matrix) or matrix.format != "csr":
            raise TypeError(f"expected a scipy CSR matrix, got {type(matrix).__name__}")
        if not matrix.has_sorted_indices:
            matrix = matrix.sorted_indices()
        self._ids = tf.constant(matrix.indices.astype(np.int32, copy=False))
        self._row_splits = tf.constant(matrix.indptr.astype(np.int64, copy=False))

    def __call__(self, rows: tf.Tensor) -> Interactions:
        starts = tf.gather(self._row_splits, rows)
        limits = tf.gather(self._row_splits, rows + 1)
        positions = tf.ragged.range(starts, limits)
        return Interactions(tf.gather(self._ids, positions.values), tf.cast(positions.row_splits, tf.int32))


def steps_per_epoch(num_users: int, batch_size: int) -> int:
    """Batches in one pass over the users; the last, partial one counts."""
    return -(-num_users // batch_size)


def shuffled_users(num_users: int, seed: int, pass_count: tf.Tensor | int) -> tf.Tensor:
    """The order in which a pass visits the users: int64 [num_users], a function of its arguments alone.

    Args:
        num_users: how many there are.
        seed: of the shuffle.
        pass_count: number of passes over the data before this one, over all epochs.
    """
    stateless_seed = tf.stack([tf.cast(seed, tf.int64), tf.cast(pass_count, tf.int64)])
    return tf.random.experimental.stateless_shuffle(tf.range(num_users, dtype=tf.int64), stateless_seed)


def training_batches(
    matrix: scipy.sparse.csr_matrix,
    batch_size: int,
    *,
    seed: int,
    first_epoch: int = 0,
    num_epochs: int = 1,
    passes_per_epoch: int = 1,
) -> tf.data.Dataset:
    """The training batches of epochs `first_epoch`, ..., `first_epoch + num_epochs - 1`, in order.

    Args:
        matrix: CSR [num_users, num_items]; its values are ignored, every stored entry is a positive.
        batch_size: users in a batch; the last batch of a pass holds what is left.
        seed: of the shuffle, which is drawn anew for each pass.
        first_epoch: number of the first epoch to deliver.
        num_epochs: how many epochs to deliver.
        passes_per_epoch: passes over the data in an epoch.

    Returns:
        A dataset of `TrainingBatch`.
    """
    gather = _RowGather(matrix)
    num_users = matrix.shape[0]

    def batches_of_pass(pass_count: tf.Tensor) -> tf.data.Dataset:
        users = tf.data.Dataset.from_tensor_slices(shuffled_users(num_users, seed, pass_count)).batch(
            batch_size
        )
        return users.enumerate().map(
            lambda step, users: TrainingBatch(gather(users), users, pass_count % passes_per_epoch, step)
        )

    first_pass = first_epoch * passes_per_epoch
    passes = tf.data.Dataset.range(first_pass, first_pass + num_epochs * passes_per_epoch)
    return passes.flat_map(batches_of_pass).prefetch(2)


def passes_over(batches: tf.data.Dataset, passes_per_epoch: int) -> tf.data.Dataset:
    """The training batches of one epoch, from a dataset that is one pass over the users.

    Args:
        batches: of `Interactions`, or of ragged int tensors [B, None] of item numbers.
        passes_per_epoch: how often it is gone through; it may shuffle anew each time.

    Returns:
        A dataset of `TrainingBatch`; the users have no numbers in a matrix, and are all -1. It knows its
        number of batches if `batches` does, so that Keras need not find out where an epoch ends.
    """

    def as_training_batch(pass_number: tf.Tensor, step: tf.Tensor, *rows: Any) -> TrainingBatch:
        x = rows[0] if len(rows) == 1 else rows
        ids, row_splits = (x.values, x.row_splits) if isinstance(x, tf.RaggedTensor) else x
        interactions = Interactions(tf.cast(ids, tf.int32), tf.cast(row_splits, tf.int32))
        users = tf.fill([interactions.num_rows], tf.constant(-1, tf.int64))
        return TrainingBatch(interactions, users, pass_number, step)

    passes = tf.data.Dataset.range(passes_per_epoch).flat_map(
        lambda number: batches.enumerate().map(
            lambda step, *rows: as_training_batch(number, step, *rows), num_parallel_calls=1
        )
    )
    num_batches = int(batches.cardinality())
    if num_batches < 0:
        return passes
    return passes.apply(tf.data.experimental.assert_cardinality(passes_per_epoch * num_batches))


def copied_ahead(batches: tf.data.Dataset, device: str) -> tf.data.Dataset:
    """The same batches in the memory of a device, copied while the ones before them are in use."""
    return batches.apply(tf.data.experimental.prefetch_to_device(device, buffer_size=2))


def evaluation_batches(
    fold_in: scipy.sparse.csr_matrix, held_out: scipy.sparse.csr_matrix, batch_size: int
) -> tf.data.Dataset:
    """Users in matrix order, as `HeldOutBatch`.

    Args:
        fold_in: CSR [num_users, num_items], what the model sees.
        held_out: CSR of the same shape, what is to be ranked high.
        batch_size: users in a batch.

    Raises:
        ValueError: the shapes differ.
        SettingError: batch_size is less than 1.
    """
    if fold_in.shape != held_out.shape:
        raise ValueError(f"fold_in has shape {fold_in.shape}, held_out {held_out.shape}: they must agree")
    check(batch_size >= 1, "batch_size", batch_size, "at least 1")
    gather_fold_in, gather_held_out = _RowGather(fold_in), _RowGather(held_out)
    rows = tf.data.Dataset.range(fold_in.shape[0]).batch(batch_size)
    return rows.map(
        lambda r: HeldOutBatch(gather_fold_in(r), gather_held_out(r)), num_parallel_calls=1
    ).prefetch(2)


def interaction_batches(matrix: scipy.sparse.csr_matrix, batch_size: int) -> tf.data.Dataset:
    """Users in matrix order, as `Interactions`.

    Raises:
        SettingError: batch_size is less than 1.
    """
    check(batch_size >= 1, "batch_size", batch_size, "at least 1")
    rows = tf.data.Dataset.range(matrix.shape[0]).batch(batch_size)
    return rows.map(_RowGather(matrix), num_parallel_calls=1).prefetch(2)
