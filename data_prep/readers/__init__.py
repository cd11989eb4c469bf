"""Files of interactions in any common form, as one table; and files of histories."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from data_prep.raw_file import RawFile
from data_prep.readers import columnar, rows
from data_prep.readers.delimited import DelimitedFile
from data_prep.readers.files import constants_of, form_of
from data_prep.readers.histories import read_histories
from data_prep.readers.json_lines import JsonLinesFile
from data_prep.readers.layout import Layout
from data_prep.table import InteractionTable, TableBuilder

__all__ = ["Layout", "read_histories", "read_table"]

_THREADS = 2
_BLOCKS_AHEAD = 3
_T = TypeVar("_T")
_R = TypeVar("_R")


def read_table(
    files: Sequence[RawFile],
    layout: Layout,
    threshold: float | None,
) -> InteractionTable:
    """The positives of files of interactions, one after the other.

    Args:
        files: delimited text, JSON lines, Parquet or Arrow, plain or compressed.
        layout: their columns.
        threshold: rows with rating > threshold are kept; None keeps every row.

    Raises:
        DataError: a file cannot be read, is empty, lacks a column, or has a value that cannot be used: the
            message gives file, line or row, column and value.
    """
    builder, forms = TableBuilder(), set[str]()
    source = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
    descriptions = []
    for file in files:
        with _open(file, layout) as (blocks, parse, describe):
            for found in _in_order(lambda raw: rows.checked(parse(raw), layout, threshold), blocks):
                rows.collect(builder, found, forms, str(file))
            descriptions.append(describe())
    table = builder.build(source, layout.timestamp_unit)
    columns = ", ".join(f"{role}s in {name!r}" for role, name in layout.names.items())
    how = " or ".join(dict.fromkeys(descriptions))
    marks = " with a decimal comma" if "comma" in forms else ""
    told = f"{source}: {builder.num_rows:,} rows, {how}; {columns}{marks}; {table.kind_of_ids}"
    return dataclasses.replace(table, description=told)


@contextlib.contextmanager
def _open(
    file: RawFile, layout: Layout
) -> Iterator[tuple[Iterator[Any], Callable[[Any], rows.Block], Callable[[], str]]]:
    form = form_of(file)
    if form in ("parquet", "arrow"):
        read = columnar.parquet_blocks if form == "parquet" else columnar.arrow_blocks
        yield read(file, layout, constants_of(file)), lambda block: block, lambda: form.capitalize()
        return
    with file.open() as stream:
        opened = (JsonLinesFile if form == "json" else DelimitedFile)(file, stream, layout)
        yield opened.text_blocks(), opened.parse, lambda: opened.description


def _in_order(work: Callable[[_T], _R], items: Iterator[_T]) -> Iterator[_R]:
    """The results of `work` in the order of the items, a few of which are worked on at a time."""
    with ThreadPoolExecutor(_THREADS) as pool:
        waiting: list[Future[_R]] = []
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > _BLOCKS_AHEAD:
                    yield waiting.pop(0).result()
            for future in waiting:
                yield future.result()
        finally:
            for future in waiting:
                future.cancel()
