"""Ranking metrics at hand-worked values, against the oracle, and at the edges: ties, few items, no items."""

import numpy as np
import scipy.sparse
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from interactions import as_interactions
from multvae_tf import metrics


def per_user(scores, fold_in, held_out, k):
    num_items = scores.shape[1]
    fold_in, held_out = (as_interactions(scipy.sparse.csr_matrix(m)) for m in (fold_in, held_out))
    _, top = metrics.top_unseen(tf.constant(scores), fold_in, min(k, num_items))
    hits = metrics.hits(top, held_out, num_items)
    lengths = held_out.row_lengths
    return metrics.ndcg_at_k(hits, lengths, k).numpy(), metrics.recall_at_k(hits, lengths, k).numpy()


def test_hand_worked_user():
    # Item 1 is seen; the ranking is 0, 3, 2; held out are 3 and 2: DCG@2 = 1/log2(3), IDCG@2 = 1 + 1/log2(3).
    scores = np.array([[4.0, 9.0, 1.0, 3.0]], np.float32)
    ndcg, recall = per_user(scores, np.array([[0, 1, 0, 0]]), np.array([[0, 0, 1, 1]]), 2)
    np.testing.assert_allclose(ndcg, [(1 / np.log2(3)) / (1 + 1 / np.log2(3))], rtol=1e-12)
    np.testing.assert_allclose(recall, [0.5])


def test_ties_go_to_the_lower_item_number():
    scores, seen = np.zeros((1, 4), np.float32), as_interactions(scipy.sparse.csr_matrix([[0, 1, 0, 0]]))
    _, top = metrics.top_unseen(tf.constant(scores), seen, 3)
    np.testing.assert_array_equal(top, [[0, 2, 3]])


def test_seen_items_have_score_minus_infinity_when_too_few_are_unseen():
    seen = as_interactions(scipy.sparse.csr_matrix([[1, 1, 0]]))
    values, top = metrics.top_unseen(tf.constant([[3.0, 2.0, 1.0]]), seen, 3)
    np.testing.assert_array_equal(values, [[1.0, -np.inf, -np.inf]])
    assert top[0, 0] == 2


def test_a_user_with_nothing_held_out_gives_zero_not_nan():
    ndcg, recall = per_user(np.ones((1, 5), np.float32), np.zeros((1, 5)), np.zeros((1, 5)), 3)
    assert ndcg[0] == recall[0] == 0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(2, 9))
def test_metrics_equal_the_oracle(seed, k, num_items):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 5, (4, num_items)).astype(np.float32)
    role = rng.integers(0, 3, (4, num_items))
    role[:, 0] = 2
    ndcg, recall = per_user(scores, role == 1, role == 2, k)
    for u in range(4):
        arguments = scores[u], role[u] == 1, role[u] == 2, k
        np.testing.assert_allclose(ndcg[u], oracle.ndcg_at_k(*arguments), rtol=1e-12)
        np.testing.assert_allclose(recall[u], oracle.recall_at_k(*arguments), rtol=1e-12)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(257, 300), st.booleans())
def test_top_k_by_blocks_equals_top_k_ties_and_infinities_included(seed, k, num_items, few_values):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4 if few_values else 10_000, (5, num_items)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.3] = -np.inf
    scores[0, 2:] = -np.inf
    expected = tf.math.top_k(scores, k)
    values, items = metrics._top_k_by_blocks(tf.constant(scores), k)
    np.testing.assert_array_equal(values, expected.values)
    np.testing.assert_array_equal(items, expected.indices)
