"""The best unseen items and their metrics: by hand, by the oracle, at the edges, and by blocks of items."""

from unittest import mock

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from interactions import as_interactions, hold_out, latent_taste_interactions
from multvae_tf import MultDAE, MultVAE, ranking
from multvae_tf.batches import evaluation_batches
from multvae_tf.evaluation import rank_by_popularity
from recvae_tf import RecVAE

# The metrics look at 100 items: two blocks.
NUM_ITEMS = 250
MATRIX = latent_taste_interactions(30, NUM_ITEMS, seed=5)
FOLD_IN, HELD_OUT = hold_out(MATRIX, 0.3, seed=6)
MODELS = {"multvae": MultVAE, "multdae": MultDAE, "recvae": RecVAE}


def top_unseen(scores, seen, k):
    """`ranking.top_unseen` of a matrix of scores: values and items."""
    top = ranking.top_unseen(
        lambda start, width: tf.slice(scores, [0, start], [-1, width]),
        scores.shape[1],
        as_interactions(seen),
        k,
    )
    return tuple(tensor.numpy() for tensor in top)


def in_a_graph(scores, seen, k):
    """`top_unseen` as an export or a model runs it, and the widths of the blocks that it asked for."""
    widths = []

    @tf.function
    def top():
        def scores_of_block(start, width):
            widths.append(width)
            return tf.slice(scores, [0, start], [-1, width])

        return ranking.top_unseen(scores_of_block, scores.shape[1], as_interactions(seen), k)

    return *top(), widths


def per_user(scores, fold_in, held_out, k):
    """NDCG@k and Recall@k of each user."""
    num_items = scores.shape[1]
    fold_in, held_out = (scipy.sparse.csr_matrix(matrix) for matrix in (fold_in, held_out))
    _, top = top_unseen(scores, fold_in, min(k, num_items))
    hits = ranking.hits(tf.constant(top), as_interactions(held_out), num_items)
    lengths = as_interactions(held_out).row_lengths
    return ranking.ndcg_at_k(hits, lengths, k).numpy(), ranking.recall_at_k(hits, lengths, k).numpy()


def blocks_of(size):
    return mock.patch.object(ranking, "BLOCK_SIZE", size)


def test_hand_worked_user():
    # Item 1 is seen; the ranking is 0, 3, 2; held out are 3 and 2: DCG@2 = 1/log2(3), IDCG@2 = 1 + 1/log2(3).
    scores = np.array([[4.0, 9.0, 1.0, 3.0]], np.float32)
    ndcg, recall = per_user(scores, np.array([[0, 1, 0, 0]]), np.array([[0, 0, 1, 1]]), 2)
    np.testing.assert_allclose(ndcg, [(1 / np.log2(3)) / (1 + 1 / np.log2(3))], rtol=1e-12)
    np.testing.assert_allclose(recall, [0.5])


def test_ties_go_to_the_lower_item_number():
    _, items = top_unseen(np.zeros((1, 4), np.float32), scipy.sparse.csr_matrix([[0, 1, 0, 0]]), 3)
    np.testing.assert_array_equal(items, [[0, 2, 3]])


def test_places_that_no_item_takes_have_a_finite_score_when_too_few_are_unseen():
    scores, seen = np.array([[3.0, 2.0, 1.0]], np.float32), scipy.sparse.csr_matrix([[1, 1, 0]])
    values, items = top_unseen(scores, seen, 3)
    np.testing.assert_array_equal(values, np.array([[1.0, -3e38, -3e38]], np.float32))
    np.testing.assert_array_equal(items, [[2, -1, -1]])
    assert (ranking.NO_ITEM, ranking.NO_ITEM_SCORE) == (-1, -3e38)


def test_a_place_that_no_item_takes_is_no_hit():
    held_out = as_interactions(scipy.sparse.csr_matrix([[1, 0, 1], [0, 1, 1]]))
    found = ranking.hits(tf.constant([[0, ranking.NO_ITEM], [2, ranking.NO_ITEM]]), held_out, 3)
    np.testing.assert_array_equal(found, [[True, False], [True, False]])


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
def test_wide_rows_equal_top_k_ties_seen_items_and_infinities_included(seed, k, num_items, few_values):
    # From 64 k items on, only the runs of items with the largest maxima are looked into.
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4 if few_values else 10_000, (5, num_items)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.3] = -np.inf
    scores[0, 2:] = -np.inf
    seen = rng.random(scores.shape) < 0.3
    seen[1, 2:] = True
    expected = tf.math.top_k(np.where(seen, np.float32(ranking.NO_ITEM_SCORE), scores), k)
    values, items = top_unseen(scores, scipy.sparse.csr_matrix(seen), k)
    np.testing.assert_array_equal(values, expected.values)
    is_item = expected.values > ranking.NO_ITEM_SCORE
    np.testing.assert_array_equal(items, np.where(is_item, expected.indices, ranking.NO_ITEM))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 12), st.data())
def test_blocks_change_nothing_ties_seen_items_and_uneven_blocks_included(seed, num_items, size, data):
    k = data.draw(st.integers(1, num_items))
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (5, num_items)).astype(np.float32)
    seen = rng.random((5, num_items)) < 0.4
    seen[0], seen[1] = True, False
    seen = scipy.sparse.csr_matrix(seen, dtype=np.float32)
    expected_values, expected_items, expected_widths = in_a_graph(scores, seen, k)
    assert expected_widths == [num_items]
    with blocks_of(size):
        values, items, widths = in_a_graph(scores, seen, k)
    np.testing.assert_array_equal(values, expected_values)
    np.testing.assert_array_equal(items, expected_items)
    assert max(widths) < 2 * max(size, k)


def test_a_block_is_never_narrower_than_k():
    scores = np.random.default_rng(0).normal(size=(5, 40)).astype(np.float32)
    with blocks_of(4):
        *_, widths = in_a_graph(scores, scipy.sparse.csr_matrix((5, 40), dtype=np.float32), 11)
    assert sorted(widths) == [13, 14]


@pytest.mark.parametrize("model_class", MODELS.values(), ids=MODELS)
def test_models_recommend_and_are_evaluated_the_same_by_blocks(model_class):
    def results():
        model = model_class(NUM_ITEMS)
        return *model.recommend(FOLD_IN, 9), model.rank_users(FOLD_IN, HELD_OUT).metrics

    items, values, metrics_of_users = results()
    with blocks_of(10):
        block_items, block_values, block_metrics = results()
    np.testing.assert_allclose(block_values, values, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(block_items, items)
    for metric, expected in metrics_of_users.items():
        np.testing.assert_array_equal(block_metrics[metric], expected)


def test_popularity_is_evaluated_the_same_by_blocks():
    expected = rank_by_popularity(MATRIX, FOLD_IN, HELD_OUT).estimates()
    with blocks_of(10):
        assert rank_by_popularity(MATRIX, FOLD_IN, HELD_OUT).estimates() == expected


def widths_of_users_rows(graph, num_users):
    """The widths of all matrices with a row a user in a graph, loops and the functions it calls included."""
    definition = graph.as_graph_def(add_shapes=True)
    nodes = [*definition.node, *(node for inner in definition.library.function for node in inner.node_def)]
    shapes = [shape for node in nodes for shape in node.attr["_output_shapes"].list.shape]
    rows = (-1, num_users)
    return {s.dim[1].size for s in shapes if len(s.dim) == 2 and s.dim[0].size in rows}


@pytest.mark.parametrize("model_class", MODELS.values(), ids=MODELS)
def test_the_scores_of_all_items_are_never_made_at_once(model_class):
    batch = next(iter(evaluation_batches(FOLD_IN, HELD_OUT, 10)))

    def widths():
        model = model_class(NUM_ITEMS)
        return widths_of_users_rows(model.best_unseen.get_concrete_function(batch.fold_in, 4).graph, 10)

    assert NUM_ITEMS in widths()
    with blocks_of(10):
        assert NUM_ITEMS not in widths()
