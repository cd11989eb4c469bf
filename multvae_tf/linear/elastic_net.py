"""SLIM's sparse item-item weights: a non-negative elastic net for each item, on the Gram matrix."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse

from multvae_tf.errors import RunError, check


def elastic_net_weights(
    gram: np.ndarray,
    l1: float,
    l2: float,
    neighbours: scipy.sparse.csr_matrix | None = None,
    tolerance: float = 1e-4,
    progress: Callable[[int], Any] = lambda item: None,
) -> scipy.sparse.csr_matrix:
    """W >= 0 with diag(W) = 0 that minimises 1/2 ||X - X W||^2 + l2/2 ||W||^2 + l1 sum W, item by item.

    X enters by its Gram matrix G alone: column w of W, for the item j, minimises
    w'G w / 2 - G_j'w + l2/2 ||w||^2 + l1 sum w, by coordinate descent (scikit-learn).

    Args:
        gram: G, float32 or float64 [num_items, num_items]; each of its rows is changed and put back.
        l1: beta of the paper's |W|_1 term, which makes W sparse.
        l2: lambda of the paper's ||W||^2 / 2 term.
        neighbours: CSR [num_items, num_items]; row j holds the items that may have a weight for j
            (fsSLIM in the paper). None: all others.
        tolerance: of the duality gap, relative to G_jj.
        progress: called with each item number before it is solved.

    Returns:
        W, CSR float32 [num_items, num_items]: scores are x W.

    Raises:
        RunError: a setting is out of its range, or scikit-learn is not installed.

    References:
        Ning and Karypis 2011 (ICDM), SLIM: Sparse Linear Methods for Top-N Recommender Systems, eq. 3 and 4.
    """
    check_penalties(l1, l2)
    solve = _solver(l1, l2, tolerance)
    columns = []
    for item in range(len(gram)):
        progress(item)
        if neighbours is None:
            candidates, weights = np.arange(len(gram)), _without_item(gram, item, solve)
        else:
            candidates = neighbours.indices[neighbours.indptr[item] : neighbours.indptr[item + 1]]
            part = gram[np.ix_(candidates, candidates)]
            weights = solve(part, gram[item, candidates], gram[item, item])
        kept = np.flatnonzero(weights)
        columns.append((candidates[kept], weights[kept]))
    return _from_columns(columns)


def check_penalties(l1: float, l2: float) -> None:
    """Raises an error that names the penalty that is out of its range."""
    check(0 < l1 < math.inf, "l1", l1, "above 0")
    check(0 <= l2 < math.inf, "l2", l2, "0 or more")


def _without_item(gram: np.ndarray, item: int, solve: Callable[..., np.ndarray]) -> np.ndarray:
    """The weights of all other items for one; its own row and column are 0 meanwhile, so that it has none."""
    row = gram[item].copy()
    gram[item] = gram[:, item] = 0
    products = row.copy()
    products[item] = 0
    try:
        return solve(gram, products, row[item])
    finally:
        gram[item] = gram[:, item] = row


def _solver(l1: float, l2: float, tolerance: float) -> Callable[..., np.ndarray]:
    try:
        from sklearn.linear_model import enet_path
    except ImportError:
        raise RunError("SLIM needs scikit-learn: pip install 'multvae-tf[linear]'") from None

    def solve(gram: np.ndarray, products: np.ndarray, square: np.floating) -> np.ndarray:
        if not products.any():
            return np.zeros_like(products)
        # Of X and y the solver uses the number of rows and y'y alone, when it is given their products.
        _, weights, _ = enet_path(
            np.zeros((1, len(gram)), gram.dtype, order="F"),
            np.sqrt(square)[np.newaxis],
            precompute=gram,
            Xy=products,
            alphas=[l1 + l2],
            l1_ratio=l1 / (l1 + l2),
            positive=True,
            check_input=False,
            tol=tolerance,
            max_iter=10_000,
        )
        return weights[:, 0]

    return solve


def _from_columns(columns: list[tuple[np.ndarray, np.ndarray]]) -> scipy.sparse.csr_matrix:
    """CSR of a square matrix given by the row numbers and values of each of its columns."""
    num_items = len(columns)
    indptr = np.concatenate([[0], np.cumsum([len(rows) for rows, _ in columns])])
    rows = np.concatenate([rows for rows, _ in columns])
    values = np.concatenate([values for _, values in columns]).astype(np.float32)
    return scipy.sparse.csc_matrix((values, rows, indptr), shape=(num_items, num_items)).tocsr()
