"""Files of one's own: delimited text, JSON lines, Parquet and Arrow."""

import dataclasses
from pathlib import Path

from data_prep import readers, titles
from data_prep.readers.files import expand
from data_prep.sources.raw_data import RawData
from data_prep.spec import DatasetSpec


def locate(spec: DatasetSpec, place: Path, data_dir: str) -> RawData:
    """The files of a spec's path, and the titles beside the first."""
    files = expand(str(place) if spec.path is None else spec.path)
    layout = spec.layout()
    return RawData(
        str(spec.path),
        [file.identity for file in files],
        lambda: readers.read_table(files, layout, spec.threshold),
        titles.beside(files[0], spec.item_column),
    )


def appended(spec: DatasetSpec, path: str) -> RawData:
    """A file, or several, with the columns of a spec, to be read after its own raw data."""
    return locate(dataclasses.replace(spec, path=path, source="table", append=()), Path(path), "")
