"""MovieLens, from GroupLens' own files: those that are in the data folder, or the archive, which is fetched.

The files of ML-20M and later are sorted by user and movie; the older ones have other orders, so the rows of
all are sorted.
"""

import dataclasses
from pathlib import Path

from data_prep import readers, titles
from data_prep.catalogue import CATALOGUE
from data_prep.errors import DataError
from data_prep.raw_file import RawFile, members
from data_prep.readers import Layout
from data_prep.sources import download
from data_prep.sources.raw_data import RawData, how_to_get
from data_prep.spec import DatasetSpec
from data_prep.table import InteractionTable

_COLUMNS = ("user", "movie", "rating", "timestamp")
_PLAIN = Layout(user="user", item="movie", rating="rating", timestamp="timestamp", quote="", columns=_COLUMNS)
_LAYOUTS = {
    "ratings.csv": Layout(
        user="userId", item="movieId", rating="rating", timestamp="timestamp", delimiter=","
    ),
    "ratings.dat": dataclasses.replace(_PLAIN, delimiter="::"),
    "u.data": dataclasses.replace(_PLAIN, delimiter="\t"),
}
_FILES = "the .zip, or ratings.csv, ratings.dat or u.data from it,"


def locate(spec: DatasetSpec, place: Path, data_dir: str) -> RawData:
    """GroupLens' files in `place`; else their archive, fetched into it, if its checksum is known.

    Raises:
        DataError: neither is to be had.
    """
    file = find(place)
    if file is None:
        file = _fetched(spec, place)
    timestamps = spec.protocol == "temporal"
    return RawData(
        str(file),
        [file.identity],
        lambda: read(file, spec.threshold, timestamps=timestamps),
        titles.beside(file, "movieId"),
    )


def _fetched(spec: DatasetSpec, place: Path) -> RawFile:
    entry = CATALOGUE[spec.name]
    url = entry.url
    if spec.path is not None:
        raise how_to_get(spec.name, url, _FILES, place)
    try:
        path = download.fetch(url, place, checksum=entry.checksum)
    except DataError as error:
        raise how_to_get(spec.name, url, _FILES, place, str(error)) from error
    file = find(path)
    if file is None:
        raise DataError(f"{path} has none of {', '.join(_LAYOUTS)}")
    return file


def find(place: Path) -> RawFile | None:
    """The ratings among GroupLens' files: in `place`, in a folder below it, or in the .zip as distributed."""
    if place.suffix == ".zip" or RawFile(place).name in _LAYOUTS:
        candidates = [place] if place.is_file() else []
    else:
        candidates = sorted([*place.glob("*"), *place.glob("*/*")])
    for path in candidates:
        if RawFile(path).name in _LAYOUTS:
            return RawFile(path)
    for path in candidates:
        if path.suffix == ".zip":
            for name in members(path):
                if Path(name).name in _LAYOUTS and not name.startswith("__MACOSX"):
                    return RawFile(path, name)
    return None


def read(file: RawFile, threshold: float | None, *, timestamps: bool) -> InteractionTable:
    """The positives of `ratings.csv`, `ratings.dat` or `u.data`, in the order of user and movie."""
    layout = _LAYOUTS[file.name]
    if not timestamps:
        layout = dataclasses.replace(layout, timestamp="")
    return readers.read_table([file], layout, threshold).sorted_by_ids()
