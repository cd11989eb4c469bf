"""Generated interactions of the papers' full size, to measure with; nothing can be learned from them.

Items are popular by a power law, the users' numbers of items are log-normal.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse

from data_prep.files import write_file

_POPULARITY_EXPONENT = 0.8
_SIGMA_OF_LOG_ITEMS = 1.0
_ROWS_AT_A_TIME = 1_000_000


@dataclasses.dataclass(frozen=True)
class Shape:
    """Sizes of a dataset.

    Attributes:
        num_users: training users.
        num_items: of the catalogue.
        num_interactions: of the training users, about.
    """

    num_users: int
    num_items: int
    num_interactions: int


SHAPES = {
    "tiny": Shape(2_000, 1_000, 100_000),
    "ml20m": Shape(116_677, 20_108, 8_500_000),
    "netflix": Shape(383_435, 17_769, 47_000_000),
    "msd": Shape(471_355, 41_140, 27_700_000),
    "1m_items": Shape(100_000, 1_000_000, 8_500_000),
}


def interactions(shape: Shape, seed: int) -> scipy.sparse.csr_matrix:
    """Float32 CSR [num_users, num_items] of ones; a few less than asked for, as repetitions fall out."""
    random = np.random.default_rng(seed)
    lengths = _row_lengths(shape.num_users, shape.num_interactions, shape.num_items, random)
    users = np.repeat(np.arange(shape.num_users, dtype=np.int64), lengths)
    keys = users * shape.num_items + _popular_items(len(users), shape.num_items, random)
    del users
    keys.sort()
    keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
    indices = (keys % shape.num_items).astype(np.int32)
    row_ends = np.searchsorted(keys, np.arange(1, shape.num_users + 1) * shape.num_items)
    indptr = np.concatenate([[0], row_ends])
    return scipy.sparse.csr_matrix(
        (np.ones(len(indices), np.float32), indices, indptr), shape=(shape.num_users, shape.num_items)
    )


def _row_lengths(num_users: int, total: int, longest: int, random: np.random.Generator) -> np.ndarray:
    weights = np.exp(_SIGMA_OF_LOG_ITEMS * random.standard_normal(num_users))
    return np.clip(weights * (total / weights.sum()), 5, longest // 2).astype(np.int64)


def _popular_items(size: int, num_items: int, random: np.random.Generator) -> np.ndarray:
    """Item numbers, drawn with replacement; popularity does not follow the numbers."""
    cumulative = np.cumsum(np.arange(1, num_items + 1) ** -_POPULARITY_EXPONENT)
    ranks = np.searchsorted(cumulative, random.random(size) * cumulative[-1])
    return random.permutation(num_items)[ranks]


def write_ratings_csv(path: Path, num_rows: int, num_users: int, num_items: int, seed: int) -> None:
    """A CSV in the form of MovieLens, sorted by user and movie; about half the ratings are above 3.5."""
    matrix = interactions(Shape(num_users, num_items, num_rows), seed)
    random = np.random.default_rng(seed + 1)
    ratings = np.arange(0.5, 5.5, 0.5)
    probabilities = np.array([0.012, 0.034, 0.014, 0.071, 0.044, 0.214, 0.110, 0.282, 0.079, 0.149])

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8") as file:
            file.write("userId,movieId,rating,timestamp\n")
            users = np.repeat(np.arange(1, num_users + 1, dtype=np.int32), np.diff(matrix.indptr))
            for start in range(0, matrix.nnz, _ROWS_AT_A_TIME):
                rows = slice(start, start + _ROWS_AT_A_TIME)
                count = len(users[rows])
                frame = pd.DataFrame(
                    {
                        "userId": users[rows],
                        "movieId": matrix.indices[rows] + 1,
                        "rating": random.choice(ratings, count, p=probabilities / probabilities.sum()),
                        "timestamp": random.integers(789_652_009, 1_427_784_002, count),
                    }
                )
                frame.to_csv(file, index=False, header=False, lineterminator="\n")

    write_file(path, write)


def stored_interactions(shape_name: str, seed: int, folder: Path) -> Path:
    """The .npz of `interactions` of a shape by name, generated if it is not in the folder yet."""
    path = folder / f"{shape_name}-{seed}.npz"
    if not path.exists():
        matrix = interactions(SHAPES[shape_name], seed)
        write_file(path, lambda temporary: scipy.sparse.save_npz(temporary, matrix, compressed=False))
    return path
