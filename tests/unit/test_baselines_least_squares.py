"""The half-step of alternating least squares against NumPy and against the library `implicit`."""

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

from interactions import as_interactions, random_interactions
from multvae_tf.baselines.least_squares import gram_of, solve_rows

X = scipy.sparse.vstack([random_interactions(6, 25, 0.3, seed=1), np.zeros((1, 25))], "csr")
Q = np.random.default_rng(2).normal(size=(25, 4)).astype(np.float32)


def test_rows_minimise_the_weighted_squared_error():
    penalties = np.linspace(0.5, 3.5, 7).astype(np.float32)
    found = solve_rows(as_interactions(X), tf.constant(Q), gram_of(Q), 9.0, tf.constant(penalties)).numpy()
    for row, penalty, p in zip(X.toarray(), penalties, found, strict=True):
        weights = np.where(row > 0, 9.0, 1.0)
        gradient = Q.T @ (weights * (Q @ p - row)) + penalty * p
        np.testing.assert_allclose(gradient, 0, atol=1e-4)
    np.testing.assert_array_equal(found[6], 0)


def test_rows_equal_those_of_implicit():
    als = pytest.importorskip("implicit.als")
    model = als.AlternatingLeastSquares(
        factors=4, regularization=0.7, alpha=9.0, use_gpu=False, use_native=True, num_threads=1
    )
    model.item_factors = Q
    expected = model.recalculate_user(np.arange(7), X.astype(np.float32))
    penalties = tf.fill([7], 0.7)
    found = solve_rows(as_interactions(X), tf.constant(Q), gram_of(Q), 9.0, penalties)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
