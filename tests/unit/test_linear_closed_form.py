"""EASE, EDLAE and RDLAE against an independent float64 solution, and by their optimality conditions."""

import numpy as np
import pytest

from interactions import latent_taste_interactions
from multvae_tf.errors import RunError
from multvae_tf.linear.closed_form import solve_in_place
from multvae_tf.linear.gram import gram_matrix

X = latent_taste_interactions(800, 120, seed=3)
DENSE = X.toarray().astype(np.float64)
SETTINGS = {
    "ease": {"l2": 50.0},
    "edlae": {"l2": 20.0, "dropout_rate": 0.5},
    "rdlae": {"l2": 20.0, "dropout_rate": 0.3, "max_self_weight": 0.2},
    "dlae": {"l2": 20.0, "dropout_rate": 0.3, "max_self_weight": 1.0},
}


def penalties(l2, dropout_rate=0.0, max_self_weight=0.0):
    return l2 + dropout_rate / (1 - dropout_rate) * DENSE.sum(axis=0)


def solution_column_by_column(l2, dropout_rate=0.0, max_self_weight=0.0):
    """Each column of B is a ridge regression of its own, with the item's own weight free or fixed to xi."""
    penalty = penalties(l2, dropout_rate)
    num_items = DENSE.shape[1]
    gram = DENSE.T @ DENSE
    weights = np.zeros((num_items, num_items))
    for item in range(num_items):
        free = np.linalg.solve(gram + np.diag(penalty), gram[:, item])
        if free[item] <= max_self_weight:
            weights[:, item] = free
            continue
        others = np.delete(np.arange(num_items), item)
        system = gram[np.ix_(others, others)] + np.diag(penalty[others])
        target = gram[others, item] * (1 - max_self_weight)
        weights[others, item] = np.linalg.solve(system, target)
        weights[item, item] = max_self_weight
    return weights


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_scores_equal_those_of_a_float64_solution(setting):
    found = DENSE @ solve_in_place(gram_matrix(X), **setting)
    expected = DENSE @ solution_column_by_column(**setting)
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_float64_is_kept(setting):
    found = solve_in_place(gram_matrix(X).astype(np.float64), **setting)
    np.testing.assert_allclose(found, solution_column_by_column(**setting), rtol=0, atol=1e-10)


def test_the_result_takes_the_memory_of_the_gram_matrix():
    gram = gram_matrix(X)
    assert solve_in_place(gram, l2=5.0) is gram


@pytest.mark.parametrize("name", ["ease", "edlae"])
def test_no_item_recommends_itself(name):
    weights = solve_in_place(gram_matrix(X), **SETTINGS[name])
    assert np.all(np.diag(weights) == 0)


def test_self_weights_end_at_their_limit():
    self_weights = np.diag(solve_in_place(gram_matrix(X), **SETTINGS["rdlae"]))
    assert self_weights.max() == np.float32(0.2)


def test_two_items_by_hand():
    # P = [[2, 1], [1, 3]]^-1 = [[3, -1], [-1, 2]] / 5, B_01 = 1/2 and B_10 = 1/3, divided by columns.
    weights = solve_in_place(np.array([[1, 1], [1, 2]], np.float32), l2=1.0)
    np.testing.assert_allclose(weights, [[0, 1 / 2], [1 / 3, 0]], rtol=1e-6)


def test_a_matrix_that_cannot_be_factorised_is_told():
    gram = gram_matrix(X)
    gram[:, 5] = gram[:, 4]
    gram[5] = gram[4]
    gram[5, 5] = gram[4, 4] - 1
    with pytest.raises(RunError, match=r"l2 is 0\.0; it is too small .*at item number 5; use a larger l2"):
        solve_in_place(gram, l2=0.0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"l2": -1.0}, "l2 is -1.0; it must be 0 or more"),
        ({"l2": 1.0, "dropout_rate": 1.0}, "dropout_rate is 1.0; it must be at least 0 and less than 1"),
        ({"l2": 1.0, "max_self_weight": 1.5}, "max_self_weight is 1.5; it must be from 0 to 1"),
    ],
)
def test_settings_out_of_range_are_refused(setting, message):
    with pytest.raises(RunError, match=message):
        solve_in_place(gram_matrix(X), **setting)
