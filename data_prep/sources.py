"""From a spec to its raw data: where it lies, how to tell that it changed, how to read it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data_prep import demo, movielens, netflix, pro_sg, readers, titles
from data_prep.catalogue import CATALOGUE, DatasetSpec
from data_prep.errors import DataError
from data_prep.raw_file import RawFile, only_member
from data_prep.readers import Layout
from data_prep.splits import Split, split
from data_prep.titles import Titles

_MSD_LAYOUT = Layout("user", "song", "count", delimiter="\t", column_names=("user", "song", "count"))


@dataclasses.dataclass(frozen=True)
class RawData:
    """Raw data that has been found but not been read.

    Attributes:
        source: what it is called in messages.
        identity: JSON value that changes when the data does.
        read: reads and splits it; returns the titles too, None where there are none.
    """

    source: str
    identity: list[Any]
    read: Callable[[], tuple[Split, Titles | None]]


def locate(spec: DatasetSpec, data_dir: str) -> RawData:
    """Finds the raw data of a spec.

    Args:
        spec: of the dataset.
        data_dir: the data folder; a catalogue dataset's files are looked for in `<data_dir>/<name>`.

    Raises:
        DataError: the data is not there; the message says what to fetch, from where, and where to put it.
    """
    find = {
        "demo": _demo,
        "movielens": _movielens,
        "netflix": _netflix,
        "msd": _msd,
        "table": _table,
        "pro_sg": _pro_sg,
    }[spec.source]
    return find(spec, Path(spec.path or Path(data_dir, spec.name)), data_dir)


def _raw(
    spec: DatasetSpec,
    source: str,
    files: list[RawFile],
    read_split: Callable[[], Split],
    find_titles: Callable[[], Titles | None],
) -> RawData:
    """Raw data in files; a --titles file takes the place of the titles that lie beside them."""
    if spec.titles is not None:
        own = RawFile(Path(spec.titles))
        if not own.path.is_file():
            raise DataError(f"there is no file {spec.titles} (--titles)")
        return RawData(
            source,
            [file.identity for file in (*files, own)],
            lambda: (read_split(), titles.read_csv(own, spec.item_column)),
        )
    return RawData(source, [file.identity for file in files], lambda: (read_split(), find_titles()))


def _table(spec: DatasetSpec, path: Path, data_dir: str) -> RawData:
    timestamp = spec.timestamp_column if spec.protocol == "temporal" else ""
    layout = Layout(spec.user_column, spec.item_column, spec.rating_column, timestamp)
    file = RawFile(path)
    return _raw(
        spec,
        str(path),
        [file],
        lambda: split(readers.read_table(path, layout, spec.threshold), spec, str(path)),
        lambda: titles.find(file, spec.item_column),
    )


def _movielens(spec: DatasetSpec, place: Path, data_dir: str) -> RawData:
    file = movielens.find(place)
    if file is None:
        return _movielens_from_tfds(spec, place, data_dir)
    timestamps = spec.protocol == "temporal"
    return _raw(
        spec,
        str(file),
        [file],
        lambda: split(movielens.read(file, spec.threshold, timestamps=timestamps), spec, str(file)),
        lambda: titles.find(file, "movieId"),
    )


def _movielens_from_tfds(spec: DatasetSpec, place: Path, data_dir: str) -> RawData:
    name = CATALOGUE[spec.name].tfds
    if not name or spec.path is not None:
        raise DataError(_how_to_get(spec, place))

    def read() -> tuple[Split, Titles | None]:
        try:
            table, movie_titles = movielens.read_tfds(name, data_dir, spec.threshold)
        except DataError as error:
            raise DataError(f"{_how_to_get(spec, place)} ({error})") from error
        return split(table, spec, name), movie_titles

    return RawData(name, [name], read)


def _netflix(spec: DatasetSpec, place: Path, data_dir: str) -> RawData:
    paths = netflix.find(place)
    if not paths:
        raise DataError(_how_to_get(spec, place))
    files = [RawFile(path) for path in paths]

    def find_titles() -> Titles | None:
        # movie_titles.txt lies beside the folder training_set, or beside combined_data_*.txt.
        return titles.find(files[0], "movieId") or titles.find(RawFile(paths[0].parent), "movieId")

    return _raw(
        spec,
        str(place),
        files,
        lambda: split(netflix.read(paths, spec.threshold), spec, str(place)),
        find_titles,
    )


def _msd(spec: DatasetSpec, place: Path, data_dir: str) -> RawData:
    names = ("train_triplets.txt", "train_triplets.txt.gz", "train_triplets.txt.zip")
    candidates = [place] if place.is_file() else [place / name for name in names]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        raise DataError(_how_to_get(spec, place))
    file = only_member(path, (".txt",))
    return _raw(
        spec,
        str(file),
        [file],
        lambda: split(readers.read_text(file, _MSD_LAYOUT, spec.threshold), spec, str(file)),
        lambda: titles.find(RawFile(path), "song"),
    )


def _demo(spec: DatasetSpec, place: Path, data_dir: str) -> RawData:
    def read() -> tuple[Split, Titles | None]:
        table, item_titles = demo.generate()
        return split(table, spec, "the demo data"), item_titles

    return RawData("the demo data", [demo.VERSION], read)


def _pro_sg(spec: DatasetSpec, folder: Path, data_dir: str) -> RawData:
    files = [RawFile(folder / name) for name in pro_sg.FILE_NAMES if (folder / name).exists()]
    return _raw(spec, str(folder), files, lambda: pro_sg.read(folder), lambda: None)


def _how_to_get(spec: DatasetSpec, place: Path) -> str:
    files = {
        "movielens": "the .zip, or ratings.csv, ratings.dat or u.data from it",
        "netflix": "the tar, or its mv_*.txt or combined_data_*.txt",
        "msd": "train_triplets.txt, or the .zip of it",
    }[spec.source]
    return (
        f"{spec.name} is not here: fetch it from {CATALOGUE[spec.name].url} and put {files} into {place}, "
        "or name another place with --raw_path"
    )
