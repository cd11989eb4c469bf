"""Titles of items, from a file that is given or that lies beside the ratings."""

import csv
import dataclasses
import io
from pathlib import Path
from typing import TypeAlias

from data_prep.errors import DataError
from data_prep.raw_file import RawFile, members
from data_prep.readers.encodings import decode

Titles: TypeAlias = dict[str, str]


@dataclasses.dataclass(frozen=True)
class TitleFile:
    """A file that has the titles.

    Attributes:
        file: a CSV with a header, or one of the datasets' own files.
        item_column: of a CSV; '' where the file's own form says where the id stands.

    Examples:
        >>> TitleFile(RawFile(Path("movies.csv")), "movieId").read()["1"]
        'Toy Story (1995)'
    """

    file: RawFile
    item_column: str

    @property
    def identity(self) -> list[str | int]:
        """Changes when the file does."""
        return self.file.identity

    def read(self) -> Titles:
        """Raw item id -> title; in UTF-8, or where that fails, in Windows-1252.

        Raises:
            DataError: the file cannot be read, or lacks a column.
        """
        text = decode(self.file.read())
        if self.item_column:
            return _read_csv(text, self.item_column, str(self.file))
        separator, id_field, title_field, maxsplit = _SEPARATED[self.file.name]
        rows = (line.rstrip("\r").split(separator, maxsplit) for line in text.split("\n"))
        return {row[id_field]: row[title_field] for row in rows if len(row) > title_field}


# Separator, place of the id, place of the title, and how often to split.
_SEPARATED = {
    "movies.dat": ("::", 0, 1, -1),
    "u.item": ("|", 0, 1, -1),
    "movie_titles.txt": (",", 0, 2, 2),
    "movie_titles.csv": (",", 0, 2, 2),
    "unique_tracks.txt": ("<SEP>", 1, 3, -1),
}


def given(path: str, item_column: str) -> TitleFile:
    """A file that the user names.

    Raises:
        DataError: it is not there.
    """
    if not Path(path).is_file():
        raise DataError(f"there is no file {path} (titles)")
    file = RawFile(Path(path))
    return TitleFile(file, "" if file.name in _SEPARATED else item_column)


def beside(ratings: RawFile, item_column: str) -> TitleFile | None:
    """The titles that lie beside the ratings, in the same folder or .zip; None where there are none."""
    if ratings.member:
        folder = Path(ratings.member).parent
        found = {
            Path(name).name: RawFile(ratings.path, name)
            for name in members(ratings.path)
            if Path(name).parent == folder
        }
    else:
        files = [RawFile(path) for path in sorted(ratings.path.parent.glob("*"), reverse=True)]
        found = {file.name: file for file in files if file.path.is_file()}
    if "movies.csv" in found and {item_column, "title"} <= set(_columns(found["movies.csv"])):
        return TitleFile(found["movies.csv"], item_column)
    return next((TitleFile(found[name], "") for name in _SEPARATED if name in found), None)


def _columns(file: RawFile) -> list[str]:
    with file.open() as stream:
        return _fields(decode(stream.read(1 << 16)))


def _fields(text: str) -> list[str]:
    first = text.lstrip("\ufeff").partition("\n")[0]
    return [name.strip() for name in next(csv.reader([first], delimiter=_delimiter(first)), [])]


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _read_csv(text: str, item_column: str, source: str) -> Titles:
    columns = _fields(text)
    for column in (item_column, "title"):
        if column not in columns:
            raise DataError(f"{source} has no column {column!r}; its columns are {', '.join(columns)}")
    place, title_place = columns.index(item_column), columns.index("title")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text.partition("\n")[0]))
    next(rows)
    return {row[place]: row[title_place] for row in rows if len(row) > max(place, title_place)}
