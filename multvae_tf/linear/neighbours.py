"""The most similar items of each item, by the cosine of their users, as a sparse matrix."""

import itertools

import numpy as np
import scipy.sparse

from multvae_tf.errors import check

# Entries of the product that is made at a time, about: 8 bytes each.
BLOCK_ENTRIES = 2**24


def nearest_items(x: scipy.sparse.csr_matrix, k: int, shrinkage: float = 0.0) -> scipy.sparse.csr_matrix:
    """For each item the k others with the largest s_ij = G_ij / (sqrt(n_i n_j) + shrinkage).

    G_ij is the number of users who have both items, n_i that of item i. Nothing of size num_items^2 is made.

    Args:
        x: CSR [num_users, num_items]; its values are ignored.
        k: neighbours of an item; those without a common user do not count as neighbours.
        shrinkage: lowers the similarity of items that share few users.

    Returns:
        CSR float32 [num_items, num_items]; row i holds the neighbours of item i, ascending. Of equal
        similarities the lower item number is kept.

    Raises:
        RunError: k or the shrinkage is out of its range.

    Examples:
        >>> x = scipy.sparse.csr_matrix([[1, 1, 0], [0, 1, 1], [0, 1, 1]])
        >>> print(nearest_items(x, k=1).toarray().round(2))
        [[0.   0.58 0.  ]
         [0.   0.   0.82]
         [0.   0.82 0.  ]]
    """
    check(k >= 1, "k", k, "at least 1")
    check(shrinkage >= 0, "shrinkage", shrinkage, "0 or more")
    x = scipy.sparse.csr_matrix((np.ones(x.nnz, np.float32), x.indices, x.indptr), shape=x.shape)
    users_of_item = x.T.tocsr()
    root_counts = np.sqrt(np.diff(users_of_item.indptr)).astype(np.float32)
    blocks = [
        _nearest(users_of_item[start:stop] @ x, start, root_counts, k, shrinkage)
        for start, stop in _blocks(users_of_item, np.diff(x.indptr))
    ]
    return scipy.sparse.vstack([*blocks, scipy.sparse.csr_matrix((0, x.shape[1]), dtype=np.float32)], "csr")


def _blocks(users_of_item: scipy.sparse.csr_matrix, row_lengths: np.ndarray) -> list[tuple[int, int]]:
    """Runs of items, [start, stop), whose products with all items have at most about `BLOCK_ENTRIES`."""
    num_items = users_of_item.shape[0]
    lengths_before = np.concatenate([[0], np.cumsum(row_lengths[users_of_item.indices], dtype=np.int64)])
    products = np.minimum(np.diff(lengths_before[users_of_item.indptr]), num_items)
    ends = np.cumsum(products)
    starts = [0]
    while starts[-1] < num_items:
        done = ends[starts[-1] - 1] if starts[-1] else 0
        starts.append(max(starts[-1] + 1, int(np.searchsorted(ends, done + BLOCK_ENTRIES, side="right"))))
    return list(itertools.pairwise(starts))


def _nearest(
    shared: scipy.sparse.csr_matrix, first: int, root_counts: np.ndarray, k: int, shrinkage: float
) -> scipy.sparse.csr_matrix:
    """The k nearest of each row of `shared`, the numbers of common users of items from `first` on."""
    shared.sort_indices()
    indices, values, lengths = [], [], []
    for row, (start, stop) in enumerate(zip(shared.indptr[:-1], shared.indptr[1:], strict=True)):
        items, similarity = shared.indices[start:stop], shared.data[start:stop]
        others = items != first + row
        items, similarity = items[others], similarity[others]
        similarity = similarity / (root_counts[first + row] * root_counts[items] + np.float32(shrinkage))
        kept = _largest(similarity, k)
        indices.append(items[kept])
        values.append(similarity[kept])
        lengths.append(len(kept))
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return scipy.sparse.csr_matrix(
        (np.concatenate(values), np.concatenate(indices), indptr), shape=shared.shape, dtype=np.float32
    )


def _largest(values: np.ndarray, k: int) -> np.ndarray:
    """The positions of the k largest values, ascending; the first of equal ones."""
    if len(values) <= k:
        return np.arange(len(values))
    least = np.partition(values, -k)[-k]
    above, equal = np.flatnonzero(values > least), np.flatnonzero(values == least)
    return np.sort(np.concatenate([above, equal[: k - len(above)]]))
