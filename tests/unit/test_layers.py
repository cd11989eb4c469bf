"""The sparse first layer against a dense one, item dropout and the reparameterisation."""

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

import oracle
from interactions import as_interactions, random_interactions
from multvae_tf.layers import SparseDense, drop_items, keep_items, l2_normalize, reparameterize

MATRIX = random_interactions(num_users=7, num_items=30, density=0.2, seed=3).tolil()
MATRIX[2] = 0
MATRIX[6] = 0
MATRIX = scipy.sparse.csr_matrix(MATRIX)
X = as_interactions(MATRIX)


def densify(rows, num_items):
    dense = np.zeros([rows.items.num_rows, num_items])
    dense[rows.items.segment_ids, rows.items.ids] = tf.gather(rows.scale, rows.items.segment_ids)
    return dense


def test_l2_normalize_equals_the_oracle():
    np.testing.assert_allclose(densify(l2_normalize(X), 30), oracle.l2_normalize(MATRIX.toarray()), rtol=1e-6)


def test_sparse_dense_and_its_gradients_equal_a_dense_layer():
    layer = SparseDense(
        30, 5, keras.initializers.GlorotUniform(seed=0), keras.initializers.RandomNormal(seed=1)
    )
    upstream = np.random.default_rng(4).normal(size=(7, 5)).astype(np.float32)
    rows = l2_normalize(X)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(upstream * layer(rows))
    dense = densify(rows, 30)
    kernel_gradient, bias_gradient = tape.gradient(loss, [layer.kernel.value, layer.bias.value])
    np.testing.assert_allclose(layer(rows), dense @ layer.kernel.numpy() + layer.bias.numpy(), atol=1e-6)
    np.testing.assert_allclose(kernel_gradient, dense.T @ upstream, atol=1e-6)
    np.testing.assert_allclose(bias_gradient, upstream.sum(axis=0), atol=1e-6)


def test_keep_items_is_inverted_dropout():
    kept = np.random.default_rng(5).random(MATRIX.nnz) < 0.5
    dropped = densify(keep_items(l2_normalize(X), tf.constant(kept), 0.5), 30)
    mask = scipy.sparse.csr_matrix((kept, MATRIX.indices, MATRIX.indptr), MATRIX.shape).toarray()
    np.testing.assert_allclose(dropped, 2 * mask * oracle.l2_normalize(MATRIX.toarray()), rtol=1e-6)


def test_dropout_rate_and_expectation():
    # 200 x 500 at density 0.2, seed 6: 20,000 entries, so the kept share has standard error 0.0033.
    rows = l2_normalize(as_interactions(random_interactions(200, 500, 0.2, seed=6)))
    dropped = drop_items(rows, 0.3, tf.constant([7, 8], tf.int64))
    share = len(dropped.items.ids) / len(rows.items.ids)
    assert abs(share - 0.7) < 4 * np.sqrt(0.21 / len(rows.items.ids))
    np.testing.assert_allclose(dropped.scale, rows.scale / 0.7, rtol=1e-6)


def test_dropout_is_a_function_of_its_seed():
    rows = l2_normalize(X)
    first, again, other = (drop_items(rows, 0.5, tf.constant([1, s], tf.int64)).items.ids for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert list(first.numpy()) != list(other.numpy())


def test_no_dropout_at_rate_zero():
    assert drop_items(l2_normalize(X), 0.0, tf.constant([1, 2], tf.int64)).items is X


def test_reparameterize_moments():
    # 100,000 draws, seed 9: mean within 4 sigma / sqrt(n), standard deviation within 4 sigma / sqrt(2 n).
    epsilon = tf.random.stateless_normal([100_000, 1], [9, 0])
    z = reparameterize(
        tf.fill([100_000, 1], 1.5), tf.fill([100_000, 1], 2 * np.log(0.5).astype("f")), epsilon
    )
    assert abs(np.mean(z) - 1.5) < 4 * 0.5 / np.sqrt(1e5)
    assert abs(np.std(z) - 0.5) < 4 * 0.5 / np.sqrt(2e5)


@pytest.mark.parametrize("units", [1, 5])
def test_sparse_dense_survives_its_config(units):
    layer = SparseDense(30, units, keras.initializers.GlorotUniform(seed=0))
    copy = SparseDense.from_config(layer.get_config())
    np.testing.assert_array_equal(copy.kernel.numpy(), layer.kernel.numpy())
