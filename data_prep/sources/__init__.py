"""From a spec to its raw data: where it lies, how to tell that it changed, how to read it.

Each module here is one source, and has `locate(spec, place, data_dir) -> RawData`.
"""

import dataclasses
import importlib
from pathlib import Path

from data_prep import titles
from data_prep.sources.raw_data import RawData
from data_prep.spec import DatasetSpec

__all__ = ["RawData", "locate"]


def locate(spec: DatasetSpec, data_dir: str) -> RawData:
    """Finds the raw data of a spec.

    Args:
        spec: of the dataset.
        data_dir: the data folder; a catalogue dataset's files are looked for in `<data_dir>/<name>`.

    Raises:
        DataError: the data is not there; the message says what to fetch, from where, and where to put it.
    """
    source = importlib.import_module(f"data_prep.sources.{spec.source}")
    raw: RawData = source.locate(spec, Path(spec.path or Path(data_dir, spec.name)), data_dir)
    if spec.titles is None:
        return raw
    return dataclasses.replace(raw, titles=titles.given(spec.titles, spec.item_column))
