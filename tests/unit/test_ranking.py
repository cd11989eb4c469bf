"""The ranking by blocks of items against the ranking of all at once: same items, same scores, same order."""

from unittest import mock

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from multvae_tf.config import MultDAEConfig, MultVAEConfig
from recvae_tf.config import RecVAEConfig

from interactions import as_interactions, hold_out, latent_taste_interactions
from multvae_tf import metrics, ranking
from multvae_tf.batches import evaluation_batches
from multvae_tf.evaluation import evaluate_popularity, per_user_metrics

# The metrics look at 100 items: two blocks.
NUM_ITEMS = 250
MATRIX = latent_taste_interactions(30, NUM_ITEMS, seed=5)
FOLD_IN, HELD_OUT = hold_out(MATRIX, 0.3, seed=6)
CONFIGS = {"multvae": MultVAEConfig(), "multdae": MultDAEConfig(), "recvae": RecVAEConfig()}


def blocks_of(size):
    return mock.patch.object(ranking, "BLOCK_SIZE", size)


def by_blocks(scores, seen, k):
    """`ranking.top_unseen` of a matrix of scores, and the widths of the blocks that it asked for."""
    widths = []

    @tf.function
    def top():
        def scores_of_block(start, width):
            widths.append(width)
            return tf.slice(scores, [0, start], [-1, width])

        return ranking.top_unseen(scores_of_block, scores.shape[1], as_interactions(seen), k)

    return *top(), widths


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 12), st.data())
def test_blocks_change_nothing_ties_seen_items_and_uneven_blocks_included(seed, num_items, size, data):
    k = data.draw(st.integers(1, num_items))
    rng = np.random.default_rng(seed)
    scores = tf.constant(rng.integers(0, 4, (5, num_items)), tf.float32)
    seen = rng.random((5, num_items)) < 0.4
    seen[0], seen[1] = True, False
    seen = scipy.sparse.csr_matrix(seen, dtype=np.float32)
    expected_values, expected_items = metrics.top_unseen(scores, as_interactions(seen), k)
    with blocks_of(size):
        values, items, widths = by_blocks(scores, seen, k)
    np.testing.assert_array_equal(values, expected_values)
    np.testing.assert_array_equal(items, expected_items)
    assert max(widths) < 2 * max(size, k)


def test_a_block_is_never_narrower_than_k():
    scores = tf.constant(np.random.default_rng(0).normal(size=(3, 40)), tf.float32)
    with blocks_of(4):
        *_, widths = by_blocks(scores, scipy.sparse.csr_matrix((3, 40), dtype=np.float32), 11)
    assert sorted(widths) == [13, 14]


@pytest.mark.parametrize("name", CONFIGS)
def test_models_recommend_and_are_evaluated_the_same_by_blocks(name):
    def results():
        model = CONFIGS[name].build_model(NUM_ITEMS)
        return *model.recommend(as_interactions(FOLD_IN), 9), per_user_metrics(model, FOLD_IN, HELD_OUT)

    values, items, metrics_of_users = results()
    with blocks_of(10):
        block_values, block_items, block_metrics = results()
    np.testing.assert_allclose(block_values, values, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(block_items, items)
    for metric, expected in metrics_of_users.items():
        np.testing.assert_array_equal(block_metrics[metric], expected)


def test_popularity_is_evaluated_the_same_by_blocks():
    expected = evaluate_popularity(MATRIX, FOLD_IN, HELD_OUT)
    with blocks_of(10):
        assert evaluate_popularity(MATRIX, FOLD_IN, HELD_OUT) == expected


@pytest.mark.parametrize("name", CONFIGS)
def test_the_scores_of_all_items_are_never_made_at_once(name):
    model = CONFIGS[name].build_model(NUM_ITEMS)
    batch = next(iter(evaluation_batches(FOLD_IN, HELD_OUT, 10)))

    def widths():
        graph = tf.function(lambda seen: model.recommend(seen, 4)).get_concrete_function(batch.fold_in).graph
        outputs = [output for operation in graph.get_operations() for output in operation.outputs]
        return {o.shape[1] for o in outputs if o.shape.rank == 2 and o.shape[0] in (None, 10)}

    assert NUM_ITEMS in widths()
    with blocks_of(10):
        assert NUM_ITEMS not in widths()
