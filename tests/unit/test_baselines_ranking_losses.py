"""WARP and LambdaRank against slow, obvious loops over all pairs of a positive and a negative."""

import math

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

from interactions import as_interactions, random_interactions
from multvae_tf.baselines.ranking_losses import lambdarank_loss, warp_loss

# The last user has no item.
X = scipy.sparse.vstack([random_interactions(6, 40, density=0.2, seed=1), np.zeros((1, 40))], format="csr")
SCORES = np.random.default_rng(2).normal(size=X.shape).astype(np.float32)


def ranks_of(scores):
    order = sorted(range(len(scores)), key=lambda item: (-scores[item], item))
    return {item: position + 1 for position, item in enumerate(order)}


def pairs(positives, num_items):
    for i in positives:
        for j in range(num_items):
            if j not in positives:
                yield i, j


def slow_warp(positives, scores):
    ranks, loss, gradient = ranks_of(scores), 0.0, np.zeros(len(scores))
    for i, j in pairs(positives, len(scores)):
        if ranks[j] < ranks[i]:
            weight = sum(1 / r for r in range(1, ranks[i] + 1))
            loss += weight * (scores[j] - scores[i])
            gradient[j] += weight
            gradient[i] -= weight
    return loss, gradient


def slow_lambdarank(positives, scores):
    ranks, loss, gradient = ranks_of(scores), 0.0, np.zeros(len(scores))
    idcg = sum(1 / math.log2(1 + r) for r in range(1, len(positives) + 1))
    for i, j in pairs(positives, len(scores)):
        change = abs(1 / math.log2(1 + ranks[i]) - 1 / math.log2(1 + ranks[j])) / idcg
        difference = float(scores[i]) - float(scores[j])
        loss += change * math.log(1 + math.exp(-difference))
        push = change / (1 + math.exp(difference))
        gradient[i] -= push
        gradient[j] += push
    return loss, gradient


LOSSES = {"warp": (warp_loss, slow_warp), "lambdarank": (lambdarank_loss, slow_lambdarank)}


@pytest.fixture(params=LOSSES)
def loss(request):
    return LOSSES[request.param]


def value_and_gradient(function, x, scores):
    scores = tf.constant(scores)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        values = function(as_interactions(x), scores)
    return values.numpy(), tape.gradient(values, scores).numpy()


def assert_agrees(loss, x, scores):
    function, slow = loss
    values, gradients = value_and_gradient(function, x, scores)
    expected = [slow(set(x[user].indices.tolist()), scores[user]) for user in range(len(scores))]
    np.testing.assert_allclose(values, [value for value, _ in expected], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(gradients, np.stack([g for _, g in expected]), rtol=1e-4, atol=1e-4)


def test_loss_and_gradient_equal_the_loops(loss):
    assert_agrees(loss, X, SCORES)


def test_with_more_positives_than_are_compared_at_a_time(loss):
    x = random_interactions(12, 90, density=0.5, seed=3)
    assert x.nnz > 512
    assert_agrees(loss, x, np.random.default_rng(4).normal(size=x.shape).astype(np.float32))


def test_with_equal_scores(loss):
    assert_agrees(loss, X, np.round(SCORES))


def test_in_a_graph_of_unknown_sizes(loss):
    function, _ = loss
    specs = [tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.int32)]
    graph = tf.function(lambda ids, splits, f: function(type(x)(ids, splits), f))
    x = as_interactions(X)
    concrete = graph.get_concrete_function(*specs, tf.TensorSpec([None, None], tf.float32))
    found = concrete(x.ids, x.row_splits, tf.constant(SCORES))
    np.testing.assert_allclose(found, function(x, tf.constant(SCORES)), rtol=1e-6)


def test_warp_by_hand():
    # Ranks: item 1 (negative), 0 (positive), 2 (negative), 3 (positive): H = 1, 3/2, 11/6, 25/12.
    x, scores = scipy.sparse.csr_matrix([[1, 0, 0, 1]]), np.array([[2.0, 3.0, 1.0, 0.0]], np.float32)
    values, gradient = value_and_gradient(warp_loss, x, scores)
    np.testing.assert_allclose(gradient, [[-3 / 2, 3 / 2 + 25 / 12, 25 / 12, -2 * 25 / 12]], rtol=1e-6)
    np.testing.assert_allclose(values, [3 / 2 * 1 + 25 / 12 * (3 + 1)], rtol=1e-6)
