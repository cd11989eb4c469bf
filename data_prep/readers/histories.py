"""Files of users and what they liked, in every form that files of interactions may have."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_prep.errors import DataError
from data_prep.layout import Layout
from data_prep.readers import cells
from data_prep.readers.columnar import arrow_blocks, parquet_blocks
from data_prep.readers.delimited import DelimitedFile
from data_prep.readers.files import expand, form_of
from data_prep.readers.json_lines import JsonLinesFile, text_of
from data_prep.readers.rows import Block

_COLUMNS = ("user_id", "history", "exclude")


class _HistoriesLayout(Layout):
    """The columns `user_id`, `history` and, if it is there, `exclude`."""

    @property
    def names(self) -> dict[str, str]:
        return {name: name for name in _COLUMNS}

    @property
    def optional(self) -> tuple[str, ...]:
        return ("exclude",)


def read_histories(
    path: str | Path,
    *,
    separator: str = ",",
    delimiter: str | None = None,
    encoding: str | None = None,
    quote: str | None = None,
) -> Iterator[pa.RecordBatch]:
    """The users of a file, batch by batch, in its order.

    Args:
        path: a file, a folder, a pattern or several files with commas between: delimited text, JSON lines,
            Parquet or Arrow, plain or compressed, with a column `user_id`, a column `history`, and perhaps
            one `exclude`.
        separator: of ids where a history is one text; an id that has a separator of one letter is quoted
            there.
        delimiter: of text files; None recognises it. Likewise the next two.
        encoding: such as windows-1252.
        quote: '"' where quotation marks enclose fields, '' where they are letters.

    Yields:
        `user_id` string, `history` and, if the file has it, `exclude`, both list<string>, never null. Ids
        are kept to the byte.

    Raises:
        DataError: a file cannot be read, lacks a column, or has an id that is empty or no id.

    Examples:
        >>> for users in read_histories("users.csv.gz"):
        ...     print(users["user_id"][0], users["history"][0])
    """
    layout = _HistoriesLayout(delimiter=delimiter, encoding=encoding, quote=quote)
    for file in expand(str(path)):
        form = form_of(file)
        if form in ("parquet", "arrow"):
            read = parquet_blocks if form == "parquet" else arrow_blocks
            for block in read(file, layout, {}):
                yield _batch(block, separator)
            continue
        with file.open() as stream:
            opened: JsonLinesFile | DelimitedFile
            if form == "json":
                opened = _JsonHistories(file, stream, layout)
                opened.separator = separator
            else:
                opened = DelimitedFile(file, stream, layout)
            for text in opened.text_blocks():
                yield _batch(opened.parse(text), separator)


class _JsonHistories(JsonLinesFile):
    """JSON lines whose histories are lists, or text of ids between separators."""

    separator = ","

    def parse_value(self, role: str, value: object) -> object:
        if role == "user_id":
            return super().parse_value(role, value)
        if isinstance(value, list):
            return [super(_JsonHistories, self).parse_value(role, one) for one in value]
        text = text_of(value, is_id=True)
        return None if text is None else _split(pa.array([text]), self.separator)[0].as_py()


def _batch(block: Block, separator: str) -> pa.RecordBatch:
    columns = {}
    for name, column in block.columns.items():
        try:
            if name == "user_id":
                columns[name] = cells.as_text(cells.ids(column))
            else:
                columns[name] = _lists(column, separator)
        except cells.BadCellError as error:
            raise DataError(f"{block.where(error.row or 0)}: {name} {error}") from error
    return pa.RecordBatch.from_pydict(columns)


def _lists(column: pa.Array, separator: str) -> pa.ListArray:
    """Histories as lists of text; null is an empty history."""
    kind = column.type
    if pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind):
        column = column.cast(pa.list_(kind.value_type))
    if not pa.types.is_list(column.type):
        return _split(cells.as_text(cells.ids_or_empty(column)), separator)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    try:
        ids = cells.as_text(cells.ids(column.flatten()))
    except cells.BadCellError as error:
        row = int(np.searchsorted(offsets, error.row or 0, side="right")) - 1
        raise cells.BadCellError(row, f"has an id that {error}") from error
    return pa.ListArray.from_arrays(pa.array(offsets), ids)


def _split(text: pa.StringArray, separator: str) -> pa.ListArray:
    quoted = pc.any(pc.match_substring(text, '"')).as_py() and len(separator) == 1
    if quoted:
        lists = [_split_quoted(value, separator, row) for row, value in enumerate(text.to_pylist())]
        return pa.array(lists, pa.list_(pa.string()))
    parts = pc.split_pattern(text, separator)
    values = parts.flatten()
    lengths = pc.list_value_length(parts).to_numpy()
    kept = pc.not_equal(values, "").to_numpy(zero_copy_only=False)
    row = np.repeat(np.arange(len(text)), lengths)[kept]
    offsets = np.searchsorted(row, np.arange(len(text) + 1)).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values.filter(pa.array(kept)))


def _split_quoted(text: str, separator: str, row: int) -> list[str]:
    try:
        return [
            part for line in csv.reader([text], delimiter=separator, strict=True) for part in line if part
        ]
    except csv.Error as error:
        raise cells.BadCellError(row, f"is {json.dumps(text, ensure_ascii=False)}: {error}") from error
