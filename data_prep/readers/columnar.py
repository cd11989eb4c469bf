"""Parquet and Arrow files, batch by batch."""

import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
from tqdm import tqdm

from data_prep.errors import DataError
from data_prep.layout import Layout
from data_prep.raw_file import RawFile
from data_prep.readers.rows import Block

_ROWS = 1 << 18


def parquet_blocks(file: RawFile, layout: Layout, constants: dict[str, str]) -> Iterator[Block]:
    """The rows of a Parquet file.

    Args:
        file: plain, or read into memory where it is compressed once more.
        layout: its columns.
        constants: columns whose one value the names of the folders give.

    Raises:
        DataError: it is no Parquet file or truncated, or it lacks a column.
    """
    try:
        parquet = pa.parquet.ParquetFile(str(file.path) if file.is_plain else io.BytesIO(file.read()))
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{file} is not a Parquet file, or truncated: {error}") from error
    names = parquet.schema_arrow.names
    layout.require([*names, *(name for name in constants if name not in names)], str(file))
    wanted = [name for name in layout.names.values() if name in names]
    total = parquet.metadata.num_rows
    batches = parquet.iter_batches(_ROWS, columns=wanted or names[:1])
    yield from _blocks(file, batches, layout, constants, total)


def arrow_blocks(file: RawFile, layout: Layout, constants: dict[str, str]) -> Iterator[Block]:
    """The rows of an Arrow file or stream.

    Raises:
        DataError: it is neither, or truncated, or lacks a column.
    """
    try:
        source = pa.memory_map(str(file.path)) if file.is_plain else pa.BufferReader(file.read())
        if source.read(6) == b"ARROW1":
            reader: Any = pa.ipc.open_file(source)
            batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
        else:
            source.seek(0)
            reader = pa.ipc.open_stream(source)
            batches = iter(reader)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{file} is not an Arrow file, or truncated: {error}") from error
    layout.require([*reader.schema.names, *(n for n in constants if n not in reader.schema.names)], str(file))
    yield from _blocks(file, batches, layout, constants, None)


def _blocks(
    file: RawFile,
    batches: Iterator[pa.RecordBatch],
    layout: Layout,
    constants: dict[str, str],
    total: int | None,
) -> Iterator[Block]:
    first = 1
    with tqdm(total=total, desc=f"Reading {file.name}", unit=" rows", delay=2) as bar:
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowInvalid, OSError) as error:
                raise DataError(f"{file} is damaged or truncated: {error}") from error
            if batch is None:
                return
            yield block_of(batch, layout, str(file), first, constants)
            first += batch.num_rows
            bar.update(batch.num_rows)


def block_of(
    batch: pa.RecordBatch,
    layout: Layout,
    source: str,
    first_row: int,
    constants: dict[str, str] | None = None,
) -> Block:
    """A batch as a block whose rows are counted from `first_row` on."""
    present, constants = batch.schema.names, constants or {}
    columns = {
        role: batch.column(present.index(name))
        if name in present
        else pa.array([constants[name]] * batch.num_rows)
        for role, name in layout.names.items()
        if name in present or name in constants
    }
    return Block(columns, lambda row: f"{source}, row {first_row + row}")
