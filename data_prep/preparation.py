"""From raw data to a prepared dataset, which is made once and loaded afterwards."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from data_prep import sources
from data_prep.catalogue import CATALOGUE, DatasetSpec, has_published_filters, resolve
from data_prep.dataset import FORMAT, PreparedDataset, load, spec_to_json, write
from data_prep.errors import DataError
from data_prep.sources import pro_sg, table
from data_prep.splits import HeldOutIds, Split, require_something_to_predict
from data_prep.splits import split as split_table
from data_prep.table import InteractionTable, appended


def prepare(
    dataset: DatasetSpec | str | os.PathLike[str] | Sequence[str],
    data_dir: str | os.PathLike[str] = "data",
    export_pro_sg: str | os.PathLike[str] | None = None,
    **settings: Any,
) -> PreparedDataset:
    """The prepared dataset of a spec: loaded if it is on disk already, otherwise made and written.

    Args:
        dataset: a name of the catalogue, a file, folder or pattern of files, several files, the URL of a
            database, or a spec.
        data_dir: the folder of all data; this goes to `<data_dir>/<name>/prepared/<hash>/`.
        export_pro_sg: also write the split as a `pro_sg` folder here.
        **settings: fields of `DatasetSpec` that are not to have their defaults.

    Raises:
        DataError: the raw data is missing or bad, the counts are not those that the catalogue expects, or
            a folder cannot be written.

    Examples:
        >>> data = data_prep.prepare("mine.csv", threshold=3.5, heldout_users=100)
        >>> data.train.shape, data.item_ids[:3]
    """
    data_dir = os.fspath(data_dir)
    if isinstance(dataset, DatasetSpec):
        spec = dataclasses.replace(dataset, **settings)
    else:
        spec = resolve(dataset, **settings)
    if export_pro_sg and spec.protocol != "strong":
        raise DataError(f"a pro_sg folder holds the strong protocol, not {spec.protocol}")
    raw = sources.locate(spec, data_dir)
    old = _old_dataset(spec, data_dir)
    additions = [table.appended(spec, path) for path in spec.append]
    identity = [
        raw.identity,
        raw.titles.identity if raw.titles else None,
        [addition.identity for addition in additions],
        old.fingerprint if old else None,
    ]
    folder = _folder(spec, data_dir, identity) if raw.identity is not None else None
    if folder and folder.exists() and not export_pro_sg:
        return load(folder)
    split = _read(spec, raw, additions, old)
    if folder is None:  # only now is it known what there is
        folder = _folder(spec, data_dir, [*identity, _digest(split)])
    _require_expected_counts(split.counts, spec, raw.source)
    require_something_to_predict(split, raw.source, spec.protocol)
    if export_pro_sg:
        pro_sg.write(split, Path(export_pro_sg))
    if not folder.exists():
        try:
            write(folder, spec, split, raw.read_titles())
        except DataError:
            if not folder.exists():  # otherwise another process has written the same
                raise
    return load(folder)


def _folder(spec: DatasetSpec, data_dir: str, identity: list[Any]) -> Path:
    key = json.dumps([FORMAT, spec_to_json(spec), identity])
    return Path(data_dir, spec.name, "prepared", hashlib.sha256(key.encode()).hexdigest()[:16])


def _old_dataset(spec: DatasetSpec, data_dir: str) -> PreparedDataset | None:
    """The dataset whose held-out users stay held out: that without the additions, or the one named."""
    if spec.append:
        return prepare(dataclasses.replace(spec, append=()), data_dir)
    return load(spec.heldout_from) if spec.heldout_from else None


def _read(
    spec: DatasetSpec, raw: sources.RawData, additions: list[sources.RawData], old: PreparedDataset | None
) -> Split:
    found = raw.read()
    if isinstance(found, Split):
        return found
    held_out = None
    if old is not None:
        held_out = HeldOutIds(old.validation.user_ids.tolist(), old.test.user_ids.tolist())
    if additions:
        tables = [found, *(cast(InteractionTable, addition.read()) for addition in additions)]
        found = appended(tables, raw.source, spec.timestamp_unit)
    return split_table(found, spec, raw.source, held_out)


def _digest(split: Split) -> str:
    """Tells one split from another."""
    digest = hashlib.sha256(json.dumps(split.counts).encode())
    for ids in (split.user_ids, split.item_ids):
        digest.update("\n".join(ids.to_pylist()).encode())
    for rows in (split.train, split.validation.fold_in, split.validation.held_out, split.test.held_out):
        digest.update(np.ascontiguousarray(rows.users).tobytes())
        digest.update(np.ascontiguousarray(rows.items).tobytes())
    return digest.hexdigest()


def _require_expected_counts(counts: dict[str, int], spec: DatasetSpec, source: str) -> None:
    if not has_published_filters(spec):
        return
    entry = CATALOGUE[spec.name]
    own_split = spec.protocol == "strong" and spec.heldout_users == entry.spec.heldout_users
    expected = {k: v for k, v in entry.expected.items() if own_split or k != "train_items"}
    if any(counts[name] != number for name, number in expected.items()):
        found = ", ".join(f"{counts[name]:,} {name}" for name in expected)
        wanted = ", ".join(f"{number:,} {name}" for name, number in expected.items())
        raise DataError(f"{source} gives {found}; {spec.name} has {wanted}: the raw data is not complete")
