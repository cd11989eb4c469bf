"""The item-item Gram matrix G = X'X of binary interactions, in float32 and in blocks.

G_ij is the number of users who have both i and j, so float32 holds it exactly up to 2^24 users. Everything
here needs one dense [num_items, num_items] array and one block of rows beside it.
"""

import numpy as np
import scipy.sparse

# Entries of a block of rows that is made dense at a time: 64 MiB of float32.
BLOCK_ENTRIES = 2**24
# Bytes; what TensorFlow asks of the address of a tensor.
_ALIGNMENT = 64


def gram_matrix(x: scipy.sparse.csr_matrix) -> np.ndarray:
    """The number of users that each two items share.

    Args:
        x: CSR [num_users, num_items]; its values are ignored, every stored entry is a positive.

    Returns:
        X'X, float32 [num_items, num_items], symmetric, C order.

    Examples:
        >>> x = scipy.sparse.csr_matrix([[1, 1, 0], [0, 1, 1]])
        >>> gram_matrix(x).tolist()
        [[1.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 1.0]]
    """
    gram = _zeros(x.shape[1])
    add_users(gram, x)
    return gram


def add_users(gram: np.ndarray, x: scipy.sparse.csr_matrix) -> None:
    """Adds the Gram matrix of further users to `gram`, in place.

    Args:
        gram: float32 [num_items, num_items], symmetric.
        x: CSR [num_new_users, num_items].

    Raises:
        ValueError: the matrix has another number of items.
    """
    _add_scaled(gram, x, np.float32(1))


def remove_users(gram: np.ndarray, x: scipy.sparse.csr_matrix) -> None:
    """Takes the Gram matrix of some of its users out of `gram`, in place; the inverse of `add_users`."""
    _add_scaled(gram, x, np.float32(-1))


def add_items(gram: np.ndarray, x: scipy.sparse.csr_matrix) -> np.ndarray:
    """The Gram matrix of a catalogue that has grown: only the products with new items are computed.

    Args:
        gram: float32 [num_old_items, num_old_items], of the same users' first `num_old_items` columns.
        x: CSR [num_users, num_items], the old items first.

    Returns:
        X'X, float32 [num_items, num_items]; `gram` is left as it is.

    Raises:
        ValueError: the matrix has fewer items than `gram`.
    """
    num_old, num_items = len(gram), x.shape[1]
    if num_items < num_old:
        raise ValueError(f"x has {num_items} items, the Gram matrix {num_old}; x must have all of them")
    grown = _zeros(num_items)
    grown[:num_old, :num_old] = gram
    _add_rows(grown, _binary(x), np.float32(1), first=num_old)
    mirror_lower(grown)
    return grown


def keep_items(gram: np.ndarray, items: np.ndarray) -> np.ndarray:
    """The Gram matrix of a part of the items, in the order of `items`, int [num_kept]."""
    kept = _zeros(len(items))
    for row, item in enumerate(items):
        np.take(gram[item], items, out=kept[row])
    return kept


def copy(gram: np.ndarray) -> np.ndarray:
    """A copy that TensorFlow can share, as every array that this module makes, of an array or of a file's."""
    duplicate = _zeros(len(gram))
    rows = max(1, BLOCK_ENTRIES // max(1, len(gram)))
    for start in range(0, len(gram), rows):
        duplicate[start : start + rows] = gram[start : start + rows]
    return duplicate


def mirror_lower(matrix: np.ndarray) -> None:
    """Copies the lower triangle of a square matrix onto its upper triangle, in place, tile by tile."""
    size, tile = len(matrix), 1024
    for start in range(0, size, tile):
        stop = min(start + tile, size)
        diagonal = matrix[start:stop, start:stop]
        diagonal[...] = np.tril(diagonal) + np.tril(diagonal, -1).T
        matrix[start:stop, stop:] = matrix[stop:, start:stop].T


def is_aligned(array: np.ndarray) -> bool:
    """Whether TensorFlow can share this array, as it can all that this module makes."""
    return array.flags.c_contiguous and array.dtype == np.float32 and array.ctypes.data % _ALIGNMENT == 0


def _zeros(size: int) -> np.ndarray:
    """Float32 [size, size], at an address at which TensorFlow takes an array without copying it."""
    memory = np.zeros(size * size + _ALIGNMENT // 4, np.float32)
    skipped = -memory.ctypes.data % _ALIGNMENT // 4
    return memory[skipped : skipped + size * size].reshape(size, size)


def _add_scaled(gram: np.ndarray, x: scipy.sparse.csr_matrix, sign: np.float32) -> None:
    if x.shape[1] != len(gram):
        raise ValueError(f"x has {x.shape[1]} items, the Gram matrix {len(gram)}: they must agree")
    _add_rows(gram, _binary(x), sign, first=0)
    mirror_lower(gram)


def _add_rows(gram: np.ndarray, x: scipy.sparse.csr_matrix, sign: np.float32, first: int) -> None:
    """Adds sign * X'X to the rows from `first` on, of the lower triangle and of each block's own columns."""
    num_items = len(gram)
    users_of_item = x.T.tocsr()
    rows = max(1, BLOCK_ENTRIES // max(1, num_items))
    for start in range(first, num_items, rows):
        stop = min(start + rows, num_items)
        # A row of the product ends at the diagonal's block: the rest is its mirror image.
        block = users_of_item[start:stop] @ x[:, :stop] if stop < num_items else users_of_item[start:] @ x
        gram[start:stop, :stop] += sign * block.toarray()


def _binary(x: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
    """The same entries with value 1 in float32; shares the index arrays."""
    return scipy.sparse.csr_matrix((np.ones(x.nnz, np.float32), x.indices, x.indptr), shape=x.shape)
