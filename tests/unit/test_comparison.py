"""Intervals on synthetic data with a known answer, verdicts, buckets, and coverage by hand."""

import numpy as np
import pytest
import scipy.sparse

from studies import comparison
from studies.comparison import Buckets, Difference, paired_differences


def draws(random, tables, num_seeds, num_users, *, seed_sd, user_sd, noise_sd=0.0, mean=0.0):
    """Differences [tables, S, U]: mean + seed effect + user effect + noise."""
    seeds = seed_sd * random.standard_normal((tables, num_seeds, 1))
    users = user_sd * random.standard_normal((tables, 1, num_users))
    return mean + seeds + users + noise_sd * random.standard_normal((tables, num_seeds, num_users))


@pytest.mark.parametrize(("seed_sd", "user_sd"), [(0.0, 1.0), (0.3, 0.0), (0.1, 1.0)])
def test_the_interval_is_as_wide_as_theory_says(seed_sd, user_sd):
    # 40 seeds x 400 users (seed 1); half the width: 1.96 sqrt(seed_sd^2 / 40 + user_sd^2 / 400), within 25%:
    # the standard deviation of 40 draws is uncertain by 11%, and 25% is more than two of that.
    table = draws(np.random.default_rng(1), 1, 40, 400, seed_sd=seed_sd, user_sd=user_sd)
    (difference,) = paired_differences(table)
    half_width = (difference.high - difference.low) / 2
    assert half_width == pytest.approx(1.96 * np.sqrt(seed_sd**2 / 40 + user_sd**2 / 400), rel=0.25)
    assert difference.mean == pytest.approx(table.mean(), abs=1e-12)


@pytest.mark.parametrize("num_seeds", [3, 5])
def test_intervals_of_few_seeds_hold_the_true_difference(num_seeds):
    # 400 tables (seed 2) whose true difference is .01; users and noise dominate, as in real runs.
    table = draws(
        np.random.default_rng(2), 400, num_seeds, 300, seed_sd=0.002, user_sd=0.1, noise_sd=0.1, mean=0.01
    )
    hit = [d.low <= 0.01 <= d.high for d in paired_differences(table, resamples=500)]
    assert 0.93 < np.mean(hit) <= 1


def test_seeds_that_differ_widen_the_interval_though_they_are_few():
    # Two seeds, no user effect: a resample has the mean sqrt(1/2), 0 or -sqrt(1/2), and the spread multiplies
    # it by sqrt(2).
    table = np.array([np.sqrt(0.5), -np.sqrt(0.5)])[None, :, None] * np.ones((1, 2, 10))
    (difference,) = paired_differences(table)
    assert (difference.low, difference.high) == pytest.approx((-1.0, 1.0), abs=1e-9)


def test_one_seed_and_constant_differences_are_certain():
    (difference,) = paired_differences(np.full((1, 1, 7), 0.25))
    assert (difference.mean, difference.low, difference.high) == pytest.approx((0.25, 0.25, 0.25))


def test_the_resampling_is_the_same_each_time_and_for_every_pair():
    table = draws(np.random.default_rng(3), 2, 3, 50, seed_sd=1, user_sd=1)
    both = paired_differences(table)
    assert both == paired_differences(table)
    assert both[1:] == pytest.approx(paired_differences(table[1:]))
    assert both != paired_differences(table, seed=1)


@pytest.mark.parametrize(
    ("low", "high", "verdict", "better", "close"),
    [
        (0.001, 0.002, "better", True, True),
        (-0.009, -0.006, "worse", False, False),
        (-0.001, 0.001, "tie", None, True),
        (-0.001, 0.009, "tie", None, None),
        (0.004, 0.009, "better", True, None),
        (0.0, 0.001, "tie", None, True),
    ],
)
def test_verdicts(low, high, verdict, better, close):
    difference = Difference((low + high) / 2, low, high)
    assert difference.verdict == verdict
    assert difference.is_expected("better", 0.005) is better
    assert difference.is_expected("worse", 0.005) is (None if better is None else not better)
    assert difference.is_expected("close", 0.005) is close


def test_users_by_quartile_of_activity():
    buckets = comparison.activity_buckets(np.array([8, 1, 2, 3, 4, 5, 6, 7]))
    assert buckets.labels == ["1 to 2", "3 to 4", "5 to 6", "7 to 8"]
    assert buckets.sizes() == [2, 2, 2, 2]
    assert buckets.means(np.array([8.0, 1, 2, 3, 4, 5, 6, 7])) == [1.5, 3.5, 5.5, 7.5]


def test_users_of_equal_activity_share_a_bucket():
    assert comparison.activity_buckets(np.array([3, 3, 3, 3])).labels == ["3 to 3"]


def test_items_by_thirds_of_the_interactions():
    # 12 interactions: four items of one each, two of two, one of four.
    buckets = comparison.popularity_buckets(np.array([4, 1, 2, 1, 2, 1, 1]))
    assert buckets.labels == ["1 to 1", "2 to 2", "4 to 4"]
    assert buckets.sizes() == [4, 2, 1]


def test_recall_of_each_bucket_by_hand():
    # Of items 0 and 1 (bucket 0) three are held out and one is found; of item 2 (bucket 1) one, and it is.
    held_out = scipy.sparse.csr_matrix(np.array([[1, 1, 0, 0], [0, 1, 1, 0]]))
    top = np.array([[0, 3, 1], [2, -1, -1]])
    buckets = Buckets(["rare", "popular", "neither"], np.array([0, 0, 1, 2]))
    recall = comparison.recall_by_bucket(top, held_out, buckets, k=2)
    np.testing.assert_allclose(recall, [1 / 3, 1, np.nan])


def test_coverage_counts_each_item_once_and_no_missing_ones():
    top = np.array([[0, 1, 2], [1, 3, -1]])
    assert comparison.coverage(top, num_items=8, k=2) == 3 / 8
    assert comparison.coverage(top, num_items=8, k=3) == 4 / 8
