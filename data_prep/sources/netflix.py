"""The Netflix Prize's ratings: `mv_*.txt`, `combined_data_*.txt`, or the tar as distributed.

Each movie has a line `<movie>:` and below it lines `<user>,<rating>,<date>`. The rows come in the order of
the files' names.
"""

import dataclasses
import mmap
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from tqdm import tqdm

from data_prep import titles
from data_prep.catalogue import CATALOGUE
from data_prep.errors import DataError
from data_prep.raw_file import RawFile
from data_prep.readers.cells import narrow
from data_prep.readers.times import Times
from data_prep.sources.raw_data import RawData, how_to_get
from data_prep.spec import DatasetSpec
from data_prep.table import InteractionTable, TableBuilder

_MOVIE = re.compile(rb"^(\d+):\r?\n", re.MULTILINE)
_COLUMNS = {"user": pa.int32(), "rating": pa.float32(), "date": pa.date32()}
_NUM_MOVIES = 17_770

Section = tuple[str, int, bytes]  # file, movie, lines


def locate(spec: DatasetSpec, place: Path, data_dir: str) -> RawData:
    """The Prize's files in `place`, and the titles beside them or beside the folder training_set.

    Raises:
        DataError: they are not there.
    """
    paths = find(place)
    if not paths:
        files = "the tar, or its mv_*.txt or combined_data_*.txt,"
        raise how_to_get(spec.name, CATALOGUE[spec.name].url, files, place)
    timestamps = spec.protocol == "temporal"
    return RawData(
        str(place),
        [RawFile(path).identity for path in paths],
        lambda: read(paths, spec.threshold, timestamps=timestamps),
        titles.beside(RawFile(paths[0]), "movieId") or titles.beside(RawFile(paths[0].parent), "movieId"),
    )


def find(place: Path) -> list[Path]:
    """The files to read, in order: all mv_*.txt or combined_data_*.txt, or a tar, in `place` or below it."""
    if place.is_file():
        return [place]
    for pattern in ("mv_*.txt", "combined_data_*.txt", "*.tar", "*.tar.gz", "*.tgz"):
        found = sorted([*place.glob(pattern), *place.glob(f"*/{pattern}")])
        if found:
            return found if pattern.endswith(".txt") else found[:1]
    return []


def read(paths: list[Path], threshold: float | None, *, timestamps: bool) -> InteractionTable:
    """The positives of all files.

    Args:
        paths: in the order in which they are read.
        threshold: ratings above it are positives; None means all.
        timestamps: whether the dates are read.

    Raises:
        DataError: a file is damaged, or a line is not `<user>,<rating>,<date>`.
    """
    builder = TableBuilder()
    for name, movie, lines in tqdm(
        _sections(paths), total=_NUM_MOVIES, desc="Reading Netflix", unit="movies", delay=2
    ):
        try:
            rows = pa.csv.read_csv(
                pa.BufferReader(lines),
                read_options=pa.csv.ReadOptions(column_names=list(_COLUMNS), use_threads=False),
                convert_options=pa.csv.ConvertOptions(column_types=_COLUMNS, null_values=[]),
            )
        except pa.ArrowInvalid as error:
            raise DataError(f"{name}, movie {movie}: not <user>,<rating>,<date>: {error}") from error
        rows = rows.combine_chunks()
        positive = (
            None if threshold is None else _chunk(pc.greater(rows["rating"], threshold)).to_numpy(False)
        )
        days = None
        if timestamps:
            dates = rows["date"].to_numpy().astype("datetime64[D]").astype(np.int64)
            days = Times(dates if positive is None else dates[positive], False)
        movies = np.full(rows.num_rows, movie, np.int32)
        builder.add(narrow(_chunk(rows["user"]).to_numpy()), movies, positive=positive, times=days)
    name = ", ".join(str(path) for path in paths[:1])
    table = builder.build(name)
    return dataclasses.replace(table, description=f"{name}: {builder.num_rows:,} ratings")


def _chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _sections(paths: list[Path]) -> Iterator[Section]:
    for path in paths:
        if path.suffix == ".txt":
            yield from _split(path)
        else:
            try:
                yield from _tar_sections(path)
            except (tarfile.TarError, EOFError) as error:
                raise DataError(f"{path} is a damaged or truncated archive: {error}") from error


def _split(path: Path) -> Iterator[Section]:
    with path.open("rb") as file:
        try:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise DataError(f"{path} is empty") from None
        with content:
            yield from _split_text(str(path), content)


def _split_text(name: str, content: bytes | mmap.mmap) -> Iterator[Section]:
    previous = None
    for match in _MOVIE.finditer(content):
        if previous is None and match.start() != 0:
            break
        if previous is not None:
            yield name, int(previous[1]), content[previous.end() : match.start()]
        previous = match
    if previous is None:
        raise DataError(
            f"{name}, line 1 is {content[:40].splitlines()[0]!r}; it must be <movie>: and no more"
        )
    yield name, int(previous[1]), content[previous.end() :]


def _tar_sections(path: Path) -> Iterator[Section]:
    """The movies of a tar, or of the training_set.tar within it, in the order of their files' names."""
    with tarfile.open(path) as archive:
        inner = [
            m for m in archive.getmembers() if Path(m.name).name in ("training_set.tar", "training_set.tgz")
        ]
        if inner:
            with tarfile.open(fileobj=archive.extractfile(inner[0])) as nested:
                yield from _members(path, nested)
        else:
            yield from _members(path, archive)


def _members(path: Path, archive: tarfile.TarFile) -> Iterator[Section]:
    texts = [
        m for m in archive.getmembers() if re.fullmatch(r"(mv|combined_data)_\d+\.txt", Path(m.name).name)
    ]
    if not texts:
        raise DataError(f"{path} holds neither mv_*.txt nor combined_data_*.txt")
    for member in sorted(texts, key=lambda m: m.name):
        file = archive.extractfile(member)
        if file is not None:
            yield from _split_text(f"{member.name} in {path}", file.read())
