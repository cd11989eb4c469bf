"""New interactions added to a prepared dataset: whom the old data held out stays held out."""

import pandas as pd
import pytest

import data_prep
from data_prep import DataError

OLD = [(u, (u * 3 + k) % 20) for u in range(40) for k in range(8)]
NEW = [(u, (u * 3 + k) % 20) for u in range(30, 60) for k in range(6, 14)] + [(1, "film 21")] * 2


def write(path, rows):
    frame = pd.DataFrame(rows, columns=["userId", "movieId"]).assign(rating=5.0)
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.astype(str).assign(
        rating=5.0
    ).to_parquet(path)
    return str(path)


def users_of(dataset):
    return set(dataset.validation.user_ids), set(dataset.test.user_ids), set(dataset.train_user_ids)


def likes(dataset, user):
    for part in (dataset.validation, dataset.test):
        if user in part.user_ids:
            row = part.user_ids.tolist().index(user)
            return {dataset.item_ids[i] for m in (part.fold_in, part.held_out) for i in m[row].indices}
    row = dataset.train_user_ids.tolist().index(user)
    return {dataset.item_ids[i] for i in dataset.train[row].indices}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_old_held_out_users_stay_held_out_and_all_others_train(suffix, tmp_path):
    path, addition = write(tmp_path / "old.csv", OLD), write(tmp_path / f"new{suffix}", NEW)
    old = data_prep.prepare(path, tmp_path, heldout_users=6)
    new = data_prep.prepare(path, tmp_path, heldout_users=6, append=[addition])
    validation, test, train = users_of(new)
    assert (validation, test) == users_of(old)[:2]
    assert train == {str(u) for u in range(60)} - validation - test
    everything = {(str(u), str(i)) for u, i in OLD + NEW}
    for user in ("35", "1", "45", *validation):
        assert likes(new, user) == {i for u, i in everything if u == user}
    assert new.counts["events"] == len(everything)
    assert new.counts["duplicates"] == len(OLD + NEW) - len(everything)
    assert "old.csv: 320 rows" in new.description
    assert f"then {addition}: 242 rows" in new.description


def test_the_combination_is_prepared_once_and_anew_when_the_addition_changes(tmp_path):
    path, addition = write(tmp_path / "old.csv", OLD), write(tmp_path / "new.csv", NEW)
    first = data_prep.prepare(path, tmp_path, append=[addition])
    assert data_prep.prepare(path, tmp_path, append=[addition]).folder == first.folder
    write(tmp_path / "new.csv", NEW[:-20])
    assert data_prep.prepare(path, tmp_path, append=[addition]).counts["events"] < first.counts["events"]


def test_several_additions_in_their_order(tmp_path):
    path = write(tmp_path / "old.csv", OLD)
    parts = [write(tmp_path / "a.csv", NEW[:100]), write(tmp_path / "b.csv", NEW[100:])]
    whole = data_prep.prepare(path, tmp_path, append=[write(tmp_path / "new.csv", NEW)])
    assert data_prep.prepare(path, tmp_path, append=parts).fingerprint == whole.fingerprint


def test_newer_data_holds_out_whom_a_prepared_dataset_holds_out(tmp_path):
    """As a newer query does, which gives the old rows too."""
    old = data_prep.prepare(write(tmp_path / "old.csv", OLD), tmp_path, heldout_users=6)
    appended = data_prep.prepare(
        str(tmp_path / "old.csv"), tmp_path, append=[write(tmp_path / "new.csv", NEW)]
    )
    newer = write(tmp_path / "newer.csv", OLD + NEW)
    dataset = data_prep.prepare(newer, tmp_path, heldout_from=str(old.folder))
    assert users_of(dataset)[:2] == users_of(old)[:2]
    assert dataset.counts["events"] == appended.counts["events"]
    with pytest.raises(DataError, match="append and heldout_from exclude each other"):
        data_prep.prepare(newer, tmp_path, heldout_from=str(old.folder), append=[newer])


def test_under_the_temporal_protocol_new_interactions_are_later_ones(tmp_path):
    def write_times(name, rows, start):
        frame = pd.DataFrame(rows, columns=["userId", "movieId"]).assign(rating=5)
        frame["timestamp"] = [start + 60 * n for n in range(len(rows))]
        frame.to_csv(tmp_path / name, index=False)
        return str(tmp_path / name)

    path, addition = write_times("old.csv", OLD, 10**9), write_times("new.csv", NEW[:-2], 2 * 10**9)
    joint = data_prep.prepare(path, tmp_path, protocol="temporal", append=[addition])
    rows = [*OLD, *NEW[:-2]]
    frame = pd.DataFrame(rows, columns=["userId", "movieId"]).assign(rating=5)
    frame["timestamp"] = [10**9 + 60 * n for n in range(len(rows))]
    frame.to_csv(tmp_path / "whole.csv", index=False)
    whole = data_prep.prepare(tmp_path / "whole.csv", tmp_path, protocol="temporal")
    assert joint.fingerprint == whole.fingerprint


def test_an_addition_that_is_not_there_or_bad_is_told_and_leaves_nothing(tmp_path):
    path = write(tmp_path / "old.csv", OLD)
    with pytest.raises(DataError, match=r"there is no file 'absent.csv'"):
        data_prep.prepare(path, tmp_path / "data", append=["absent.csv"])
    (tmp_path / "bad.csv").write_text("userId,movieId,rating\n1,2,good\n")
    with pytest.raises(DataError, match=r"bad.csv, line 2: rating is 'good'"):
        data_prep.prepare(path, tmp_path / "data", append=[str(tmp_path / "bad.csv")])
    assert len(list((tmp_path / "data").rglob("manifest.json"))) == 1  # that of the old data
