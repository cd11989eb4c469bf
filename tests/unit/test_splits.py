"""Filters and protocols on tables small enough to split by hand."""

import numpy as np
import pyarrow as pa
import pytest

from data_prep.errors import DataError
from data_prep.spec import DatasetSpec
from data_prep.splits import split
from data_prep.table import InteractionTable


def table(pairs, timestamps=None):
    """A table of raw integer (user, item) pairs."""
    users, items = np.array(pairs).T
    user_ids, user_codes = np.unique(users, return_inverse=True)
    item_ids, item_codes = np.unique(items, return_inverse=True)
    return InteractionTable(
        user_codes.astype(np.int32),
        item_codes.astype(np.int32),
        pa.array(user_ids).cast(pa.string()),
        pa.array(item_ids).cast(pa.string()),
        None if timestamps is None else np.array(timestamps),
    )


def spec(**fields):
    return DatasetSpec(name="by hand", source="table", threshold=None, **fields)


def raw(result, rows):
    """The raw (user, item) pairs of rows."""
    users, items = numbers(result.user_ids)[rows.users], numbers(result.item_ids)[rows.items]
    return list(zip(users.tolist(), items.tolist(), strict=True))


def numbers(ids):
    """The ids of these tests as the integers that they are."""
    return ids.cast(pa.int64()).to_numpy()


def random_pairs(num_users=60, num_items=30, seed=5):
    random = np.random.RandomState(seed)
    pairs = {(random.randint(num_users), random.randint(num_items)) for _ in range(900)}
    return sorted(pairs, key=lambda pair: hash((pair, seed)))


def test_items_are_filtered_once_and_before_users():
    # Item 12 goes first, it has two users. That leaves users 3 and 4 with one item, so they go. Items 10 and
    # 11 then have three users, fewer than four, and stay.
    pairs = [(1, 10), (1, 11), (2, 10), (2, 11), (3, 10), (3, 12), (4, 12), (4, 11), (5, 10), (5, 11)]
    result = split(table(pairs), spec(min_item_users=4, min_user_items=2, heldout_users=1), "x")
    assert sorted(numbers(result.user_ids).tolist()) == [1, 2, 5]
    assert result.counts == {
        "users": 3,
        "items": 2,
        "events": 6,
        "duplicates": 0,
        "contradicting_pairs": 0,
        "train_users": 1,
        "heldout_users": 1,
        "train_items": 2,
    }


def test_positions_follow_the_legacy_stream_over_ascending_users():
    pairs = random_pairs()
    result = split(table(pairs), spec(min_user_items=1, heldout_users=10), "x")
    users = np.unique([user for user, _ in pairs])
    expected = users[np.random.RandomState(98765).permutation(len(users))]
    assert numbers(result.user_ids).tolist() == expected.tolist()
    assert result.test_users == (len(users) - 10, len(users))
    assert result.validation_users == (len(users) - 20, len(users) - 10)


def test_items_are_numbered_by_first_appearance_among_the_training_rows():
    pairs = random_pairs()
    result = split(table(pairs), spec(min_user_items=1, heldout_users=10), "x")
    training_users = set(numbers(result.user_ids)[: result.num_train_users].tolist())
    seen = list(dict.fromkeys(item for user, item in pairs if user in training_users))
    assert numbers(result.item_ids).tolist() == seen
    assert raw(result, result.train) == [pair for pair in pairs if pair[0] in training_users]


def test_a_fifth_is_held_out_and_users_with_fewer_than_five_are_all_fold_in():
    pairs = random_pairs()
    result = split(table(pairs), spec(min_user_items=1, heldout_users=20), "x")
    for part in (result.validation, result.test):
        fold_in = np.bincount(part.fold_in.users, minlength=len(result.user_ids))
        held_out = np.bincount(part.held_out.users, minlength=len(result.user_ids))
        n = fold_in + held_out
        assert (held_out == np.where(n >= 5, n // 5, 0)).all()
        assert set(raw(result, part.fold_in)).isdisjoint(raw(result, part.held_out))


def test_validation_and_test_each_begin_the_stream_anew():
    """The first validation user and the first test user, of as many rows, hold out the same places."""
    pairs = [(user, item) for user in range(40) for item in range(10)]
    result = split(table(pairs), spec(heldout_users=5), "x")
    places = [
        [
            item
            for user, item in raw(result, part.held_out)
            if user == min(u for u, _ in raw(result, part.held_out))
        ]
        for part in (result.validation, result.test)
    ]
    assert places[0] == places[1]
    expected = np.random.RandomState(98765).choice(10, size=2, replace=False)
    assert sorted(places[0]) == sorted(expected.tolist())


def test_temporal_splits_each_user_by_time_with_ties_in_raw_order():
    items = list(range(10))
    times = [5, 5, 1, 2, 3, 4, 9, 8, 7, 7]
    pairs = [(1, item) for item in items] + [(2, item) for item in items]
    result = split(table(pairs, times + list(range(10))), spec(protocol="temporal"), "x")
    in_time = [2, 3, 4, 5, 0, 1, 8, 9, 7, 6]
    assert [item for user, item in raw(result, result.train) if user == 1] == in_time[:8]
    assert raw(result, result.validation.held_out) == [(1, 7), (2, 8)]
    assert raw(result, result.test.held_out) == [(1, 6), (2, 9)]
    assert set(raw(result, result.test.fold_in)) == {*raw(result, result.train), (1, 7), (2, 8)}
    # Item numbers follow the raw order of the training rows, not the order of time.
    assert numbers(result.item_ids).tolist() == [0, 1, 2, 3, 4, 5, 8, 9, 6, 7]


def test_temporal_drops_items_that_nobody_was_trained_on():
    pairs = [(1, item) for item in range(10)]
    result = split(table(pairs, list(range(10))), spec(protocol="temporal"), "x")
    assert len(result.item_ids) == 8
    assert len(result.validation.held_out.users) == len(result.test.held_out.users) == 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"min_user_items": 1000},
            "x: nothing is left after the filters (threshold None, min_item_users 0, min_",
        ),
        ({"min_item_users": 1000}, "x: nothing is left after the filters"),
        ({"heldout_users": 30}, "x has 60 users after the filters: too few to hold out 30 for validation"),
        ({"protocol": "temporal"}, "x has no timestamps, which protocol=temporal needs"),
    ],
)
def test_what_cannot_be_split_is_told(fields, message):
    with pytest.raises(DataError) as error:
        split(table(random_pairs()), spec(**fields), "x")
    assert message in str(error.value)
