"""MovieLens, from GroupLens' own files or from tensorflow-datasets: the same table either way.

tensorflow-datasets returns the rows shuffled. Sorted by user and movie they have the order of GroupLens'
file for ML-20M and later; the older files have other orders, so the rows of both sources are sorted.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from data_prep.errors import DataError
from data_prep.raw_file import RawFile, members
from data_prep.readers import Layout, read_text
from data_prep.table import InteractionTable, TableBuilder

_LAYOUTS = {
    "ratings.csv": Layout("userId", "movieId", "rating", "timestamp"),
    "ratings.dat": Layout(
        "user",
        "movie",
        "rating",
        "timestamp",
        ":",
        ("user", "-", "movie", "--", "rating", "---", "timestamp"),
    ),
    "u.data": Layout("user", "movie", "rating", "timestamp", "\t", ("user", "movie", "rating", "timestamp")),
}


def find(place: Path) -> RawFile | None:
    """The ratings among GroupLens' files: in `place`, in a folder below it, or in the .zip as distributed."""
    if place.suffix == ".zip" or place.name.removesuffix(".gz") in _LAYOUTS:
        candidates = [place] if place.is_file() else []
    else:
        candidates = sorted([*place.glob("*"), *place.glob("*/*")])
    for path in candidates:
        if path.name.removesuffix(".gz") in _LAYOUTS:
            return RawFile(path)
    for path in candidates:
        if path.suffix == ".zip":
            for name in members(path):
                if Path(name).name in _LAYOUTS:
                    return RawFile(path, name)
    return None


def read(file: RawFile, threshold: float | None, *, timestamps: bool) -> InteractionTable:
    """The positives of `ratings.csv`, `ratings.dat` or `u.data`, in the order of user and movie."""
    layout = _LAYOUTS[file.name]
    if not timestamps:
        layout = dataclasses.replace(layout, timestamp="")
    return read_text(file, layout, threshold).sorted_by_ids()


def read_tfds(name: str, data_dir: str, threshold: float | None) -> tuple[InteractionTable, dict[str, str]]:
    """The same positives through tensorflow-datasets, which downloads them, and the movies' titles.

    Args:
        name: such as `movielens/20m-ratings`.
        data_dir: where tensorflow-datasets keeps its files.
        threshold: as for `read`.

    Raises:
        DataError: tensorflow-datasets cannot provide the dataset.
    """
    builder = TableBuilder()
    titles: dict[str, str] = {}
    for block in _tfds_blocks(name, data_dir):
        keep = slice(None) if threshold is None else block["user_rating"] > threshold
        users, movies = (block[column][keep].astype(int) for column in ("user_id", "movie_id"))
        builder.add(pa.array(users), pa.array(movies), block["timestamp"][keep].astype(float))
        titles.update(zip(map(str, movies), (t.decode() for t in block["movie_title"][keep]), strict=True))
    return builder.build(name).sorted_by_ids(), titles


def _tfds_blocks(name: str, data_dir: str) -> Iterator[dict[str, Any]]:
    import tensorflow_datasets as tfds

    try:
        dataset = tfds.load(name, split="train", data_dir=data_dir, batch_size=100_000)
    except Exception as error:
        raise DataError(f"tensorflow-datasets cannot load {name}: {str(error).splitlines()[0]}") from error
    yield from tfds.as_numpy(dataset)
