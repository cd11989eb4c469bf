"""Datasets by name and by path."""

import pytest

import data_prep
from data_prep.catalogue import CATALOGUE, resolve
from data_prep.errors import DataError
from data_prep.sources import demo


@pytest.mark.parametrize("name", ["ml20m", "ml-20m", "ML-20M", "ml_20m"])
def test_names_are_forgiving(name):
    assert resolve(name) == CATALOGUE["ml20m"].spec


def test_the_papers_settings():
    """Liang et al. 2018, section 4.1, and the authors' code."""
    assert (resolve("ml20m").threshold, resolve("ml20m").min_user_items) == (3.5, 5)
    heldout = {name: resolve(name).heldout_users for name in ("ml20m", "netflix", "msd")}
    assert heldout == {"ml20m": 10_000, "netflix": 40_000, "msd": 50_000}
    msd = resolve("msd")
    assert (msd.threshold, msd.min_item_users, msd.min_user_items) == (None, 200, 20)


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("ml20", {}, "there is no dataset or file 'ml20'; did you mean ml20m?"),
        ("nothing.csv", {}, "there is no dataset or file 'nothing.csv'"),
        ("demo", {"heldout_users": 0}, "heldout_users is 0; it must be at least 1"),
        ("demo", {"min_user_items": -1}, "min_user_items is -1; it must be at least 0"),
        ("demo", {"threshold": float("nan")}, "threshold is nan; it must be a finite number"),
        ("demo", {"protocol": "weak"}, "protocol is 'weak'; it must be one of strong, temporal"),
    ],
)
def test_what_is_unknown_or_out_of_range_is_told(name, fields, message):
    with pytest.raises(DataError) as error:
        resolve(name, **fields)
    assert message in str(error.value)


def test_a_folder_must_have_something_to_read(tmp_path):
    with pytest.raises(DataError, match=r"is a folder without unique_sid.txt and without files of inter"):
        data_prep.prepare(tmp_path, tmp_path)


def test_without_ratings_there_is_no_threshold(tmp_path):
    (tmp_path / "r.csv").write_text("")
    assert resolve(str(tmp_path / "r.csv"), rating_column="").threshold is None


def test_a_file_called_ratings_has_the_name_of_its_folder(tmp_path):
    (tmp_path / "ratings.csv.gz").write_text("")
    assert resolve(str(tmp_path / "ratings.csv.gz")).name == tmp_path.name


def test_the_demo_is_the_same_everywhere_and_its_genres_are_real():
    table, titles = demo.generate()
    assert len(table.users) == 112_071
    assert table.num_duplicates == 0
    assert (int(table.users[:1000].sum()), int(table.items[:1000].sum())) == (13_992, 488_928)
    # Two likes of one user share a genre far more often than the eighth that chance gives.
    genres = [titles[str(item + 1)].split(" no.")[0] for item in range(demo.NUM_ITEMS)]
    one_user = [genres[item] for item in table.items[table.users == 7]]
    assert max(map(one_user.count, genres)) > len(one_user) / 4
