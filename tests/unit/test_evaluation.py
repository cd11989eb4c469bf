"""Rankings of held-out users: which users, which items, and how they are kept."""

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

from multvae_tf import Estimate, RunError
from multvae_tf.evaluation import HeldOutRanking, rank_by_popularity, rank_users
from multvae_tf.ranking import REPORTED_METRICS, rank_batch

# Item 3 is the best, then 2, 1, 0. User 1 has nothing held out.
FOLD_IN = scipy.sparse.csr_matrix(np.array([[0, 0, 0, 1], [1, 0, 0, 0], [1, 1, 1, 0]], np.float32))
HELD_OUT = scipy.sparse.csr_matrix(np.array([[0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]], np.float32))


def rank_by_number(batch):
    """Stands for a model: the higher an item's number, the better."""
    scores = tf.tile([[0.0, 1.0, 2.0, 3.0]], [batch.fold_in.num_rows, 1])
    return rank_batch(lambda start, width: scores[:, start : start + width], 4, batch)


@pytest.fixture
def ranking():
    return rank_users(rank_by_number, FOLD_IN, HELD_OUT, batch_size=1)


def test_users_without_held_out_items_are_left_out(ranking):
    np.testing.assert_array_equal(ranking.users, [0, 2])
    assert all(values.shape == (2,) and values.dtype == np.float64 for values in ranking.metrics.values())


def test_seen_items_are_not_among_the_top_items(ranking):
    assert ranking.top_items.dtype == np.int32
    np.testing.assert_array_equal(ranking.top_items, [[2, 1, 0, -1], [3, -1, -1, -1]])


def test_metrics_and_estimates_belong_to_the_ranking(ranking):
    assert list(ranking.metrics) == list(REPORTED_METRICS)
    np.testing.assert_array_equal(ranking.metrics["NDCG@100"], [1, 1])
    assert ranking.estimates()["Recall@20"] == Estimate(1.0, 0.0)


def test_an_estimate_is_the_mean_and_its_standard_error():
    # The standard deviation, divided by n, of 0, 1, 2 and 5 is sqrt(3.5); over sqrt(4) users.
    estimate = Estimate.of(np.array([0.0, 1.0, 2.0, 5.0]))
    assert (float(estimate), estimate.standard_error) == (2.0, pytest.approx(np.sqrt(3.5) / 2))
    assert str(estimate) == "2.00000 (0.93541)"


def test_popularity_ranks_by_the_number_of_training_users():
    train = scipy.sparse.csr_matrix(np.array([[1, 0, 1, 0], [1, 0, 1, 1], [0, 0, 1, 0]], np.float32))
    ranking = rank_by_popularity(train, FOLD_IN, HELD_OUT)
    np.testing.assert_array_equal(ranking.top_items, [[2, 0, 1, -1], [3, -1, -1, -1]])


def test_without_a_held_out_item_there_is_nothing_to_evaluate():
    with pytest.raises(RunError) as error:
        rank_users(rank_by_number, FOLD_IN, HELD_OUT[1:2].multiply(0).tocsr())
    assert str(error.value) == "no user has a held-out item: there is nothing to evaluate"


def test_a_ranking_is_kept_as_it_is(ranking, tmp_path):
    path = tmp_path / "test_users.npz"
    ranking.save(path)
    loaded = HeldOutRanking.load(path)
    np.testing.assert_array_equal(loaded.users, ranking.users)
    np.testing.assert_array_equal(loaded.top_items, ranking.top_items)
    for name, values in ranking.metrics.items():
        np.testing.assert_array_equal(loaded.metrics[name], values)
    assert [p.name for p in tmp_path.iterdir()] == ["test_users.npz"]


@pytest.mark.parametrize("length", [None, 0, 100])
def test_a_file_that_is_missing_or_cut_off_is_told(length, ranking, tmp_path):
    path = tmp_path / "test_users.npz"
    if length is not None:
        ranking.save(path)
        path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(RunError, match=r"test_users\.npz is (missing|damaged \(.*\)): resume the run$"):
        HeldOutRanking.load(path)
