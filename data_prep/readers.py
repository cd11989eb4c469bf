"""Text and Parquet files of ratings, read block by block: of each block only the positives are kept."""

import csv
import dataclasses
import io
import math
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from tqdm import tqdm

from data_prep.errors import DataError
from data_prep.raw_file import RawFile, only_member
from data_prep.table import InteractionTable, TableBuilder

_BLOCK_BYTES = 8 << 20
TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".data")
PARQUET_SUFFIXES = (".parquet", ".pq")


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the columns are.

    Attributes:
        user: name of the column of user ids.
        item: name of the column of item ids.
        rating: name of the column of ratings; '' if there is none.
        timestamp: name of the column of times, any number that grows; '' if it is not to be read.
        delimiter: one character.
        column_names: of a file without a header; None where the first line is the header.
    """

    user: str
    item: str
    rating: str = ""
    timestamp: str = ""
    delimiter: str = ","
    column_names: tuple[str, ...] | None = None

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        return [name for name in (self.user, self.item, self.rating, self.timestamp) if name]


def read_table(path: Path, layout: Layout, threshold: float | None) -> InteractionTable:
    """The positives of a CSV or Parquet file, plain, .gz or .zip.

    Raises:
        DataError: the file cannot be read, is empty, lacks a column or holds a value that is no number.
    """
    file = only_member(path, TEXT_SUFFIXES + PARQUET_SUFFIXES)
    if file.name.endswith(PARQUET_SUFFIXES):
        return read_parquet(file, layout, threshold)
    if file.name.endswith(".tsv") and layout.delimiter == ",":
        layout = dataclasses.replace(layout, delimiter="\t")
    return read_text(file, layout, threshold)


def read_text(file: RawFile, layout: Layout, threshold: float | None) -> InteractionTable:
    """The positives of a delimited text file, in its order.

    Args:
        file: UTF-8 text.
        layout: its columns.
        threshold: rows with rating > threshold are kept; None keeps every row.

    Raises:
        DataError: the file cannot be read, is empty, lacks a column, or has a line whose rating or timestamp
            is no number or whose ids are empty: the message gives file, line, column and value.
    """
    _require_columns(file, layout.columns, _header(file, layout))
    try:
        return _read_blocks(file, layout, threshold, id_type=None)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass  # A column of ids that began with numbers goes on with text, or there is a bad line.
    try:
        return _read_blocks(file, layout, threshold, id_type=pa.string())
    except pa.ArrowInvalid as error:
        _explain(file, layout)
        raise DataError(f"{file} is not well-formed: {error}") from error


def read_parquet(file: RawFile, layout: Layout, threshold: float | None) -> InteractionTable:
    """As `read_text`, of a Parquet file; a message about a bad value gives the number of its row."""
    try:
        with file.open() as stream:
            seekable = io.BytesIO(stream.read()) if file.member else str(file.path)
        parquet = pa.parquet.ParquetFile(seekable)
    except pa.ArrowInvalid as error:
        raise DataError(f"{file} is not a Parquet file, or truncated: {error}") from error
    _require_columns(file, layout.columns, parquet.schema_arrow.names)
    builder, rows = TableBuilder(), 0
    with tqdm(total=parquet.metadata.num_rows, desc=f"Reading {file.name}", unit="rows", delay=2) as bar:
        for block in parquet.iter_batches(columns=layout.columns):
            problem = _add_block(builder, block, layout, threshold)
            if problem:
                column, row = problem
                value = block.column(column)[row].as_py()
                raise DataError(f"{file}, row {rows + row + 1}: {_bad_value(column, value, layout)}")
            rows += block.num_rows
            bar.update(block.num_rows)
    return builder.build(str(file))


def _read_blocks(
    file: RawFile, layout: Layout, threshold: float | None, id_type: pa.DataType | None
) -> InteractionTable:
    types = {name: pa.float64() for name in (layout.rating, layout.timestamp) if name}
    if id_type is not None:
        types |= dict.fromkeys((layout.user, layout.item), id_type)
    builder = TableBuilder()
    with file.open() as stream:
        blocks = pa.csv.open_csv(
            pa.PythonFile(stream, mode="r"),
            read_options=pa.csv.ReadOptions(block_size=_BLOCK_BYTES, column_names=layout.column_names),
            parse_options=pa.csv.ParseOptions(delimiter=layout.delimiter),
            convert_options=pa.csv.ConvertOptions(
                include_columns=layout.columns, column_types=types, null_values=[""], strings_can_be_null=True
            ),
        )
        for block in blocks:
            if _add_block(builder, block, layout, threshold):
                _explain(file, layout)
    return builder.build(str(file))


def _add_block(
    builder: TableBuilder, block: pa.RecordBatch, layout: Layout, threshold: float | None
) -> tuple[str, int] | None:
    """Keeps the block's positives; returns column and row of a bad value instead, if there is one."""
    for name in layout.columns:
        column = block.column(name)
        is_number = name in (layout.rating, layout.timestamp)
        if is_number and not pa.types.is_floating(column.type):
            try:
                column = column.cast(pa.float64())
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                return name, next(i for i, v in enumerate(column.to_pylist()) if not _is_number(v))
        bad = pc.fill_null(pc.invert(pc.is_finite(column)), True) if is_number else pc.is_null(column)
        if pc.any(bad).as_py():
            return name, pc.index(bad, True).as_py()
    if layout.rating and threshold is not None:
        block = block.filter(pc.greater(block.column(layout.rating), threshold))
    times = block.column(layout.timestamp).to_numpy() if layout.timestamp else None
    builder.add(block.column(layout.user), block.column(layout.item), times)
    return None


def _header(file: RawFile, layout: Layout) -> list[str]:
    if layout.column_names is not None:
        return list(layout.column_names)
    for _, row in _lines(file, layout):
        return row
    raise DataError(f"{file} is empty")


def _require_columns(file: RawFile, needed: list[str], present: list[str]) -> None:
    for name in needed:
        if name not in present:
            raise DataError(f"{file} has no column {name!r}; its columns are {', '.join(present)}")


def _lines(file: RawFile, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """The rows of a text file with the numbers of their lines; the first is the header, if it has one."""
    with file.open() as stream:
        text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
        reader = csv.reader(text, delimiter=layout.delimiter)
        for row in reader:
            yield reader.line_num, row


def _explain(file: RawFile, layout: Layout) -> None:
    """Finds the first bad line, slowly, after the fast reader has refused the file.

    Raises:
        DataError: it has been found: always, unless the fast reader is stricter than Python's.
    """
    lines = _lines(file, layout)
    header = list(layout.column_names) if layout.column_names is not None else next(lines)[1]
    position = {name: header.index(name) for name in layout.columns}
    for number, row in lines:
        if not row:
            continue
        if len(row) != len(header):
            raise DataError(f"{file}, line {number} has {len(row)} columns, not {len(header)}")
        for name, index in position.items():
            value = row[index]
            good = _is_number(value) if name in (layout.rating, layout.timestamp) else value != ""
            if not good or (not value.isprintable() and "\udc80" <= max(value) <= "\udcff"):
                raise DataError(f"{file}, line {number}: {_bad_value(name, value, layout)}")


def _bad_value(column: str, value: object, layout: Layout) -> str:
    shown = "empty" if value in ("", None) else repr(value)
    if column in (layout.rating, layout.timestamp):
        return f"{column} is {shown}; it must be a finite number"
    return f"{column} is {shown}; it must be an id in UTF-8"


def _is_number(value: object) -> bool:
    try:
        return math.isfinite(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
