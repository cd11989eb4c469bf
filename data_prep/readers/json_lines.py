"""JSON lines: one object a line. Numbers that are ids keep their digits."""

import io
import itertools
import json
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.json

from data_prep.errors import DataError
from data_prep.layout import Layout
from data_prep.raw_file import RawFile
from data_prep.readers.delimited import TextBlock
from data_prep.readers.encodings import Utf8Reader
from data_prep.readers.rows import Block


class JsonLinesFile:
    """A file of JSON lines that has been opened.

    Examples:
        >>> with file.open() as stream:
        ...     lines = JsonLinesFile(file, stream, Layout(rating="rating"))
        ...     blocks = [lines.parse(text) for text in lines.text_blocks()]
    """

    def __init__(self, file: RawFile, stream: IO[bytes], layout: Layout) -> None:
        """Reads the first block.

        Raises:
            DataError: the file is empty, or holds one JSON array.
        """
        self._file, self._layout = file, layout
        self._reader = Utf8Reader(file, stream, layout.encoding or "utf-8")
        self._head = self._reader.read()
        first = self._head.lstrip()[:1]
        if not first:
            raise DataError(f"{file} is empty")
        if first != b"{":
            raise DataError(
                f"{file} begins with {first.decode('utf-8', 'replace')!r}; each line must be an object"
            )
        first_line = self._head.lstrip().split(b"\n", 1)[0]
        self._first = _loads(first_line) or {}
        if self._first:
            layout.require(list(self._first), str(file))

    @property
    def description(self) -> str:
        """What was recognised, as it is told to a person."""
        return "JSON lines"

    def text_blocks(self) -> Iterator[TextBlock]:
        """The lines in blocks.

        Raises:
            DataError: a line is not UTF-8.
        """
        line, rest = 1, b""
        for chunk in itertools.chain([self._head], iter(self._reader.read, b""), [b""]):
            data = rest + chunk
            end = data.rfind(b"\n") + 1 if chunk else len(data)
            rows, rest = data[:end], data[end:]
            if rows.strip():
                yield TextBlock(rows, line)
            line += rows.count(b"\n")

    def parse(self, text: TextBlock) -> Block:
        """The columns that are read.

        Raises:
            DataError: a line is no object, lacks a key, or has a list or an object where a value must be.
        """
        names = self._layout.names
        schema = pa.schema([(name, self._kind(role)) for role, name in names.items()])
        try:
            rows = pa.json.read_json(
                pa.py_buffer(text.data),
                read_options=pa.json.ReadOptions(use_threads=False, block_size=len(text.data) + 1),
                parse_options=pa.json.ParseOptions(
                    explicit_schema=schema, unexpected_field_behavior="ignore"
                ),
            )
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return self._parse_one_by_one(text)
        columns = {role: rows[name].combine_chunks() for role, name in names.items()}
        return Block(columns, lambda row: self._place(text, row))

    def _kind(self, role: str) -> pa.DataType:
        """The type that the first line has; a line of another type is read slowly."""
        value = self._first.get(self._layout.names[role])
        if isinstance(value, bool):
            return pa.bool_()
        if isinstance(value, _Number):
            is_whole = value.lstrip("-").isdigit()
            return (
                pa.int64() if role in ("user", "item") or (role == "timestamp" and is_whole) else pa.float64()
            )
        return pa.string()

    def _parse_one_by_one(self, text: TextBlock) -> Block:
        """As Python reads it: numbers as they are written, whatever mixture there is."""
        columns: dict[str, list[object]] = {role: [] for role in self._layout.names}
        for number, line in self._lines(text):
            row = _loads(line)
            if row is None:
                raise DataError(
                    f"{self._file}, line {number} is {line[:60].decode()!r}; it must be a JSON object"
                )
            for role, name in self._layout.names.items():
                try:
                    columns[role].append(self.parse_value(role, row.get(name)))
                except TypeError as error:
                    raise DataError(f"{self._file}, line {number}: {name} is {error}") from error
        try:
            arrays = {role: _array(values) for role, values in columns.items()}
        except UnicodeEncodeError as error:
            raise DataError(
                f"{self._file} has text that is no Unicode, after line {text.first_line}: {error}"
            ) from error
        return Block(arrays, lambda row: self._place(text, row))

    def parse_value(self, role: str, value: object) -> object:
        """A value of a line as text, or None.

        Raises:
            TypeError: it is a list or an object.
        """
        if isinstance(value, (list, dict)):
            raise TypeError(f"{value!r}; it must be one value")
        return text_of(value, is_id=role not in ("rating", "timestamp"))

    def _lines(self, text: TextBlock) -> Iterator[tuple[int, bytes]]:
        for number, line in enumerate(io.BytesIO(text.data), start=text.first_line):
            if line.strip():
                yield number, line

    def _place(self, text: TextBlock, row: int) -> str:
        number = next(itertools.islice(self._lines(text), row, None), (text.first_line, b""))[0]
        return f"{self._file}, line {number}"


class _Number(str):
    """A JSON number with its digits as they stand in the file."""


def _loads(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line, parse_int=_Number, parse_float=_Number, parse_constant=_Number)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _array(values: list[object]) -> pa.Array:
    is_lists = any(isinstance(value, list) for value in values)
    return pa.array(values, pa.list_(pa.string()) if is_lists else pa.string())


def text_of(value: object, *, is_id: bool) -> str | None:
    """A JSON value as text; a number that is an id as an integer, where it is one."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_id and isinstance(value, _Number) and not value.lstrip("-").isdigit():
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) <= 2**53 else str(value)
    return str(value)
