"""A prepared dataset on disk: sparse matrices, raw ids and a manifest, in a folder named by its spec."""

import csv
import dataclasses
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import scipy.sparse

from data_prep import pro_sg, sources
from data_prep.catalogue import CATALOGUE, DatasetSpec
from data_prep.errors import DataError
from data_prep.files import write_folder
from data_prep.splits import HeldOutRows, Split
from data_prep.titles import Titles

_FORMAT = 1
_MANIFEST, _ITEMS, _TITLES, _USERS = "manifest.json", "items.csv", "titles.csv", "users.csv"
_TRAIN = "train.npz"


@dataclasses.dataclass(frozen=True)
class HeldOutUsers:
    """Validation or test users.

    Attributes:
        user_ids: raw ids, str [U].
        fold_in: float32 CSR [U, num_items]: what a model sees of them.
        held_out: likewise: what it has to predict.
    """

    user_ids: np.ndarray
    fold_in: scipy.sparse.csr_matrix
    held_out: scipy.sparse.csr_matrix


@dataclasses.dataclass(frozen=True)
class PreparedDataset:
    """What models are trained and tested on.

    Attributes:
        spec: how it was made.
        folder: where it lies.
        fingerprint: sha256 over all but the titles: the same from any source of the same data.
        counts: users, items, events after the filters, duplicates left out, and so on.
        item_ids: raw ids by item number, str [num_items].
        item_titles: by item number, '' where there is none; None where no item has one.
        train_user_ids: raw ids of the rows of `train`, str.
        train: float32 CSR [num_train_users, num_items] of ones.
        validation: users by whom the best epoch is chosen.
        test: users on whom the result is reported.
    """

    spec: DatasetSpec
    folder: Path
    fingerprint: str
    counts: dict[str, int]
    item_ids: np.ndarray
    item_titles: np.ndarray | None
    train_user_ids: np.ndarray
    train: scipy.sparse.csr_matrix
    validation: HeldOutUsers
    test: HeldOutUsers

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.spec.name

    @property
    def num_items(self) -> int:
        """The size of the catalogue: the items of the training users."""
        return len(self.item_ids)


def prepare(spec: DatasetSpec, data_dir: str, export_pro_sg: str | None = None) -> PreparedDataset:
    """The prepared dataset of a spec: loaded if it is on disk already, otherwise made and written.

    Args:
        spec: of the dataset.
        data_dir: the folder of all data; this goes to `<data_dir>/<name>/prepared/<hash>/`.
        export_pro_sg: also write the split as a `pro_sg` folder here.

    Raises:
        DataError: the raw data is missing or bad, the counts are not those that the catalogue expects, or
            a folder cannot be written.
    """
    if export_pro_sg and spec.protocol != "strong":
        raise DataError(f"a pro_sg folder holds the strong protocol, not {spec.protocol}")
    raw = sources.locate(spec, data_dir)
    key = json.dumps([_FORMAT, dataclasses.asdict(spec), raw.identity])
    folder = Path(data_dir, spec.name, "prepared", hashlib.sha256(key.encode()).hexdigest()[:16])
    if folder.exists() and not export_pro_sg:
        return load(folder)
    split, titles = raw.read()
    _require_expected_counts(split.counts, spec, raw.source)
    if export_pro_sg:
        pro_sg.write(split, Path(export_pro_sg))
    if not folder.exists():
        write_folder(folder, lambda temporary: _write(temporary, spec, split, titles))
    return load(folder)


def _require_expected_counts(counts: dict[str, int], spec: DatasetSpec, source: str) -> None:
    entry = CATALOGUE.get(spec.name)
    filters = ("source", "threshold", "min_item_users", "min_user_items")
    if entry is None or any(getattr(spec, f) != getattr(entry.spec, f) for f in filters):
        return
    own_split = spec.protocol == "strong" and spec.heldout_users == entry.spec.heldout_users
    expected = {k: v for k, v in entry.expected.items() if own_split or k != "train_items"}
    if any(counts[name] != number for name, number in expected.items()):
        found = ", ".join(f"{counts[name]:,} {name}" for name in expected)
        wanted = ", ".join(f"{number:,} {name}" for name, number in expected.items())
        raise DataError(f"{source} gives {found}; {spec.name} has {wanted}: the raw data is not complete")


def _write(folder: Path, spec: DatasetSpec, split: Split, titles: Titles | None) -> None:
    num_items = len(split.item_ids)
    _write_matrix(folder / _TRAIN, split.train.csr(0, split.num_train_users, num_items))
    for part, users, rows in _held_out_parts(split):
        _write_matrix(folder / f"{part}_fold_in.npz", rows.fold_in.csr(*users, num_items))
        _write_matrix(folder / f"{part}_held_out.npz", rows.held_out.csr(*users, num_items))
    _write_column(folder / _ITEMS, "item_id", split.item_ids)
    _write_column(folder / _USERS, "user_id", split.user_ids)
    if titles:
        _write_column(folder / _TITLES, "title", (titles.get(str(raw), "") for raw in split.item_ids))
    manifest = {
        "format": _FORMAT,
        "spec": dataclasses.asdict(spec),
        "counts": split.counts,
        "validation_users": split.validation_users,
        "test_users": split.test_users,
        "sha256": {path.name: _sha256(path) for path in sorted(folder.iterdir())},
    }
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _held_out_parts(split: Split) -> list[tuple[str, tuple[int, int], HeldOutRows]]:
    return [
        ("validation", split.validation_users, split.validation),
        ("test", split.test_users, split.test),
    ]


def _write_matrix(path: Path, matrix: scipy.sparse.csr_matrix) -> None:
    np.savez(path, indptr=matrix.indptr, indices=matrix.indices, shape=matrix.shape)


def _read_matrix(path: Path) -> scipy.sparse.csr_matrix:
    with np.load(path) as arrays:
        indices, indptr, shape = arrays["indices"], arrays["indptr"], arrays["shape"]
    return scipy.sparse.csr_matrix((np.ones(len(indices), np.float32), indices, indptr), shape=tuple(shape))


def _write_column(path: Path, name: str, values: Iterable[object]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([name])
        writer.writerows([str(value)] for value in values)


def _read_column(path: Path) -> np.ndarray:
    with path.open(newline="", encoding="utf-8") as file:
        return np.array([row[0] if row else "" for row in csv.reader(file)][1:], object)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load(folder: str | Path) -> PreparedDataset:
    """Reads a prepared dataset and verifies it against its manifest.

    Raises:
        DataError: it is not there, or a file of it is missing or was changed after it was prepared.
    """
    folder = Path(folder)
    remedy = f"delete {folder} and prepare it anew"
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        spec = DatasetSpec(**manifest["spec"])
        checksums: dict[str, str] = manifest["sha256"]
        parts = {part: manifest[f"{part}_users"] for part in ("validation", "test")}
    except FileNotFoundError:
        raise DataError(f"{folder} holds no prepared dataset: {_MANIFEST} is missing") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / _MANIFEST} was changed by hand ({error}): {remedy}") from error
    for name, expected in checksums.items():
        if not (folder / name).exists():
            raise DataError(f"{folder / name} is missing: {remedy}")
        found = _sha256(folder / name)
        if found != expected:
            raise DataError(
                f"{folder / name} was changed after it was prepared: its sha256 is {found[:12]}..., "
                f"{_MANIFEST} says {expected[:12]}...: {remedy}"
            )
    user_ids = _read_column(folder / _USERS)
    train = _read_matrix(folder / _TRAIN)

    def held_out_users(part: str) -> HeldOutUsers:
        fold_in, held_out = (_read_matrix(folder / f"{part}_{half}.npz") for half in ("fold_in", "held_out"))
        first, end = parts[part]
        return HeldOutUsers(user_ids[first:end], fold_in, held_out)

    return PreparedDataset(
        spec=spec,
        folder=folder,
        fingerprint=_fingerprint(checksums),
        counts=manifest["counts"],
        item_ids=_read_column(folder / _ITEMS),
        item_titles=_read_column(folder / _TITLES) if _TITLES in checksums else None,
        train_user_ids=user_ids[: train.shape[0]],
        train=train,
        validation=held_out_users("validation"),
        test=held_out_users("test"),
    )


def _fingerprint(checksums: dict[str, str]) -> str:
    content = {name: checksum for name, checksum in checksums.items() if name != _TITLES}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
