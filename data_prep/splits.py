"""Filters and the two protocols that split a table into training, validation and test.

`strong` is the procedure of Liang et al. 2018 and its code: users are held out whole, and of each held-out
user a fifth of the items. `temporal`: every user is in all three parts, by the order of time.
"""

import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa
import scipy.sparse

from data_prep.errors import DataError
from data_prep.spec import DatasetSpec
from data_prep.table import InteractionTable

_FEWEST_TO_SPLIT = 5
_FEWEST_FOR_VALIDATION_BY_TIME = 6
_HELD_OUT_FRACTION = 0.2
_MOST_HELDOUT_USERS = 10_000


@dataclasses.dataclass(frozen=True)
class Rows:
    """M interactions, in the reference's order.

    Attributes:
        users: int32 [M], position of the user in `Split.user_ids`.
        items: int32 [M], position of the item in `Split.item_ids`.
    """

    users: np.ndarray
    items: np.ndarray

    def csr(self, first_user: int, end_user: int, num_items: int) -> scipy.sparse.csr_matrix:
        """The users first_user to end_user - 1 as rows: float32 ones, the items of each row ascending."""
        shape = (end_user - first_user, num_items)
        ones = np.ones(len(self.users), np.float32)
        return scipy.sparse.csr_matrix((ones, (self.users - first_user, self.items)), shape=shape)


@dataclasses.dataclass(frozen=True)
class HeldOutRows:
    """What a model sees of the users it is tested on, and what it has to predict."""

    fold_in: Rows
    held_out: Rows


@dataclasses.dataclass(frozen=True)
class Split:
    """A dataset in its parts.

    Attributes:
        user_ids: raw ids by position, string: the order of the permuted users under `strong`.
        item_ids: raw ids by position, string: the order of first appearance in the training rows.
        train: rows of the users 0 to num_train_users - 1.
        validation: of the users in `validation_users`, a half-open range of positions.
        test: likewise in `test_users`.
        num_train_users: how many users are trained on.
        validation_users: first and end.
        test_users: first and end.
        counts: users, items, events after the filters, duplicates, and more, for the manifest.
        description: what was read and how, in a line for a person.
    """

    user_ids: pa.StringArray
    item_ids: pa.StringArray
    train: Rows
    validation: HeldOutRows
    test: HeldOutRows
    num_train_users: int
    validation_users: tuple[int, int]
    test_users: tuple[int, int]
    counts: dict[str, int]
    description: str = ""


@dataclasses.dataclass(frozen=True)
class HeldOutIds:
    """The users whom another dataset holds out.

    Attributes:
        validation: raw ids, in the order of that dataset.
        test: likewise.
    """

    validation: list[str]
    test: list[str]


def split(
    table: InteractionTable, spec: DatasetSpec, source: str, held_out: HeldOutIds | None = None
) -> Split:
    """Filters the positives and splits them by the spec's protocol.

    Args:
        table: the positives in raw order.
        spec: filters, protocol, held-out users, seed.
        source: what was read, for messages.
        held_out: who is to be held out; None draws them. The temporal protocol holds out nobody.

    Raises:
        DataError: nothing is left after the filters, there are too few users for the held-out count, or the
            temporal protocol has no timestamps.
    """
    duplicates, contradictions = table.num_duplicates, table.num_contradictions
    table = _filtered(table, spec, source)
    counts = {
        "users": len(table.user_ids),
        "items": int(np.count_nonzero(np.bincount(table.items))),
        "events": len(table.users),
        "duplicates": duplicates,
        "contradicting_pairs": contradictions,
    }
    if spec.protocol == "temporal":
        result = _temporal(table, source, counts)
    else:
        result = _strong(table, spec, source, counts, held_out)
    return dataclasses.replace(result, description=table.description)


def require_something_to_predict(result: Split, source: str, protocol: str) -> None:
    """Refuses a split by which a model could not be chosen or tested.

    Raises:
        DataError: none of the validation users, or none of the test users, has a held-out item.
    """
    fewest = {
        ("strong", "validation"): _FEWEST_TO_SPLIT,
        ("strong", "test"): _FEWEST_TO_SPLIT,
        ("temporal", "validation"): _FEWEST_FOR_VALIDATION_BY_TIME,
        ("temporal", "test"): 2,
    }
    for part, users, rows in (
        ("validation", result.validation_users, result.validation),
        ("test", result.test_users, result.test),
    ):
        if not len(rows.held_out.users):
            raise DataError(
                f"{source}: none of the {users[1] - users[0]:,} {part} users has a held-out item "
                f"({protocol} needs "
                f"users with {fewest[protocol, part]} or more items, and items that training users have "
                f"too); get "
                "longer histories, hold out more users with heldout_users=, or choose another protocol="
            )


def _filtered(table: InteractionTable, spec: DatasetSpec, source: str) -> InteractionTable:
    """Items with too few users go first, then users with too few items; no second look at the items."""
    if spec.min_item_users > 0:
        users_of = np.bincount(table.items, minlength=len(table.item_ids))
        table = table.select(users_of[table.items] >= spec.min_item_users)
    items_of = np.bincount(table.users, minlength=len(table.user_ids))
    kept = items_of >= max(spec.min_user_items, 1)
    if not kept.any():
        raise DataError(
            f"{source}: nothing is left after the filters (threshold {spec.threshold}, min_item_users "
            f"{spec.min_item_users}, min_user_items {spec.min_user_items})"
        )
    position = np.cumsum(kept, dtype=np.int32) - 1
    table = table.select(kept[table.users])
    return dataclasses.replace(
        table, users=position[table.users], user_ids=table.user_ids.filter(pa.array(kept))
    )


def _strong(
    table: InteractionTable,
    spec: DatasetSpec,
    source: str,
    counts: dict[str, int],
    held_out_ids: HeldOutIds | None,
) -> Split:
    num_users = len(table.user_ids)
    permuted = np.random.RandomState(spec.split_seed).permutation(num_users)
    if held_out_ids is None:
        heldout = spec.heldout_users or min(max(num_users // 10, 1), _MOST_HELDOUT_USERS)
        num_validation = num_test = heldout
    else:
        permuted, num_validation, num_test = _with_old_ones_last(table.user_ids, permuted, held_out_ids)
        heldout = num_test
    num_train = num_users - num_validation - num_test
    if num_train < 1:
        raise DataError(
            f"{source} has {num_users:,} users after the filters: too few to hold out {heldout:,} for "
            "validation and as many for the test; set heldout_users=NUMBER"
        )
    position = np.empty(num_users, np.int32)
    position[permuted] = np.arange(num_users, dtype=np.int32)

    is_train = position[table.users] < num_train
    item_ids, item_number = _items_of_training(table, is_train)
    table = dataclasses.replace(table, items=item_number[table.items])
    known = table.items >= 0

    def held_out(first: int, count: int) -> HeldOutRows:
        place = position[table.users]
        part = table.select(known & (first <= place) & (place < first + count))
        fold_in, held = _fold_in(part, spec.split_seed)
        return HeldOutRows(_rows(fold_in, position), _rows(held, position))

    return Split(
        user_ids=table.user_ids.take(pa.array(permuted)),
        item_ids=item_ids,
        train=_rows(table.select(is_train), position),
        validation=held_out(num_train, num_validation),
        test=held_out(num_train + num_validation, num_test),
        num_train_users=num_train,
        validation_users=(num_train, num_train + num_validation),
        test_users=(num_train + num_validation, num_users),
        counts=counts | {"train_users": num_train, "heldout_users": heldout, "train_items": len(item_ids)},
    )


def _with_old_ones_last(
    user_ids: pa.StringArray, permuted: np.ndarray, old: HeldOutIds
) -> tuple[np.ndarray, int, int]:
    """The order of users with those held out before at its end, and how many there are of either kind."""
    place = {raw: code for code, raw in enumerate(user_ids.to_pylist())}
    validation = [place[raw] for raw in old.validation if raw in place]
    test = [place[raw] for raw in old.test if raw in place]
    is_held_out = np.zeros(len(permuted), bool)
    is_held_out[validation + test] = True
    order = np.concatenate([permuted[~is_held_out[permuted]], np.array(validation + test, np.int64)])
    return order, len(validation), len(test)


def _items_of_training(table: InteractionTable, is_train: np.ndarray) -> tuple[pa.StringArray, np.ndarray]:
    """Raw ids in the order of first appearance, and the number of each item code, -1 where untrained."""
    order = pd.unique(table.items[is_train])
    number = np.full(len(table.item_ids), -1, np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)
    return table.item_ids.take(pa.array(order)), number


def _rows(table: InteractionTable, position: np.ndarray) -> Rows:
    return Rows(position[table.users], table.items)


def _fold_in(part: InteractionTable, seed: int) -> tuple[InteractionTable, InteractionTable]:
    """A fifth of the rows of each user who has five or more is held out, drawn in the order of raw ids.

    One legacy NumPy stream serves all users, so each draw depends on the users before.
    """
    part = part.select(np.argsort(part.users, kind="stable"))
    held_out = np.zeros(len(part.users), bool)
    random = np.random.RandomState(seed)
    _, starts, lengths = np.unique(part.users, return_index=True, return_counts=True)
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        if length >= _FEWEST_TO_SPLIT:
            chosen = random.choice(length, size=int(_HELD_OUT_FRACTION * length), replace=False)
            held_out[start + chosen] = True
    return part.select(~held_out), part.select(held_out)


def _temporal(table: InteractionTable, source: str, counts: dict[str, int]) -> Split:
    """Of each user's n rows in the order of time, 80% are trained on, the next 10% validate, the rest test.

    The first max(1, 8n // 10) rows train and those up to 9n // 10 validate; rows of equal time keep their raw
    order. Fold-in is all that came before. Items that no training row has are dropped.
    """
    if table.timestamps is None:
        raise DataError(f"{source} has no timestamps, which protocol=temporal needs")
    by_time = table.select(np.lexsort((table.timestamps, table.users)))
    lengths = np.bincount(by_time.users)
    rank = np.arange(len(by_time.users)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    n = lengths[by_time.users]
    train_end = np.maximum(1, n * 8 // 10)
    validation_end = np.maximum(train_end, n * 9 // 10)
    is_train, is_seen = rank < train_end, rank < validation_end

    in_raw_order = np.empty(len(rank), bool)
    in_raw_order[np.lexsort((table.timestamps, table.users))] = is_train
    item_ids, item_number = _items_of_training(table, in_raw_order)
    by_time = dataclasses.replace(by_time, items=item_number[by_time.items])
    known = by_time.items >= 0

    def rows(mask: np.ndarray) -> Rows:
        part = by_time.select(mask & known)
        return Rows(part.users, part.items)

    everyone = (0, len(table.user_ids))
    return Split(
        user_ids=table.user_ids,
        item_ids=item_ids,
        train=rows(is_train),
        validation=HeldOutRows(rows(is_train), rows(is_seen & ~is_train)),
        test=HeldOutRows(rows(is_seen), rows(~is_seen)),
        num_train_users=len(table.user_ids),
        validation_users=everyone,
        test_users=everyone,
        counts=counts | {"train_users": len(table.user_ids), "train_items": len(item_ids)},
    )
