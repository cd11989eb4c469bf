"""One column of text as a CSV with a header: written and read without a loop over its rows."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv


def write(path: Path, name: str, values: pa.StringArray) -> None:
    """Writes a column; fields are quoted where they need it.

    Args:
        path: the file.
        name: of the column.
        values: string, without nulls.
    """
    needs_quotes = pc.or_(pc.match_substring_regex(values, '[",\r\n]'), pc.equal(pc.binary_length(values), 0))
    if pc.any(needs_quotes).as_py():
        doubled = pc.replace_substring(values, '"', '""')
        quoted = pc.binary_join_element_wise('"', doubled, '"', "")
        values = pc.if_else(needs_quotes, quoted, values)
    lines = pc.binary_join_element_wise(values, "", "\n")
    with path.open("wb") as file:
        file.write(f"{name}\n".encode())
        if len(lines):
            offsets = np.frombuffer(lines.buffers()[1], np.int32)
            start, end = offsets[lines.offset], offsets[lines.offset + len(lines)]
            file.write(memoryview(lines.buffers()[2])[start:end])


def read(path: Path) -> np.ndarray:
    """The column as an array of str objects."""
    content = path.read_bytes()
    table = pa.csv.read_csv(
        pa.py_buffer(content),
        read_options=pa.csv.ReadOptions(block_size=max(len(content), 1) + 1, use_threads=False),
        parse_options=pa.csv.ParseOptions(newlines_in_values=b'"' in content),
        convert_options=pa.csv.ConvertOptions(
            column_types={content.partition(b"\n")[0].decode(): pa.string()}, strings_can_be_null=False
        ),
    )
    return table.column(0).to_numpy()
