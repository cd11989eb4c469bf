"""The interactions table: who liked what, as integer codes, in the order of the raw file."""

import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


@dataclasses.dataclass(frozen=True)
class InteractionTable:
    """N positive interactions in raw order.

    Attributes:
        users: int32 [N], index into `user_ids`.
        items: int32 [N], index into `item_ids`.
        user_ids: raw ids ascending: int64 where all are integers, otherwise str (lexicographic).
        item_ids: likewise.
        timestamps: float64 or int64 [N], or None where not read.
        num_duplicates: rows that repeated a (user, item) pair and were left out.
    """

    users: np.ndarray
    items: np.ndarray
    user_ids: np.ndarray
    item_ids: np.ndarray
    timestamps: np.ndarray | None = None
    num_duplicates: int = 0

    def select(self, rows: np.ndarray) -> "InteractionTable":
        """The rows of a boolean mask or an index array, in its order."""
        return dataclasses.replace(
            self,
            users=self.users[rows],
            items=self.items[rows],
            timestamps=None if self.timestamps is None else self.timestamps[rows],
        )

    def without_duplicates(self) -> "InteractionTable":
        """Each (user, item) pair once, in its first row."""
        keys = self.users.astype(np.int64) * len(self.item_ids) + self.items
        if len(pd.unique(keys)) == len(keys):
            return self
        first = ~pd.Series(keys).duplicated().to_numpy()
        return dataclasses.replace(self.select(first), num_duplicates=int((~first).sum()))

    def sorted_by_ids(self) -> "InteractionTable":
        """In the order of user id, then item id."""
        return self.select(np.lexsort((self.items, self.users)))


_LARGEST_LOOKUP = 1 << 26


def encode(chunks: list[pa.Array]) -> tuple[np.ndarray, np.ndarray]:
    """Codes and ascending ids of a column that was read in chunks.

    Args:
        chunks: integer arrays, or dictionary arrays of strings; without nulls.

    Returns:
        int32 [N] codes, and the ids that they index.
    """
    column = pa.chunked_array(chunks)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
        ids = np.asarray(column.chunk(0).dictionary.to_pylist(), dtype=object)
        codes = np.concatenate([chunk.indices.to_numpy() for chunk in column.chunks])
        return _recode_ascending(codes, ids)
    values = column.to_numpy()
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    if high - low >= _LARGEST_LOOKUP:
        ids, codes = np.unique(values, return_inverse=True)
        return codes.astype(np.int32), ids
    present = np.zeros(high - low + 1, bool)
    present[values - low] = True
    code_of = np.cumsum(present, dtype=np.int32) - 1
    return code_of[values - low], np.flatnonzero(present) + low


def _recode_ascending(codes: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    used = np.bincount(codes, minlength=len(ids)) > 0
    order = np.array(sorted(np.flatnonzero(used), key=lambda code: ids[code]), dtype=np.int64)
    code_of = np.zeros(len(ids), np.int32)
    code_of[order] = np.arange(len(order), dtype=np.int32)
    return code_of[codes], ids[order]


def dictionary_encode(column: pa.Array) -> pa.Array:
    """A chunk of ids in the form that `encode` takes: integers as int64, anything else as text."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_integer(column.type):
        return column.cast(pa.int64())
    return pc.dictionary_encode(column.cast(pa.string()))
