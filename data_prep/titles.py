"""Titles of items, from the files that lie beside the ratings."""

import csv
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from data_prep.errors import DataError
from data_prep.raw_file import RawFile, members

Titles = dict[str, str]
Parse = Callable[[Iterable[str]], Titles]


def read_csv(file: RawFile, item_column: str) -> Titles:
    """Raw item id -> title, from a CSV with the item column and `title`.

    Raises:
        DataError: it lacks one of these columns, or cannot be read.
    """
    columns = _columns(file)
    for column in (item_column, "title"):
        if column not in columns:
            raise DataError(f"{file} has no column {column!r}; its columns are {', '.join(columns)}")
    with file.open() as stream:
        return {row[item_column]: row["title"] or "" for row in csv.DictReader(_text(stream))}


def _columns(file: RawFile) -> list[str]:
    with file.open() as stream:
        return next(csv.reader(_text(stream)), [])


def _text(stream: IO[bytes]) -> io.TextIOWrapper:
    return io.TextIOWrapper(stream, "utf-8-sig", errors="replace", newline="")


def _separated(separator: str, id_field: int, title_field: int, maxsplit: int = -1) -> Parse:
    def read(lines: Iterable[str]) -> Titles:
        rows = (line.rstrip("\r\n").split(separator, maxsplit) for line in lines)
        return {row[id_field]: row[title_field] for row in rows if len(row) > title_field}

    return read


_SEPARATED = {
    "movies.dat": ("utf-8", _separated("::", 0, 1)),
    "u.item": ("latin-1", _separated("|", 0, 1)),
    "movie_titles.txt": ("latin-1", _separated(",", 0, 2, maxsplit=2)),
    "movie_titles.csv": ("latin-1", _separated(",", 0, 2, maxsplit=2)),
    "unique_tracks.txt": ("utf-8", _separated("<SEP>", 1, 3)),
}


def find(ratings: RawFile, item_column: str) -> Titles | None:
    """The titles that lie beside the ratings, in the same folder or .zip; None where there are none."""
    if ratings.member:
        folder = Path(ratings.member).parent
        beside = {
            Path(name).name: RawFile(ratings.path, name)
            for name in members(ratings.path)
            if Path(name).parent == folder
        }
    else:
        beside = {path.name.removesuffix(".gz"): RawFile(path) for path in ratings.path.parent.glob("*")}
    if "movies.csv" in beside and {item_column, "title"} <= set(_columns(beside["movies.csv"])):
        return read_csv(beside["movies.csv"], item_column)
    for name, (encoding, parse) in _SEPARATED.items():
        if name in beside:
            with beside[name].open() as stream:
                return parse(io.TextIOWrapper(stream, encoding, errors="replace"))
    return None
