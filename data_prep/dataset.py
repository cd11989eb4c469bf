"""A prepared dataset on disk: sparse matrices, raw ids and a manifest, in a folder named by its spec."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse

from data_prep import columns
from data_prep.catalogue import CATALOGUE, DatasetSpec, published_name
from data_prep.database_url import without_secrets
from data_prep.errors import DataError
from data_prep.files import sha256, write_folder
from data_prep.sources import pro_sg
from data_prep.splits import HeldOutRows, Split
from data_prep.titles import Titles

FORMAT = 2
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
        description: what was read and how, in a line for a person.
        reference_files: of a dataset whose split is known: file of the `pro_sg` folder -> whether it is the
            same.

    Examples:
        >>> data = data_prep.prepare("demo")
        >>> data.train, data.test.fold_in, data.item_ids[:3]
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
    description: str = ""
    reference_files: dict[str, bool] = dataclasses.field(default_factory=dict)

    @property
    def published_name(self) -> str | None:
        """The dataset of the catalogue beside whose published results this can stand, or None."""
        return published_name(self.spec)

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.spec.name

    @property
    def num_items(self) -> int:
        """The size of the catalogue: the items of the training users."""
        return len(self.item_ids)


def spec_to_json(spec: DatasetSpec) -> dict[str, Any]:
    """All fields as JSON values, passwords left out."""
    fields = dataclasses.asdict(spec)
    return fields | {"path": spec.path and without_secrets(spec.path), "append": list(spec.append)}


def write(folder: Path, spec: DatasetSpec, split: Split, titles: Titles | None) -> None:
    """Writes a split and its manifest.

    Args:
        folder: is made, and appears whole or not at all.
        spec: how it was made.
        split: the parts.
        titles: raw item id -> title, or None.

    Raises:
        DataError: the folder cannot be written.
    """
    write_folder(folder, lambda temporary: _fill(temporary, spec, split, titles))


def _fill(folder: Path, spec: DatasetSpec, split: Split, titles: Titles | None) -> None:
    num_items = len(split.item_ids)
    _write_matrix(folder / _TRAIN, split.train.csr(0, split.num_train_users, num_items))
    for part, users, rows in _held_out_parts(split):
        _write_matrix(folder / f"{part}_fold_in.npz", rows.fold_in.csr(*users, num_items))
        _write_matrix(folder / f"{part}_held_out.npz", rows.held_out.csr(*users, num_items))
    columns.write(folder / _ITEMS, "item_id", split.item_ids)
    columns.write(folder / _USERS, "user_id", split.user_ids)
    if titles:
        columns.write(
            folder / _TITLES, "title", pa.array([titles.get(raw, "") for raw in split.item_ids.to_pylist()])
        )
    published = published_name(spec)
    hashes = CATALOGUE[published].pro_sg_hashes if published else {}
    manifest = {
        "format": FORMAT,
        "spec": spec_to_json(spec),
        "counts": split.counts,
        "description": without_secrets(split.description),
        "reference_files": pro_sg.meets(split, hashes) if hashes else {},
        "validation_users": split.validation_users,
        "test_users": split.test_users,
        "sha256": {path.name: sha256(path) for path in sorted(folder.iterdir())},
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
        if manifest["format"] != FORMAT:
            raise DataError(f"{folder} was prepared by another version of this program: {remedy}")
        parts = {part: manifest[f"{part}_users"] for part in ("validation", "test")}
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{folder} holds no prepared dataset: {_MANIFEST} is missing") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / _MANIFEST} was changed by hand ({error}): {remedy}") from error
    for name, expected in checksums.items():
        if not (folder / name).exists():
            raise DataError(f"{folder / name} is missing: {remedy}")
        found = sha256(folder / name)
        if found != expected:
            raise DataError(
                f"{folder / name} was changed after it was prepared: its sha256 is {found[:12]}..., "
                f"{_MANIFEST} says {expected[:12]}...: {remedy}"
            )
    user_ids = columns.read(folder / _USERS)
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
        description=manifest["description"],
        reference_files=manifest["reference_files"],
        item_ids=columns.read(folder / _ITEMS),
        item_titles=columns.read(folder / _TITLES) if _TITLES in checksums else None,
        train_user_ids=user_ids[: train.shape[0]],
        train=train,
        validation=held_out_users("validation"),
        test=held_out_users("test"),
    )


def _fingerprint(checksums: dict[str, str]) -> str:
    content = {name: checksum for name, checksum in checksums.items() if name != _TITLES}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
