"""The nearest items against a dense computation."""

import numpy as np
import pytest
import scipy.sparse

from interactions import random_interactions
from multvae_tf.errors import RunError
from multvae_tf.linear import neighbours
from multvae_tf.linear.neighbours import nearest_items


def slow(x, k, shrinkage):
    gram = (x.T @ x).toarray().astype(np.float64)
    roots = np.sqrt(np.diag(gram))
    similarity = gram / (np.outer(roots, roots) + shrinkage + 1e-30)
    np.fill_diagonal(similarity, 0)
    kept = np.zeros_like(similarity)
    for item, row in enumerate(similarity):
        for other in sorted(range(len(row)), key=lambda j: (-np.float32(row[j]), j))[:k]:
            kept[item, other] = row[other]
    return kept


@pytest.mark.parametrize("block", [1, 100, 2**24])
@pytest.mark.parametrize(("k", "shrinkage"), [(1, 0.0), (5, 10.0), (1000, 3.0)])
def test_the_nearest_by_shrunk_cosine(k, shrinkage, block, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK_ENTRIES", block)
    x = random_interactions(60, 35, density=0.15, seed=1)
    found = nearest_items(x, k, shrinkage)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.toarray(), slow(x, k, shrinkage), rtol=1e-5)


def test_of_equal_neighbours_the_lower_number_is_kept():
    found = nearest_items(scipy.sparse.csr_matrix([[1, 1, 1, 1]]), k=2)
    assert found.indices.tolist() == [1, 2, 0, 2, 0, 1, 0, 1]


def test_items_without_users_have_no_neighbours():
    x = scipy.sparse.csr_matrix([[1, 0, 1], [1, 0, 0]])
    assert np.diff(nearest_items(x, k=2).indptr).tolist() == [1, 0, 1]


@pytest.mark.parametrize(("k", "shrinkage", "field"), [(0, 0.0, "k is 0"), (1, -1.0, "shrinkage is -1.0")])
def test_settings_out_of_range_are_refused(k, shrinkage, field):
    with pytest.raises(RunError, match=field):
        nearest_items(random_interactions(5, 5, 0.5, 0), k, shrinkage)
