"""The interactions table: who liked what, as integer codes, in the order of the raw file."""

import dataclasses
import re
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_prep.errors import DataError

Ids: TypeAlias = np.ndarray | pa.DictionaryArray
_LARGEST_LOOKUP = 1 << 26
_CANONICAL_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")


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
        if np.all(keys[1:] > keys[:-1]) or len(pd.unique(keys)) == len(keys):
            return self
        first = ~pd.Series(keys).duplicated().to_numpy()
        return dataclasses.replace(self.select(first), num_duplicates=int((~first).sum()))

    def sorted_by_ids(self) -> "InteractionTable":
        """In the order of user id, then item id."""
        return self.select(np.lexsort((self.items, self.users)))


class TableBuilder:
    """Collects blocks of positives, column by column, and codes their ids at the end."""

    def __init__(self) -> None:
        self._users: list[Ids] = []
        self._items: list[Ids] = []
        self._timestamps: list[np.ndarray] = []

    def add(self, users: pa.Array, items: pa.Array, timestamps: np.ndarray | None) -> None:
        """Appends a block: raw ids, integers or text, without nulls, and the times if they are read."""
        self._users.append(_compact(users))
        self._items.append(_compact(items))
        if timestamps is not None:
            self._timestamps.append(timestamps)

    def build(self, source: str) -> InteractionTable:
        """The table of all blocks, each (user, item) pair once.

        Raises:
            DataError: there are no rows; `source` names the file.
        """
        if not sum(len(block) for block in self._users):
            raise DataError(f"{source} has no row that counts as a positive")
        users, user_ids = _encode(self._users)
        items, item_ids = _encode(self._items)
        timestamps = np.concatenate(self._timestamps) if self._timestamps else None
        return InteractionTable(users, items, user_ids, item_ids, timestamps).without_duplicates()


def _compact(column: pa.Array) -> Ids:
    """A block of ids: integers in as few bytes as they need, anything else as a dictionary of strings."""
    if not pa.types.is_integer(column.type):
        return pc.dictionary_encode(column.cast(pa.string()))
    values = column.to_numpy(zero_copy_only=False)
    fits = len(values) and np.iinfo(np.int32).min <= values.min() and values.max() <= np.iinfo(np.int32).max
    return values.astype(np.int32 if fits else np.int64)


def _encode(blocks: list[Ids]) -> tuple[np.ndarray, np.ndarray]:
    """int32 [N] codes and the ascending ids that they index; empties the list of blocks."""
    if any(isinstance(block, pa.DictionaryArray) for block in blocks):
        return _encode_text(blocks)
    values: np.ndarray = np.concatenate(blocks)
    blocks.clear()
    low, high = int(values.min()), int(values.max())
    if high - low >= _LARGEST_LOOKUP:
        ids, codes = np.unique(values, return_inverse=True)
        return codes.astype(np.int32), ids.astype(np.int64)
    values -= low
    present = np.zeros(high - low + 1, bool)
    present[values] = True
    code_of = np.cumsum(present, dtype=np.int32) - 1
    return code_of[values], np.flatnonzero(present) + low


def _encode_text(blocks: list[Ids]) -> tuple[np.ndarray, np.ndarray]:
    """Text ids ascend as text, unless each of them is an integer as Python would write it."""
    column = pa.chunked_array(
        [
            b if isinstance(b, pa.DictionaryArray) else pc.dictionary_encode(pa.array(b).cast(pa.string()))
            for b in blocks
        ]
    ).unify_dictionaries()
    blocks.clear()
    ids = column.chunk(0).dictionary.to_pylist()
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in column.chunks])
    as_integers = _integers(ids)
    ascending = np.array(sorted(range(len(ids)), key=(as_integers or ids).__getitem__), np.int64)
    code_of = np.empty(len(ids), np.int32)
    code_of[ascending] = np.arange(len(ids), dtype=np.int32)
    ids_array = np.array(ids, object) if as_integers is None else np.array(as_integers, np.int64)
    return code_of[codes], ids_array[ascending]


def _integers(ids: list[str]) -> list[int] | None:
    """The ids as integers, or None if one of them is not canonical (`007`, `1.0`, `abc`)."""
    if not all(_CANONICAL_INTEGER.fullmatch(text) for text in ids):
        return None
    return [int(text) for text in ids]
