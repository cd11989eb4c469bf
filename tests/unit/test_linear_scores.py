"""Sparse and low-rank scores, and ELSA's loss, against dense NumPy."""

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

from interactions import as_interactions, random_interactions
from multvae_tf.linear.low_rank import normalized_squared_error, shallow_scores, unit_rows
from multvae_tf.linear.sparse_weights import SparseWeights

NUM_ITEMS = 30
X = scipy.sparse.vstack([random_interactions(9, NUM_ITEMS, 0.2, seed=1), np.zeros((1, NUM_ITEMS))], "csr")
BLOCKS = [(0, 30), (0, 7), (11, 12), (29, 1)]
WEIGHTS = np.random.default_rng(2).normal(size=(NUM_ITEMS, 4)).astype(np.float32)
UNIT = WEIGHTS / np.linalg.norm(WEIGHTS, axis=1, keepdims=True)


@pytest.mark.parametrize(("start", "width"), BLOCKS)
def test_sparse_scores_are_the_product(start, width):
    w = scipy.sparse.random(NUM_ITEMS, NUM_ITEMS, 0.2, "csr", dtype=np.float32, random_state=3)
    found = SparseWeights.of(w).scores(as_interactions(X))(start, width)
    np.testing.assert_allclose(found, (X @ w).toarray()[:, start : start + width], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("start", "width"), BLOCKS)
def test_shallow_scores_are_the_product(start, width):
    found = shallow_scores(as_interactions(X), tf.constant(WEIGHTS))(start, width)
    expected = X @ UNIT @ UNIT.T - X.toarray()
    np.testing.assert_allclose(found, expected[:, start : start + width], rtol=1e-4, atol=1e-5)


def dense_error(dense, weights):
    unit = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    y = dense @ unit @ unit.T - dense
    normalize = lambda rows: rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)  # noqa: E731
    return np.square(normalize(y) - normalize(dense)).sum(axis=1)


@pytest.mark.parametrize("num_users", [3, 9])
def test_the_error_and_its_gradient_equal_dense_ones(num_users):
    # 3 users are fewer than the 4 dimensions, 9 are more: there are two ways to the same norm.
    x, weights = X[:num_users], tf.constant(WEIGHTS)
    with tf.GradientTape() as tape:
        tape.watch(weights)
        errors = normalized_squared_error(as_interactions(x), unit_rows(weights))
    gradient = tape.gradient(errors, weights).numpy()
    dense, step = x.toarray().astype(np.float64), 1e-5
    np.testing.assert_allclose(errors, dense_error(dense, WEIGHTS.astype(np.float64)), rtol=1e-4)
    for place in [(0, 0), (7, 3), (29, 1), (12, 2)]:
        up, down = WEIGHTS.astype(np.float64), WEIGHTS.astype(np.float64)
        up[place] += step
        down[place] -= step
        expected = (dense_error(dense, up) - dense_error(dense, down)).sum() / (2 * step)
        np.testing.assert_allclose(gradient[place], expected, rtol=1e-3, atol=1e-4)


def test_the_error_by_hand():
    # Both items share one vector: h = 2a, y = x A A' - x = (1, 1, 2 cos) with cos = 0.6, x = (1, 1, 0).
    vectors = tf.constant([[1.0, 0.0], [1.0, 0.0], [0.6, 0.8]])
    found = normalized_squared_error(as_interactions(scipy.sparse.csr_matrix([[1, 1, 0]])), vectors)
    np.testing.assert_allclose(found, [2 - 2 * 2 / np.sqrt(2 * (1 + 1 + 1.44))], rtol=1e-5)


def test_a_user_without_items_has_no_gradient():
    vectors = tf.constant(UNIT)
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        errors = normalized_squared_error(as_interactions(X[9]), vectors)
    np.testing.assert_allclose(errors, [2.0])
    np.testing.assert_array_equal(tape.gradient(errors, vectors), np.zeros_like(UNIT))
