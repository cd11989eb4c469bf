"""The reference procedure's own folders, byte for byte."""

import filecmp

import pytest

import data_prep
from data_prep.catalogue import resolve

STYLES = {
    "movielens_style": {"threshold": 3.5, "min_user_items": 5, "min_item_users": 0},
    "msd_style": {"threshold": 0.0, "min_user_items": 10, "min_item_users": 55},
}


@pytest.mark.parametrize("style", STYLES)
def test_the_pro_sg_folder_is_the_references_byte_for_byte(style, goldens, tmp_path):
    golden = goldens / "splits" / style
    spec = resolve(str(goldens / "splits" / "ratings.csv"), heldout_users=40, **STYLES[style])
    data_prep.prepare(spec, str(tmp_path / "data"), str(tmp_path / "pro_sg"))
    names = sorted(path.name for path in golden.iterdir())
    assert sorted(path.name for path in (tmp_path / "pro_sg").iterdir()) == names
    same, different, unread = filecmp.cmpfiles(golden, tmp_path / "pro_sg", names, shallow=False)
    assert (sorted(same), different, unread) == (names, [], [])


@pytest.mark.parametrize("style", STYLES)
def test_a_pro_sg_folder_is_the_same_dataset_as_the_raw_file_it_was_made_from(style, goldens, tmp_path):
    spec = resolve(str(goldens / "splits" / "ratings.csv"), heldout_users=40, **STYLES[style])
    from_raw = data_prep.prepare(spec, str(tmp_path))
    from_folder = data_prep.prepare(resolve(str(goldens / "splits" / style)), str(tmp_path))
    assert list(from_folder.item_ids) == list(from_raw.item_ids)
    for get in (
        lambda d: d.train,
        lambda d: d.validation.fold_in,
        lambda d: d.validation.held_out,
        lambda d: d.test.fold_in,
        lambda d: d.test.held_out,
    ):
        assert (get(from_folder) != get(from_raw)).nnz == 0


@pytest.mark.realdata
def test_movielens_1m_has_the_published_counts(real_data, tmp_path):
    spec = resolve(str(real_data / "ml-1m" / "ratings.csv.gz"), threshold=3.5, heldout_users=750)
    counts = data_prep.prepare(spec, str(tmp_path)).counts
    assert (counts["events"], counts["users"], counts["train_items"]) == (575_272, 6_034, 3_483)
