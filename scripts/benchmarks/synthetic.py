"""Generated interactions of the papers' full size, to measure with; nothing can be learned from them.

Items are popular by a power law, the users' numbers of items are log-normal.
"""

import dataclasses
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
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
    write_file(path, lambda temporary: _write_ratings(temporary, num_rows, num_users, num_items, seed))


def write_movielens_archive(path: Path, num_rows: int, num_users: int, num_items: int, seed: int) -> None:
    """A .zip as GroupLens has it, with exactly so many ratings and a title for every movie."""
    folder = path.name.removesuffix(".zip")

    def write(temporary: Path) -> None:
        ratings, movies = temporary.with_suffix(".ratings"), temporary.with_suffix(".movies")
        try:
            # Repetitions fall out, so more are drawn than needed, and those that are too many are cut off.
            _write_ratings(ratings, int(num_rows * 1.35), num_users, num_items, seed, at_most=num_rows)
            titles = (f"{number},Film {number} (1995),Drama\n" for number in range(1, num_items + 1))
            movies.write_text("movieId,title,genres\n" + "".join(titles), encoding="utf-8")
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.write(ratings, f"{folder}/ratings.csv")
                archive.write(movies, f"{folder}/movies.csv")
        finally:
            ratings.unlink(missing_ok=True)
            movies.unlink(missing_ok=True)

    write_file(path, write)


def _write_ratings(
    path: Path, num_rows: int, num_users: int, num_items: int, seed: int, at_most: int | None = None
) -> None:
    matrix = interactions(Shape(num_users, num_items, num_rows), seed)
    count = matrix.nnz if at_most is None else min(matrix.nnz, at_most)
    random = np.random.default_rng(seed + 1)
    ratings = np.arange(0.5, 5.5, 0.5)
    probabilities = np.array([0.012, 0.034, 0.014, 0.071, 0.044, 0.214, 0.110, 0.282, 0.079, 0.149])
    users = np.repeat(np.arange(1, num_users + 1, dtype=np.int32), np.diff(matrix.indptr))
    with path.open("w", encoding="utf-8") as file:
        file.write("userId,movieId,rating,timestamp\n")
        for start in range(0, count, _ROWS_AT_A_TIME):
            rows = slice(start, min(start + _ROWS_AT_A_TIME, count))
            size = len(users[rows])
            frame = pd.DataFrame(
                {
                    "userId": users[rows],
                    "movieId": matrix.indices[rows] + 1,
                    "rating": random.choice(ratings, size, p=probabilities / probabilities.sum()),
                    "timestamp": random.integers(789_652_009, 1_427_784_002, size),
                }
            )
            frame.to_csv(file, index=False, header=False, lineterminator="\n")


def write_uuid_csv(path: Path, num_rows: int, num_users: int, num_items: int, seed: int) -> None:
    """A CSV whose ids are UUIDs, in no order: users drawn evenly, items by a power law, ratings 1 to 5."""
    random = np.random.default_rng(seed)
    users, items = (_uuids(random, count) for count in (num_users, num_items))
    popular = np.cumsum(np.arange(1, num_items + 1) ** -_POPULARITY_EXPONENT)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.write(b"userId,movieId,rating\n")
            for start in range(0, num_rows, _ROWS_AT_A_TIME):
                size = min(_ROWS_AT_A_TIME, num_rows - start)
                table = pa.table(
                    {
                        "userId": users.take(pa.array(random.integers(0, num_users, size))),
                        "movieId": items.take(
                            pa.array(np.searchsorted(popular, random.random(size) * popular[-1]))
                        ),
                        "rating": random.integers(1, 6, size),
                    }
                )
                options = pa.csv.WriteOptions(include_header=False, quoting_style="none")
                pa.csv.write_csv(table, file, options)

    write_file(path, write)


def _uuids(random: np.random.Generator, count: int) -> pa.StringArray:
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)[random.integers(0, 16, (count, 36))]
    digits[:, [8, 13, 18, 23]] = ord("-")
    flat = pa.FixedSizeBinaryArray.from_buffers(pa.binary(36), count, [None, pa.py_buffer(digits.tobytes())])
    return flat.cast(pa.binary()).cast(pa.string())


def stored_interactions(shape_name: str, seed: int, folder: Path) -> Path:
    """The .npz of `interactions` of a shape by name, generated if it is not in the folder yet."""
    path = folder / f"{shape_name}-{seed}.npz"
    if not path.exists():
        matrix = interactions(SHAPES[shape_name], seed)
        write_file(path, lambda temporary: scipy.sparse.save_npz(temporary, matrix, compressed=False))
    return path
