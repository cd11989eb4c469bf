"""Batches: every user once per pass, the right rows, and an order that depends on the seed and pass alone."""

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from interactions import as_interactions, random_interactions
from multvae_tf import Interactions
from multvae_tf.batches import (
    copied_ahead,
    evaluation_batches,
    interaction_batches,
    passes_over,
    steps_per_epoch,
    training_batches,
)

MATRIX = random_interactions(num_users=23, num_items=17, density=0.3, seed=0)


def users_of(batches):
    return [batch.users.numpy().tolist() for batch in batches]


def test_each_pass_visits_every_user_once_and_keeps_the_partial_batch():
    batches = users_of(training_batches(MATRIX, 5, seed=1, num_epochs=2))
    assert [len(batch) for batch in batches] == [5, 5, 5, 5, 3] * 2
    for one_pass in (batches[:5], batches[5:]):
        assert sorted(np.concatenate(one_pass)) == list(range(23))
    assert batches[:5] != batches[5:]


def test_batches_hold_the_rows_of_their_users():
    for batch in training_batches(MATRIX, 5, seed=1):
        rows = MATRIX[batch.users.numpy()]
        np.testing.assert_array_equal(batch.x.ids, rows.indices)
        np.testing.assert_array_equal(batch.x.row_splits, rows.indptr)


def test_a_later_epoch_can_be_had_without_the_earlier_ones():
    straight = users_of(training_batches(MATRIX, 5, seed=1, num_epochs=4, passes_per_epoch=3))
    resumed = users_of(training_batches(MATRIX, 5, seed=1, first_epoch=2, num_epochs=2, passes_per_epoch=3))
    assert resumed == straight[2 * 3 * 5 :]


def test_batches_that_are_copied_ahead_are_the_same():
    batches = training_batches(MATRIX, 5, seed=1)
    copied = list(copied_ahead(batches, "/CPU:0"))
    assert all("CPU:0" in batch.x.ids.device for batch in copied)
    for one, other in zip(batches, copied, strict=True):
        for a, b in zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True):
            np.testing.assert_array_equal(a, b)


def test_another_seed_is_another_order():
    orders = [users_of(training_batches(MATRIX, 5, seed=seed)) for seed in (1, 2)]
    assert orders[0] != orders[1]


def test_pass_and_step_numbers():
    batches = list(training_batches(MATRIX, 10, seed=1, num_epochs=2, passes_per_epoch=2))
    assert [(int(b.pass_number), int(b.step_in_pass)) for b in batches] == [
        (p, s) for _ in range(2) for p in range(2) for s in range(3)
    ]


def test_evaluation_batches_keep_the_order_and_sort_the_ids():
    unsorted = MATRIX.copy()
    unsorted.indices = np.concatenate([row.indices[::-1] for row in MATRIX])
    unsorted.has_sorted_indices = False
    batches = list(evaluation_batches(MATRIX, unsorted, 10))
    assert [int(b.fold_in.num_rows) for b in batches] == [10, 10, 3]
    np.testing.assert_array_equal(np.concatenate([b.held_out.ids for b in batches]), MATRIX.indices)


def test_evaluation_batches_refuse_unlike_shapes():
    with pytest.raises(ValueError, match=r"\(23, 17\), held_out \(23, 16\)"):
        evaluation_batches(MATRIX, MATRIX[:, :16], 10)


def test_dense_matrices_are_refused():
    with pytest.raises(TypeError, match="ndarray"):
        training_batches(MATRIX.toarray(), 5, seed=1)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=8))
def test_segment_ids_of_any_row_lengths(lengths):
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    matrix = scipy.sparse.csr_matrix(
        (np.ones(indptr[-1]), np.arange(indptr[-1]) % 5, indptr), (len(lengths), 5)
    )
    np.testing.assert_array_equal(
        as_interactions(matrix).segment_ids, np.repeat(np.arange(len(lengths)), lengths)
    )


def test_steps_per_epoch():
    assert [steps_per_epoch(n, 500) for n in (1, 500, 501, 116_677)] == [1, 1, 2, 234]


def test_all_rows_of_a_matrix_as_one_batch():
    x = Interactions.from_csr(MATRIX)
    np.testing.assert_array_equal(x.ids, MATRIX.indices)
    np.testing.assert_array_equal(x.row_splits, MATRIX.indptr)
    assert (x.ids.dtype, x.row_splits.dtype) == (tf.int32, tf.int32)
    assert int(x.num_rows) == 23
    np.testing.assert_array_equal(x.coordinates, np.stack(MATRIX.nonzero(), axis=1))


def test_batches_of_all_users_in_order():
    batches = list(interaction_batches(MATRIX, 10))
    assert [int(x.num_rows) for x in batches] == [10, 10, 3]
    np.testing.assert_array_equal(np.concatenate([x.ids for x in batches]), MATRIX.indices)


def as_ragged(x):
    return tf.RaggedTensor.from_row_splits(x.ids, tf.cast(x.row_splits, tf.int64))


@pytest.mark.parametrize("convert", [lambda x: x, as_ragged], ids=["Interactions", "ragged"])
def test_passes_over_a_dataset_are_those_over_its_batches(convert):
    dataset = interaction_batches(MATRIX, 10).map(convert)
    batches = list(passes_over(dataset, 2))
    assert [(int(b.pass_number), int(b.step_in_pass)) for b in batches] == [
        (p, s) for p in range(2) for s in range(3)
    ]
    for one_pass in (batches[:3], batches[3:]):
        np.testing.assert_array_equal(np.concatenate([b.x.ids for b in one_pass]), MATRIX.indices)
        np.testing.assert_array_equal(
            np.concatenate([b.x.row_lengths for b in one_pass]), np.diff(MATRIX.indptr)
        )
        np.testing.assert_array_equal(np.concatenate([b.users for b in one_pass]), np.full(23, -1))
    assert batches[0].x.ids.dtype == batches[0].x.row_splits.dtype == tf.int32


def test_passes_over_a_dataset_know_their_number_of_batches_if_it_does():
    dataset = interaction_batches(MATRIX, 10)
    assert int(passes_over(dataset, 2).cardinality()) == 6
    unknown = passes_over(dataset.filter(lambda x: True), 2)
    assert int(unknown.cardinality()) == tf.data.UNKNOWN_CARDINALITY
    assert len(list(unknown)) == 6
