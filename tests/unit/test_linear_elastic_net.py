"""SLIM's weights by hand and by the conditions that only the minimum meets."""

import numpy as np
import pytest
import scipy.sparse

from interactions import latent_taste_interactions
from multvae_tf.errors import RunError
from multvae_tf.linear.elastic_net import elastic_net_weights
from multvae_tf.linear.gram import gram_matrix
from multvae_tf.linear.neighbours import nearest_items

pytest.importorskip("sklearn")
X = latent_taste_interactions(300, 40, seed=3)
GRAM = gram_matrix(X).astype(np.float64)


def assert_minimal(weights, l1, l2, allowed):
    """Zero gradient where a weight is positive, none that would lower the loss where it is 0."""
    gradient = GRAM @ weights - GRAM + l2 * weights + l1
    scale = np.diag(GRAM)[np.newaxis] * 1e-3
    assert np.all(weights >= 0)
    assert np.all(weights[~allowed] == 0)
    assert np.all(np.abs(gradient)[weights > 0] < np.broadcast_to(scale, gradient.shape)[weights > 0])
    assert np.all((gradient > -scale)[allowed])


def test_two_items_by_hand():
    # w = (G_01 - l1) / (G_ii + l2): (3 - 1) / (4 + 1) for the first row, (3 - 1) / (5 + 1) for the second.
    gram = np.array([[4, 3], [3, 5]], np.float32)
    found = elastic_net_weights(gram, l1=1.0, l2=1.0, tolerance=1e-10).toarray()
    np.testing.assert_allclose(found, [[0, 2 / 5], [2 / 6, 0]], rtol=1e-5)


@pytest.mark.parametrize(("l1", "l2"), [(2.0, 10.0), (5.0, 0.5), (3.0, 0.0)])
def test_the_weights_are_minimal(l1, l2):
    found = elastic_net_weights(GRAM, l1, l2, tolerance=1e-9)
    assert found.dtype == np.float32
    assert_minimal(found.toarray(), l1, l2, ~np.eye(40, dtype=bool))


def test_the_gram_matrix_is_as_it_was_afterwards():
    gram = GRAM.astype(np.float32)
    single = elastic_net_weights(gram, 2.0, 10.0, tolerance=1e-6)
    np.testing.assert_array_equal(gram, GRAM)
    double = elastic_net_weights(GRAM, 2.0, 10.0, tolerance=1e-6)
    np.testing.assert_allclose(single.toarray(), double.toarray(), atol=1e-3)


def test_only_neighbours_have_weights():
    neighbours = nearest_items(X, k=5)
    found = elastic_net_weights(GRAM, 1.0, 1.0, neighbours, tolerance=1e-9)
    assert_minimal(found.toarray(), 1.0, 1.0, neighbours.toarray().T > 0)


def test_a_larger_l1_makes_fewer_weights():
    assert elastic_net_weights(GRAM, 20.0, 1.0).nnz < elastic_net_weights(GRAM, 1.0, 1.0).nnz / 1.5


def test_an_item_without_users_has_no_weights():
    x = scipy.sparse.csr_matrix([[1, 0, 1], [1, 0, 1]])
    found = elastic_net_weights(gram_matrix(x), 0.1, 0.1).toarray()
    assert np.all(found[1] == 0)
    assert np.all(found[:, 1] == 0)
    assert found[0, 2] > 0


@pytest.mark.parametrize(
    ("l1", "l2", "message"),
    [(0.0, 1.0, "l1 is 0.0; it must be above 0"), (1.0, -1.0, "l2 is -1.0; it must be 0 or more")],
)
def test_settings_out_of_range_are_refused(l1, l2, message):
    with pytest.raises(RunError, match=message):
        elastic_net_weights(GRAM, l1, l2)
