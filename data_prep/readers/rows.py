"""Blocks of raw columns, checked and made ready for the table."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from data_prep.errors import DataError
from data_prep.layout import Layout
from data_prep.readers import cells, times
from data_prep.table import TableBuilder


@dataclasses.dataclass(frozen=True)
class Block:
    """Some rows of a source.

    Attributes:
        columns: role -> raw column [n], of those that are read.
        where: names a row, by its position in the block, in a message: 'ratings.csv, line 7'.
    """

    columns: dict[str, pa.Array]
    where: Callable[[int], str]


@dataclasses.dataclass(frozen=True)
class Rows:
    """A block whose values have been checked: ids and times as `TableBuilder.add` takes them.

    Attributes:
        users: raw ids [n].
        items: raw ids [n].
        positive: bool [n], which rows count; None means all.
        times: of the rows that count; None where they are not read.
        rating_form: how the ratings are written; '' where there are none.
    """

    users: np.ndarray | pa.Array
    items: np.ndarray | pa.Array
    positive: np.ndarray | None
    times: times.Times | None
    rating_form: str


def checked(block: Block, layout: Layout, threshold: float | None) -> Rows:
    """Reads ids, ratings and times of a block.

    Raises:
        DataError: a value cannot be used; the message has the row, the column and the value.
    """
    role = "user"
    try:
        users = cells.ids(block.columns[role])
        role = "item"
        items = cells.ids(block.columns[role])
        positive, form = None, ""
        if "rating" in block.columns:
            role = "rating"
            found = cells.ratings(block.columns[role], threshold, layout.decimal)
            positive, form = found.positive, found.form
        when = None
        if "timestamp" in block.columns:
            role = "timestamp"
            when = times.times(block.columns[role])
            if positive is not None:
                when = dataclasses.replace(when, values=when.values[positive])
    except cells.BadCellError as error:
        place = block.where(error.row) if error.row is not None else block.where(0).rpartition(",")[0]
        raise DataError(f"{place}: {layout.names[role]} {error}") from error
    return Rows(users, items, positive, when, form)


def collect(builder: TableBuilder, rows: Rows, forms: set[str], source: str) -> None:
    """Adds rows to the table, once their ratings are seen to be written as those before.

    Raises:
        DataError: ratings are both booleans and numbers, or with a point here and a comma there.
    """
    forms.add(rows.rating_form)
    if {"comma", "point"} <= forms:
        raise DataError(
            f"{source} has ratings with a decimal comma and others with a point; name one with decimal="
        )
    if "boolean" in forms and len(forms - {""}) > 1:
        raise DataError(f"{source} has ratings that are true or false and others that are numbers")
    builder.add(rows.users, rows.items, positive=rows.positive, times=rows.times)
