"""The `pro_sg` folder of Liang et al.'s code: written byte for byte as theirs, and read as a dataset."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from data_prep.errors import DataError
from data_prep.files import write_folder
from data_prep.splits import HeldOutRows, Rows, Split

_USERS, _ITEMS = "unique_uid.txt", "unique_sid.txt"
_PARTS = ("train", "validation_tr", "validation_te", "test_tr", "test_te")
FILE_NAMES = (_USERS, _ITEMS, *(f"{part}.csv" for part in _PARTS))


def write(split: Split, folder: Path) -> None:
    """Writes the split.

    Args:
        split: of the strong protocol.
        folder: must not exist, or be empty.

    Raises:
        DataError: it holds something already, or cannot be written; then nothing is left behind.
    """
    parts = {
        "train": split.train,
        "validation_tr": split.validation.fold_in,
        "validation_te": split.validation.held_out,
        "test_tr": split.test.fold_in,
        "test_te": split.test.held_out,
    }

    def fill(temporary: Path) -> None:
        _write_ids(temporary / _USERS, split.user_ids)
        _write_ids(temporary / _ITEMS, split.item_ids)
        for part, rows in parts.items():
            frame = pd.DataFrame({"uid": rows.users, "sid": rows.items})
            frame.to_csv(temporary / f"{part}.csv", index=False, lineterminator="\n")

    write_folder(folder, fill)


def _write_ids(path: Path, ids: Iterable[object]) -> None:
    path.write_text("".join(f"{raw}\n" for raw in ids), encoding="utf-8")


def read(folder: Path) -> Split:
    """The split that a folder holds; without unique_uid.txt the users' positions are their ids.

    Raises:
        DataError: a file is missing, empty or malformed, or an item number has no id.
    """
    item_ids = _read_ids(folder / _ITEMS)
    parts = {part: _read_rows(folder / f"{part}.csv", len(item_ids)) for part in _PARTS}
    train = parts["train"]
    if not len(train.users):
        raise DataError(f"{folder / 'train.csv'} has no rows")
    num_train = int(train.users.max()) + 1
    ranges = {name: _user_range(parts[f"{name}_tr"], parts[f"{name}_te"]) for name in ("validation", "test")}
    num_users = max(num_train, ranges["validation"][1], ranges["test"][1])
    users = folder / _USERS
    user_ids = _read_ids(users) if users.exists() else np.arange(num_users)
    if len(user_ids) < num_users:
        raise DataError(f"{users} has {len(user_ids):,} ids, but there is a uid {num_users - 1:,}")
    return Split(
        user_ids=user_ids,
        item_ids=item_ids,
        train=train,
        validation=HeldOutRows(parts["validation_tr"], parts["validation_te"]),
        test=HeldOutRows(parts["test_tr"], parts["test_te"]),
        num_train_users=num_train,
        validation_users=ranges["validation"],
        test_users=ranges["test"],
        counts={
            "users": num_users,
            "events": sum(len(rows.users) for rows in parts.values()),
            "train_users": num_train,
            "train_items": len(item_ids),
        },
    )


def _user_range(fold_in: Rows, held_out: Rows) -> tuple[int, int]:
    users = np.concatenate([fold_in.users, held_out.users])
    return (int(users.min()), int(users.max()) + 1) if len(users) else (0, 0)


def _read_ids(path: Path) -> np.ndarray:
    try:
        return np.array(path.read_text(encoding="utf-8").splitlines(), object)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _read_rows(path: Path, num_items: int) -> Rows:
    try:
        frame = pd.read_csv(path, dtype=np.int32)
        users, items = frame["uid"].to_numpy(), frame["sid"].to_numpy()
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} is not a table of uid,sid: {error}") from error
    bad = np.flatnonzero((items < 0) | (items >= num_items) | (users < 0))
    if len(bad):
        row = int(bad[0])
        raise DataError(
            f"{path}, line {row + 2}: uid {users[row]}, sid {items[row]}; {_ITEMS} has {num_items:,} ids"
        )
    return Rows(users, items)
