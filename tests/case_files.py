"""Small files of interactions as people have them: each is a trap that some reader fell into.

Every file has the 374 pairs of `PAIRS`, 40 users and 16 items, all with a rating that counts, unless its
entry says otherwise.
"""

import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_DRAWN = np.random.RandomState(16).permutation(40 * 16)[:374]
PAIRS = [(int(code) // 16, int(code) % 16) for code in sorted(_DRAWN)]


def text(
    user: Callable[[int], str] = str,
    item: Callable[[int], str] = str,
    *,
    header: str = "userId,movieId,rating",
    rating: str = "5",
    time: Callable[[int], str] | None = None,
    delimiter: str = ",",
    end: str = "\n",
) -> str:
    """A delimited text; ids and times by functions of the numbers of the user, the item and the row."""
    lines = [header.replace(",", delimiter)] if header else []
    for row, (u, i) in enumerate(PAIRS):
        fields = [user(u), item(i), rating, *([time(row)] if time else [])]
        lines.append(delimiter.join(fields))
    return "".join(line + end for line in lines)


def table(user: Callable[[int], Any] = int, item: Callable[[int], Any] = int, rating: Any = 5.0) -> pa.Table:
    """The same as an Arrow table."""
    return pa.table(
        {
            "userId": [user(u) for u, _ in PAIRS],
            "movieId": [item(i) for _, i in PAIRS],
            "rating": [rating] * len(PAIRS),
        }
    )


def quoted(value: str) -> str:
    """As a CSV writes a field that needs it."""
    return '"' + value.replace('"', '""') + '"'


def write_zip(path: Path) -> None:
    """A .zip from a Mac, which has a folder of its own beside the data."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data/ratings.csv", text())
        archive.writestr("__MACOSX/data/._ratings.csv", "abc\n")


def write_partitioned(path: Path) -> None:
    """A Parquet data set in folders."""
    whole = table()
    for day, rows in ((1, slice(0, 200)), (2, slice(200, None))):
        folder = path / f"day={day}"
        folder.mkdir(parents=True)
        pq.write_table(
            whole.slice(rows.start, (rows.stop or len(PAIRS)) - rows.start), folder / "part-0.parquet"
        )
    (path / "_SUCCESS").write_text("")


def dictionary_and_decimal() -> pa.Table:
    """Text ids in a dictionary, ratings as decimals."""
    columns = table(user=lambda u: f"u{u}", rating=Decimal("4.5"))
    return columns.set_column(0, "userId", columns["userId"].combine_chunks().dictionary_encode())


def stray_quotes() -> str:
    """Two artists whose names begin with a quotation mark."""
    lines = text(delimiter="\t").splitlines()
    names = {62: '"unclosed', 142: '"unclosed'}
    header, *rows = [f"{line}\t{names.get(n, 'abc')}" for n, line in enumerate(lines, start=1)]
    return "\n".join([header.replace("abc", "artist"), *rows]) + "\n"


def two_ratings() -> str:
    """The first 50 pairs once more, disliked."""
    again = [f"{u},{i},1" for u, i in PAIRS[:50]]
    return text() + "\n".join(again) + "\n"


TEXTS: dict[str, str | bytes] = {
    "ids_leading_zeros_merge.csv": text(
        lambda u: f"u{u}", lambda i: f"{i // 2:03d}" if i % 2 else str(i // 2)
    ),
    "ids_leading_zeros.csv": text(item=lambda i: f"{i:03d}"),
    "ids_above_2_to_63.csv": text(lambda u: str(2**64 - 616 + u), lambda i: str(9007199254740993 + i)),
    "ids_numbers_then_text.csv": text() + text(item=lambda i: f"film {i}").partition("\n")[2],
    "ids_spaces_inside_field.csv": text(lambda u: f" {u}", lambda i: f" {i} "),
    "ids_quoted.csv": text(lambda u: quoted(f"u,{u}"), lambda i: quoted(f'i "{i}"')),
    "ids_true_false.csv": text(item=lambda i: {0: "true", 1: "false"}.get(i, f"x{i}")),
    "delimiter_semicolon.csv": text(delimiter=";"),
    "delimiter_tab.csv": text(delimiter="\t"),
    "delimiter_pipe.txt": text(delimiter="|"),
    "delimiter_semicolon_decimal_comma.csv": text(delimiter=";", rating="4,5"),
    "decimal_comma_in_quotes.csv": text(rating='"4,5"'),
    "header_spaces.csv": text(header="userId, movieId, rating"),
    "no_header.csv": text(header=""),
    "bom_crlf.csv": ("\ufeff" + text(end="\r\n")).encode(),
    "old_mac.csv": text(end="\r"),
    "utf_16.csv": text(item=lambda i: f"café {i}").encode("utf-16"),
    "utf_16_without_mark.csv": text(item=lambda i: f"café {i}").encode("utf-16-le"),
    "windows_1252.csv": text(item=lambda i: f"café {i}").encode("windows-1252"),
    "time_iso.csv": text(
        header="userId,movieId,rating,timestamp",
        time=lambda row: f"{np.datetime64('2020-01-01T00:00:00') + 86401 * row}Z",
    ),
    "time_space.csv": text(
        header="userId,movieId,rating,timestamp",
        time=lambda row: str(np.datetime64("2020-01-01T00:00:00") + 86401 * row).replace("T", " "),
    ),
    "time_seconds.csv": text(
        header="userId,movieId,rating,timestamp", time=lambda row: str(1577836800 + 86401 * row)
    ),
    "time_milliseconds.csv": text(
        header="userId,movieId,rating,timestamp", time=lambda row: str(1577836800000 + 86401000 * row)
    ),
    "same_pair_two_ratings.csv": two_ratings(),
    "quote_inside_text.tsv": stray_quotes(),
    "column_twice.csv": text(header="userId,movieId,rating,rating", time=lambda row: "1"),
    "words.csv": text(rating="TRUE"),
}
TABLES: dict[str, Callable[[], pa.Table]] = {
    "dictionary_and_decimal.parquet": dictionary_and_decimal,
    "boolean_rating_float_ids.parquet": lambda: table(lambda u: f"u{u}", float, True),
    "null_id.parquet": lambda: table(user=lambda u: None if u == PAIRS[3][0] else u),
    "time_datetime.parquet": lambda: table().append_column(
        "timestamp",
        pa.array(np.datetime64("2020-01-01") + 86401 * np.arange(len(PAIRS)).astype("m8[s]")).cast(
            pa.timestamp("us")
        ),
    ),
}


def write(name: str, folder: Path) -> Path:
    """Writes the file of a name of this module into a folder."""
    path = folder / name
    if name in TABLES:
        pq.write_table(TABLES[name](), path)
    elif name == "zip_with_macosx_folder.zip":
        write_zip(path)
    elif name == "partitioned":
        write_partitioned(path)
    else:
        content = TEXTS[name]
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
