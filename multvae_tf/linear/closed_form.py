"""The item-item weights of EASE, EDLAE and RDLAE from a Gram matrix, by one Cholesky factorisation in place.

All three are one formula. With the penalty L_j = lambda + p / (1 - p) G_jj and P = (G + diag(L))^-1,

    B = I - P diag(c),    c_j = max(L_j, (1 - xi) / P_jj),

so that B_jj <= xi: EASE has p = xi = 0, EDLAE has xi = 0 (there c_j = 1 / P_jj and B_jj = 0).
"""

import math

import numpy as np
import scipy.linalg.lapack

from multvae_tf.errors import RunError, check
from multvae_tf.linear.gram import mirror_lower


def solve_in_place(
    gram: np.ndarray, l2: float, dropout_rate: float = 0.0, max_self_weight: float = 0.0
) -> np.ndarray:
    """Turns a Gram matrix into item-item weights, in its own memory.

    Args:
        gram: G, float32 or float64 [num_items, num_items], symmetric, in C order; it is overwritten.
        l2: lambda, the penalty of the squared weights.
        dropout_rate: p, the share of a user's items that training hides (EDLAE); 0 for EASE.
        max_self_weight: xi, the largest weight that an item may give to itself (RDLAE); 0 for EASE and EDLAE.

    Returns:
        B, the same array: scores are x B.

    Raises:
        RunError: a setting is out of its range, or G + diag(L) is not positive definite.

    Examples:
        >>> gram = np.array([[1.0, 1.0], [1.0, 2.0]], np.float32)
        >>> print(solve_in_place(gram, l2=1.0).round(2))
        [[0.   0.5 ]
         [0.33 0.  ]]

    Deviations: in float32, where the reference programs invert in float64.

    References:
        EASE: Steck 2019 (arXiv 1905.03375), eq. 8. EDLAE: Steck 2020 (NeurIPS), Autoencoders that don't
        overfit towards the identity. RDLAE: Moon, Kim and Lee 2023 (SIGIR, arXiv 2305.12922).
    """
    check_settings(l2, dropout_rate, max_self_weight)
    diagonal = np.einsum("ii->i", gram)  # A view that can be written.
    penalty = (l2 + dropout_rate / (1 - dropout_rate) * diagonal).astype(gram.dtype)
    diagonal += penalty
    _invert_in_place(gram, l2)
    scale = np.maximum(penalty, (1 - max_self_weight) / diagonal)
    self_weights = np.minimum(1 - penalty * diagonal, max_self_weight)
    gram *= -scale
    diagonal[...] = self_weights
    return gram


def check_settings(l2: float, dropout_rate: float, max_self_weight: float) -> None:
    """Raises an error that names the first of the settings of `solve_in_place` that is out of its range."""
    check(0 <= l2 < math.inf, "l2", l2, "0 or more")
    check(0 <= dropout_rate < 1, "dropout_rate", dropout_rate, "at least 0 and less than 1")
    check(0 <= max_self_weight <= 1, "max_self_weight", max_self_weight, "from 0 to 1")


def _invert_in_place(matrix: np.ndarray, l2: float) -> None:
    """The inverse of a symmetric positive definite matrix, by LAPACK's potrf and potri, without a copy."""
    single = matrix.dtype == np.float32
    factorize = scipy.linalg.lapack.spotrf if single else scipy.linalg.lapack.dpotrf
    invert = scipy.linalg.lapack.spotri if single else scipy.linalg.lapack.dpotri
    # A symmetric matrix in C order is its own transpose in Fortran order, which LAPACK takes without a copy;
    # its upper triangle there is the lower one here.
    factor, failed_at = factorize(matrix.T, lower=0, clean=0, overwrite_a=1)
    if not failed_at:
        inverse, failed_at = invert(factor, lower=0, overwrite_c=1)
    if failed_at:
        raise RunError(
            f"l2 is {l2}; it is too small for this data: the Gram matrix with it is not positive definite "
            f"at item number {failed_at - 1}; use a larger l2"
        )
    if not np.shares_memory(inverse, matrix):
        matrix[...] = inverse.T
    mirror_lower(matrix)
