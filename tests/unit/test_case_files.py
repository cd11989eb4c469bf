"""Files as people have them: every id as it is written, every row there, or a sentence."""

import json

import numpy as np
import pytest

import case_files
import data_prep
from case_files import PAIRS
from data_prep import DataError

SETTINGS = {"threshold": 3.5, "heldout_users": 5, "min_user_items": 2}
NUMBERS = {str(i) for i in range(16)}
CAFES = {f"café {i}" for i in range(16)}


def prepare(path, tmp_path, **settings):
    return data_prep.prepare(path, tmp_path / "data", **{**SETTINGS, **settings})


def all_users(dataset):
    return {*dataset.train_user_ids, *dataset.validation.user_ids, *dataset.test.user_ids}


# name of the file -> the ids of its items, and what the line that is told must have
READ = {
    "ids_leading_zeros_merge.csv": (
        {f"{i // 2:03d}" if i % 2 else str(i // 2) for i in range(16)},
        "item ids are text",
    ),
    "ids_leading_zeros.csv": ({f"{i:03d}" for i in range(16)}, "item ids are text"),
    "ids_above_2_to_63.csv": (
        {str(9007199254740993 + i) for i in range(16)},
        "user ids are integers, in the order of numbers",
    ),
    "ids_spaces_inside_field.csv": ({f" {i} " for i in range(16)}, "item ids are text"),
    "ids_quoted.csv": ({f'i "{i}"' for i in range(16)}, "item ids are text"),
    "ids_true_false.csv": ({"true", "false"} | {f"x{i}" for i in range(2, 16)}, ""),
    "delimiter_semicolon.csv": (NUMBERS, "separated by ';'"),
    "delimiter_tab.csv": (NUMBERS, "separated by tabs"),
    "delimiter_pipe.txt": (NUMBERS, "separated by '|'"),
    "delimiter_semicolon_decimal_comma.csv": (NUMBERS, "'rating' with a decimal comma"),
    "decimal_comma_in_quotes.csv": (NUMBERS, "'rating' with a decimal comma"),
    "header_spaces.csv": (NUMBERS, "items in 'movieId'"),
    "bom_crlf.csv": (NUMBERS, "UTF-8"),
    "old_mac.csv": (NUMBERS, "374 rows"),
    "utf_16.csv": (CAFES, "utf-16-le"),
    "utf_16_without_mark.csv": (CAFES, "utf-16-le"),
    "windows_1252.csv": (CAFES, "windows-1252"),
    "zip_with_macosx_folder.zip": (NUMBERS, "data/ratings.csv in "),
    "dictionary_and_decimal.parquet": (NUMBERS, "Parquet"),
    "boolean_rating_float_ids.parquet": (NUMBERS, "Parquet"),
    "partitioned": (NUMBERS, "374 rows"),
    "words.csv": (NUMBERS, "374 rows"),
    "quote_inside_text.tsv": (NUMBERS, "quotation marks are letters"),
}


@pytest.mark.parametrize("name", READ)
def test_every_row_and_every_id_as_it_is_written(name, tmp_path):
    items, told = READ[name]
    dataset = prepare(case_files.write(name, tmp_path), tmp_path)
    assert set(dataset.item_ids) == items
    assert (dataset.counts["users"], dataset.counts["events"], dataset.counts["duplicates"]) == (40, 374, 0)
    assert told in dataset.description


def test_ids_that_are_numbers_first_and_text_later(tmp_path):
    dataset = prepare(case_files.write("ids_numbers_then_text.csv", tmp_path), tmp_path)
    assert (len(dataset.item_ids), dataset.counts["events"]) == (32, 748)
    assert "user ids are integers, in the order of numbers" in dataset.description


def test_numbers_of_twenty_digits_are_users_in_the_order_of_numbers(tmp_path):
    """The permutation is drawn over ascending users, so it tells their order."""
    dataset = prepare(case_files.write("ids_above_2_to_63.csv", tmp_path), tmp_path)
    ascending = [str(2**64 - 616 + u) for u in range(40)]
    order = np.random.RandomState(98765).permutation(40)
    assert dataset.test.user_ids.tolist() == [ascending[u] for u in order[-5:]]


def test_a_file_without_a_header_is_told_and_read_by_names_or_positions(tmp_path):
    path = case_files.write("no_header.csv", tmp_path)
    with pytest.raises(
        DataError, match=r"has no column 'userId'; its columns are .*columns=user,item,rating$"
    ):
        prepare(path, tmp_path)
    by_name = prepare(path, tmp_path, columns="user,item,rating")
    by_position = prepare(path, tmp_path, columns="1,2,3")
    assert by_name.counts["events"] == 374
    assert by_name.fingerprint == by_position.fingerprint
    assert prepare(path, tmp_path, columns="user,item,-", threshold=None).counts["events"] == 374
    with pytest.raises(DataError, match=r"columns is 'user,rating'; it must be such as 'user,item,rating'"):
        prepare(path, tmp_path, columns="user,rating")


@pytest.mark.parametrize(
    "name", ["time_iso.csv", "time_space.csv", "time_milliseconds.csv", "time_datetime.parquet"]
)
def test_times_in_every_form_give_the_same_split(name, tmp_path):
    seconds = prepare(case_files.write("time_seconds.csv", tmp_path), tmp_path, protocol="temporal")
    other = prepare(case_files.write(name, tmp_path), tmp_path, protocol="temporal")
    assert other.fingerprint == seconds.fingerprint


def test_a_positive_row_counts_though_another_row_of_the_pair_does_not_and_such_pairs_are_counted(tmp_path):
    dataset = prepare(case_files.write("same_pair_two_ratings.csv", tmp_path), tmp_path)
    assert dataset.counts["events"] == 374
    assert dataset.counts["contradicting_pairs"] == 50
    assert json.loads((dataset.folder / "manifest.json").read_text())["counts"]["contradicting_pairs"] == 50


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("null_id.parquet", r"null_id.parquet, row \d+: userId is empty; it must be an id"),
        ("column_twice.csv", r"column_twice.csv has the column 'rating' 2 times; it must be there once"),
    ],
)
def test_what_cannot_be_read_is_told(name, message, tmp_path):
    with pytest.raises(DataError, match=message):
        prepare(case_files.write(name, tmp_path), tmp_path)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["partitioned", "a.csv,b.csv", "*.csv"])
def test_folders_patterns_and_lists_are_read_one_after_the_other(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = prepare(case_files.write("delimiter_semicolon.csv", tmp_path), tmp_path)
    (tmp_path / "delimiter_semicolon.csv").unlink()
    case_files.write("partitioned", tmp_path)
    header, *lines = case_files.text().splitlines(keepends=True)
    (tmp_path / "a.csv").write_text(header + "".join(lines[:100]))
    (tmp_path / "b.csv").write_text((header + "".join(lines[100:])).replace(",", ";"))
    assert prepare(name, tmp_path).fingerprint == whole.fingerprint
    assert len(PAIRS) == whole.counts["events"]
