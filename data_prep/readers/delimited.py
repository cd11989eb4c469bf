"""Delimited text, block by block: CSV and its relatives."""

import csv
import dataclasses
import io
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from data_prep.errors import DataError
from data_prep.layout import Layout
from data_prep.raw_file import RawFile
from data_prep.readers import dialect, quotes
from data_prep.readers.dialect import Dialect
from data_prep.readers.encodings import Utf8Reader
from data_prep.readers.rows import Block

_LONGEST_ROW = 256 << 20
_NEWLINE = 10


@dataclasses.dataclass(frozen=True)
class TextBlock:
    """Complete rows of a text file in UTF-8, and the number of the first line."""

    data: bytes
    first_line: int


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_blank(text: bytes) -> bool:
    return text[:1] in (b"", b"\r", b"\n") and not text.strip(b"\r\n")


class DelimitedFile:
    """A delimited text file that has been opened and whose dialect is known.

    Attributes:
        dialect: how it is written.

    Examples:
        >>> with file.open() as stream:
        ...     table = DelimitedFile(file, stream, Layout(rating="rating"))
        ...     for text in table.text_blocks():
        ...         block = table.parse(text)
    """

    def __init__(self, file: RawFile, stream: IO[bytes], layout: Layout) -> None:
        """Reads the first block.

        Raises:
            DataError: the file is empty, lacks a column, or is not in its encoding.
        """
        self._file, self._layout = file, layout
        self._reader = Utf8Reader(file, stream, layout.encoding)
        self._head = self._reader.read()
        sample = self._head[: 1 << 20]
        if len(sample) < len(self._head):
            sample = sample[: sample.rfind(b"\n") + 1] or self._head
        sample = self._reader.as_utf8(sample, 1)
        is_tsv = Path(file.name).suffix.lower() in (".tsv", ".tab")
        self.dialect: Dialect = dialect.recognise(sample, layout, str(file), is_tsv=is_tsv)
        self._ratings_are_text = False
        names = self.dialect.names
        self._positions = {role: names.index(name) for role, name in layout.names.items() if name in names}

    @property
    def description(self) -> str:
        """What was recognised, as it is told to a person."""
        quote = "" if self.dialect.quote else ", quotation marks are letters"
        return f"separated by {self.dialect.delimiter_name}, {self._reader.encoding}{quote}"

    def text_blocks(self) -> Iterator[TextBlock]:
        """The rows below the header, in blocks that end where a row ends.

        Raises:
            DataError: a quotation mark is not closed, or a line is not in the encoding.
        """
        line, rest, header = 1, b"", self.dialect.header_bytes
        for chunk in itertools.chain([self._head], iter(self._reader.read, b""), [b""]):
            rows, rest = self._complete_rows(rest, chunk, line)
            if len(rest) > _LONGEST_ROW:
                raise DataError(f"{self._file}, line {line} begins a row of over {_LONGEST_ROW >> 20} MiB")
            text = self._reader.as_utf8(rows, line)
            if header and text:
                below = text[header:]
                if not _is_blank(below):
                    yield TextBlock(below, line + text.count(b"\n", 0, header))
                header = 0
            elif not _is_blank(text):
                yield TextBlock(text, line)
            line += int(np.count_nonzero(np.frombuffer(rows, np.uint8) == _NEWLINE))

    def _complete_rows(self, rest: bytes, chunk: bytes, first_line: int) -> tuple[bytes, bytes]:
        """The rows that `rest` and `chunk` have together, and what is left; an empty chunk ends the file."""
        has_quotes = self.dialect.quote and (b'"' in chunk or b'"' in rest)
        if chunk and not has_quotes:
            end = chunk.rfind(b"\n") + 1
            return (b"".join([rest, memoryview(chunk)[:end]]), chunk[end:]) if end else (b"", rest + chunk)
        data = rest + chunk
        end = self._row_end(data, first_line, final=not chunk)
        return data[:end], data[end:]

    def _row_end(self, data: bytes, first_line: int, *, final: bool) -> int:
        if not self.dialect.quote:
            return len(data)
        try:
            return quotes.complete_rows(data, self.dialect.delimiter, final=final)
        except quotes.UnclosedQuoteError as error:
            line = first_line + data.count(b"\n", 0, error.offset)
            shown = data[error.offset : error.offset + 30].decode("utf-8", "replace").splitlines()[0]
            raise DataError(
                f"{self._file}, line {line}: the quotation mark of {shown!r} opens a field that it does "
                f"not close; "
                "double it within a quoted field, or, if marks are letters in this file, say so with quote=''"
            ) from error

    def parse(self, text: TextBlock) -> Block:
        """The columns that are read, ratings as numbers where they are written with a decimal point.

        Raises:
            DataError: a line has more or fewer columns than the header.
        """
        kinds = {role: pa.string() for role in self._positions}
        if "rating" in kinds and not self._ratings_are_text and self._layout.decimal != ",":
            try:
                return self._parse(text, kinds | {"rating": pa.float64()})
            except pa.ArrowInvalid:
                pass  # The ratings are words or have a decimal comma, or there is a bad line.
        try:
            block = self._parse(text, kinds)
        except pa.ArrowInvalid as error:
            self._explain(text)
            raise DataError(f"{self._file} is not well-formed: {error}") from error
        self._ratings_are_text = True
        return block

    def _parse(self, text: TextBlock, kinds: dict[str, pa.DataType]) -> Block:
        names = [str(position) for position in range(len(self.dialect.names))]
        has_quotes = bool(self.dialect.quote) and b'"' in text.data
        rows = pa.csv.read_csv(
            pa.py_buffer(text.data),
            read_options=pa.csv.ReadOptions(
                block_size=len(text.data) + 1, column_names=names, use_threads=False
            ),
            parse_options=pa.csv.ParseOptions(
                delimiter=self.dialect.delimiter,
                quote_char='"' if has_quotes else False,
                newlines_in_values=has_quotes,
            ),
            convert_options=pa.csv.ConvertOptions(
                include_columns=[names[position] for position in self._positions.values()],
                column_types={names[position]: kinds[role] for role, position in self._positions.items()},
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
        columns = {role: rows[names[position]].combine_chunks() for role, position in self._positions.items()}
        if not self.dialect.quote and b'"' in text.data:
            self._refuse_quoted_ids(text, columns)
        return Block(columns, lambda row: self._place(text, row))

    def _refuse_quoted_ids(self, text: TextBlock, columns: dict[str, pa.Array]) -> None:
        if self._layout.quote is not None:
            return
        for role in ("user", "item"):
            quoted = pc.fill_null(pc.match_substring_regex(columns[role], '^".*"$'), False)
            row = pc.index(quoted, True).as_py()
            if row >= 0:
                raise DataError(
                    f"{self._place(text, row)}: {self._layout.names[role]} is "
                    f"{columns[role][row].as_py()!r}; say "
                    "whether quotation marks enclose fields (quote='\"') or are letters (quote='')"
                )

    def _place(self, text: TextBlock, row: int) -> str:
        number = next(itertools.islice(self._lines(text), row, None), (text.first_line, []))[0]
        return f"{self._file}, line {number}"

    def _lines(self, text: TextBlock) -> Iterator[tuple[int, list[str]]]:
        """The rows, as Python reads them, with the number of the line in which each ends; none is empty."""
        lines = io.StringIO(text.data.decode("utf-8", "surrogateescape"), newline="")
        limit = csv.field_size_limit(sys.maxsize)
        try:
            how = {"quotechar": '"'} if self.dialect.quote else {"quoting": csv.QUOTE_NONE}
            reader = csv.reader(lines, delimiter=self.dialect.delimiter, **how)
            for row in reader:
                if row:
                    yield text.first_line + reader.line_num - 1, row
        finally:
            csv.field_size_limit(limit)

    def _explain(self, text: TextBlock) -> None:
        """Finds the line that the fast reader refused, slowly: too many columns, too few, or no UTF-8.

        Raises:
            DataError: it has been found.
        """
        repeat = 2 if "" in self.dialect.names[1:2] and self._layout.columns else 1
        expected = len(self.dialect.names)
        for number, row in self._lines(text):
            if len(row) != expected:
                found, wanted = (-(-count // repeat) for count in (len(row), expected))
                raise DataError(f"{self._file}, line {number} has {found} columns, not {wanted}")
            for role, position in self._positions.items():
                as_bytes = row[position].encode("utf-8", "surrogateescape")
                if not _is_utf8(as_bytes):
                    raise DataError(
                        f"{self._file}, line {number}: {self._layout.names[role]} is "
                        f"{as_bytes.decode('latin-1')!r}, which is not in UTF-8; mend it, or name the file's "
                        "encoding, such as encoding=windows-1252"
                    )
