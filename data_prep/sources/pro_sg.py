"""The `pro_sg` folder of Liang et al.'s code: written byte for byte as theirs, and read as a dataset."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from data_prep.errors import DataError
from data_prep.files import write_folder
from data_prep.raw_file import RawFile
from data_prep.sources.raw_data import RawData
from data_prep.spec import DatasetSpec
from data_prep.splits import HeldOutRows, Rows, Split

_USERS, _ITEMS = "unique_uid.txt", "unique_sid.txt"
_PARTS = ("train", "validation_tr", "validation_te", "test_tr", "test_te")
FILE_NAMES = (_USERS, _ITEMS, *(f"{part}.csv" for part in _PARTS))


def locate(spec: DatasetSpec, place: Path, data_dir: str) -> RawData:
    """The folder that a spec's path names."""
    files = [RawFile(place / name) for name in FILE_NAMES if (place / name).exists()]
    return RawData(str(place), [file.identity for file in files], lambda: read(place))


def write(split: Split, folder: Path) -> None:
    """Writes the split.

    Args:
        split: of the strong protocol.
        folder: must not exist, or be empty.

    Raises:
        DataError: an id cannot be told from its neighbours in a file of one id a line; the folder holds
            something already, or cannot be written; then nothing is left behind.
    """
    for ids in (split.user_ids, split.item_ids):
        _require_one_line_each(ids, folder)

    def fill(temporary: Path) -> None:
        for name, content in _contents(split):
            (temporary / name).write_bytes(content)

    write_folder(folder, fill)


def meets(split: Split, hashes: dict[str, str]) -> dict[str, bool]:
    """Whether the files that `write` would make have these hashes.

    Args:
        split: of the strong protocol.
        hashes: file -> 'sha256:...' or 'git:...', the name that git gives to such content.

    Returns:
        file -> whether it has.
    """
    met = {}
    for name, content in _contents(split):
        if name in hashes:
            kind, _, expected = hashes[name].partition(":")
            if kind == "git":
                digest = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
            else:
                digest = hashlib.sha256()
            digest.update(content)
            met[name] = digest.hexdigest() == expected
    return met


def _contents(split: Split) -> Iterator[tuple[str, bytes | memoryview]]:
    """Name and content of each file."""
    yield _USERS, _lines(split.user_ids)
    yield _ITEMS, _lines(split.item_ids)
    parts = (split.train, *(half for p in (split.validation, split.test) for half in (p.fold_in, p.held_out)))
    for part, rows in zip(_PARTS, parts, strict=True):
        sink = pa.BufferOutputStream()
        sink.write(b"uid,sid\n")
        table = pa.table({"uid": rows.users, "sid": rows.items})
        pa.csv.write_csv(table, sink, pa.csv.WriteOptions(include_header=False))
        yield f"{part}.csv", memoryview(sink.getvalue())


def _lines(ids: pa.StringArray) -> bytes:
    return "".join(f"{raw}\n" for raw in ids.to_pylist()).encode("utf-8")


def _require_one_line_each(ids: pa.StringArray, folder: Path) -> None:
    unfit = pc.or_(pc.match_substring(ids, "\n"), pc.ends_with(ids, "\r"))
    row = pc.index(unfit, True).as_py()
    if row < 0 and len(ids) and ids[0].as_py().startswith("\ufeff"):
        row = 0
    if row >= 0:
        raise DataError(
            f"{folder} cannot be written: a pro_sg folder has one id a line, and the id "
            f"{ids[row].as_py()!r} is "
            "not one line of text"
        )


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
    num_items = int(train.items.max()) + 1
    if num_items != len(item_ids):
        raise DataError(f"{folder / _ITEMS} has {len(item_ids):,} ids, but train.csv has {num_items:,} items")
    ranges = {name: _user_range(parts[f"{name}_tr"], parts[f"{name}_te"]) for name in ("validation", "test")}
    num_users = max(num_train, ranges["validation"][1], ranges["test"][1])
    users = folder / _USERS
    user_ids = _read_ids(users) if users.exists() else pa.array(np.arange(num_users)).cast(pa.string())
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
        description=f"{folder}: a pro_sg folder, filtered and split already",
    )


def _user_range(fold_in: Rows, held_out: Rows) -> tuple[int, int]:
    users = np.concatenate([fold_in.users, held_out.users])
    return (int(users.min()), int(users.max()) + 1) if len(users) else (0, 0)


def _read_ids(path: Path) -> pa.StringArray:
    """One id a line, without a byte order mark and, if all lines have it, without a carriage return."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    lines = text.removesuffix("\n").split("\n") if text else []
    if lines and all(line.endswith("\r") for line in lines):
        lines = [line[:-1] for line in lines]
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if not line or line in seen:
            problem = f"is {line!r}, as a line before" if line else "is empty"
            raise DataError(f"{path}, line {number} {problem}; it must be one id")
        seen.add(line)
    return pa.array(lines, pa.string())


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
