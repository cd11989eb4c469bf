"""The interactions table: who liked what, as integer codes, in the order of the raw file."""

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow as pa

from data_prep.codes import IdColumn
from data_prep.errors import DataError
from data_prep.readers.times import Times, joined


@dataclasses.dataclass(frozen=True)
class InteractionTable:
    """N positive interactions in raw order, each (user, item) pair once.

    Attributes:
        users: int32 [N], index into `user_ids`.
        items: int32 [N], index into `item_ids`.
        user_ids: raw ids, string, ascending: as numbers where each of the column is an integer as Python
            would write it, otherwise byte by byte. Rows that do not count may have ids that no positive has.
        item_ids: likewise.
        timestamps: float64 or int64 [N], or None where not read.
        num_duplicates: rows that repeated a (user, item) pair and were left out.
        num_contradictions: pairs of which one row counts and another does not.
        integer_ids: whether the user ids and the item ids are integers.
        are_instants: whether the timestamps are nanoseconds since 1970.
        description: what was read and how, in a line for a person.

    Examples:
        >>> table = data_prep.readers.read_table([RawFile(Path("ratings.csv"))], Layout(rating="rating"), 3.5)
        >>> table.user_ids.take(pa.array(table.users))
    """

    users: np.ndarray
    items: np.ndarray
    user_ids: pa.StringArray
    item_ids: pa.StringArray
    timestamps: np.ndarray | None = None
    num_duplicates: int = 0
    num_contradictions: int = 0
    integer_ids: tuple[bool, bool] = (False, False)
    are_instants: bool = False
    description: str = ""

    def select(self, rows: np.ndarray) -> "InteractionTable":
        """The rows of a boolean mask or an index array, in its order."""
        return dataclasses.replace(
            self,
            users=self.users[rows],
            items=self.items[rows],
            timestamps=None if self.timestamps is None else self.timestamps[rows],
        )

    def sorted_by_ids(self) -> "InteractionTable":
        """In the order of user id, then item id."""
        keys = self.users.astype(np.int64) * len(self.item_ids) + self.items
        return self if np.all(keys[1:] >= keys[:-1]) else self.select(np.lexsort((self.items, self.users)))

    @property
    def kind_of_ids(self) -> str:
        """What the ids are, as it is told to a person."""
        order = {True: "integers, in the order of numbers", False: "text, in the order of their bytes"}
        users, items = (order[are_integers] for are_integers in self.integer_ids)
        return f"user ids are {users}; item ids are {items.partition(',')[0]}"


class TableBuilder:
    """Collects blocks of rows, column by column, and codes their ids at the end.

    Examples:
        >>> builder = TableBuilder()
        >>> builder.add(np.array([7, 7]), pa.array(["a", "b"]), positive=np.array([True, False]))
        >>> builder.build("two rows").item_ids
    """

    def __init__(self) -> None:
        self._users, self._items = IdColumn(), IdColumn()
        self._positive: list[np.ndarray] = []
        self._times: list[Times] = []
        self.num_rows = 0

    def add(
        self,
        users: np.ndarray | pa.Array,
        items: np.ndarray | pa.Array,
        *,
        positive: np.ndarray | None = None,
        times: Times | None = None,
    ) -> None:
        """Appends a block.

        Args:
            users: raw ids, integers or string [n], without nulls.
            items: likewise.
            positive: bool [n], which rows count; None means all.
            times: of the rows that count, if they are read.
        """
        self._users.add(users)
        self._items.add(items)
        self._positive.append(np.ones(len(users), bool) if positive is None else positive)
        self.num_rows += len(users)
        if times is not None:
            self._times.append(times)

    def build(self, source: str, timestamp_unit: str | None = None) -> InteractionTable:
        """The table of all blocks, each (user, item) pair once, in the row of its first time.

        Args:
            source: names the file in messages.
            timestamp_unit: of times that are numbers; None finds it.

        Raises:
            DataError: there is no row that counts.
        """
        positive = np.concatenate(self._positive) if self._positive else np.zeros(0, bool)
        if not positive.any():
            what = "no row that counts as a positive" if self.num_rows else "no row"
            raise DataError(f"{source} has {what}")
        with ThreadPoolExecutor(2) as pool:
            users, items = pool.map(IdColumn.finish, (self._users, self._items))
        keys = users.codes.astype(np.int64) * len(items.ids)
        keys += items.codes
        table = InteractionTable(
            users.codes[positive],
            items.codes[positive],
            users.ids,
            items.ids,
            joined(self._times, timestamp_unit, source) if self._times else None,
            integer_ids=(users.are_integers, items.are_integers),
            are_instants=any(block.are_instants for block in self._times),
        )
        if np.all(keys[1:] > keys[:-1]):
            return table
        contradictions = _num_common(keys[positive], keys[~positive])
        return dataclasses.replace(
            _without_duplicates(table, keys[positive]), num_contradictions=contradictions
        )


def appended(tables: Sequence[InteractionTable], source: str, timestamp_unit: str | None) -> InteractionTable:
    """Tables one after the other, each pair once.

    Args:
        tables: the old interactions first.
        source: what they are called in messages.
        timestamp_unit: of times that are numbers; None finds it.

    Raises:
        DataError: some have times in numbers of one unit, others of another.
    """
    builder = TableBuilder()
    for table in tables:
        builder.add(
            table.user_ids.take(pa.array(table.users)),
            table.item_ids.take(pa.array(table.items)),
            times=None if table.timestamps is None else Times(table.timestamps, table.are_instants),
        )
    joint = builder.build(source, timestamp_unit)
    return dataclasses.replace(
        joint,
        num_duplicates=joint.num_duplicates + sum(table.num_duplicates for table in tables),
        num_contradictions=sum(table.num_contradictions for table in tables),
        description="; then ".join(table.description for table in tables),
    )


def _num_common(some: np.ndarray, others: np.ndarray) -> int:
    """How many different keys are in both."""
    if not len(others):
        return 0
    some, others = np.sort(some), np.sort(others)  # looking sorted keys up takes a tenth of the time
    place = np.minimum(np.searchsorted(others, some), len(others) - 1)
    common = some[others[place] == some]
    return int(np.count_nonzero(np.diff(common))) + 1 if len(common) else 0


def _without_duplicates(table: InteractionTable, keys: np.ndarray) -> InteractionTable:
    """Each pair in its first row, by time where there are times."""
    repeated = pd.Series(keys).duplicated().to_numpy()
    if not repeated.any():
        return table
    if table.timestamps is not None:
        order = np.lexsort((table.timestamps, keys))
        repeated = np.ones(len(keys), bool)
        repeated[order[np.flatnonzero(np.diff(keys[order], prepend=-1))]] = False
    return dataclasses.replace(table.select(~repeated), num_duplicates=int(repeated.sum()))
