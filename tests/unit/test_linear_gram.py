"""The Gram matrix in blocks equals the product, and its updates equal computing it anew."""

import numpy as np
import pytest
import scipy.sparse

from interactions import random_interactions
from multvae_tf.linear import gram

X = random_interactions(80, 30, density=0.2, seed=1)


def product(x):
    dense = x.toarray() > 0
    return dense.T.astype(np.float64) @ dense


def test_two_items_share_the_users_who_have_both():
    x = scipy.sparse.csr_matrix([[1, 1, 0], [0, 1, 1], [0, 0, 0]])
    assert gram.gram_matrix(x).tolist() == [[1, 1, 0], [1, 2, 1], [0, 1, 1]]


def test_values_do_not_count():
    x = X.copy()
    x.data[:] = 5
    np.testing.assert_array_equal(gram.gram_matrix(x), product(X))


@pytest.mark.parametrize("num_items", [1, 1024, 2500])
def test_blocks_and_tiles_of_any_number_agree_with_the_product(num_items, monkeypatch):
    # Blocks of 1 to 40 rows, tiles of 1,024.
    monkeypatch.setattr(gram, "BLOCK_ENTRIES", 40 * num_items + 7)
    x = random_interactions(50, num_items, density=0.1, seed=2)
    found = gram.gram_matrix(x)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, product(x))


def test_users_added_and_removed():
    found = gram.gram_matrix(X[:50])
    gram.add_users(found, X[50:])
    np.testing.assert_array_equal(found, product(X))
    gram.remove_users(found, X[:20])
    np.testing.assert_array_equal(found, product(X[20:]))


@pytest.mark.parametrize("num_old", [0, 29, 30])
def test_items_added(num_old, monkeypatch):
    monkeypatch.setattr(gram, "BLOCK_ENTRIES", 100)
    before = gram.gram_matrix(X[:, :num_old])
    np.testing.assert_array_equal(gram.add_items(before, X), product(X))


def test_items_kept_and_copied():
    items = np.array([7, 3, 20])
    whole = gram.gram_matrix(X)
    np.testing.assert_array_equal(gram.keep_items(whole, items), product(X[:, items]))
    duplicate = gram.copy(whole)
    assert not np.shares_memory(duplicate, whole)
    np.testing.assert_array_equal(duplicate, whole)


def test_another_number_of_items_is_refused():
    with pytest.raises(ValueError, match="x has 30 items, the Gram matrix 29"):
        gram.add_users(np.zeros((29, 29), np.float32), X)
    with pytest.raises(ValueError, match="x has 30 items, the Gram matrix 31"):
        gram.add_items(np.zeros((31, 31), np.float32), X)
