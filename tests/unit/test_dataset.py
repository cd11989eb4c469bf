"""Prepared datasets on disk: reused, verified, written whole or not at all."""

import dataclasses
import json
import os
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest

import data_prep
from data_prep import catalogue
from data_prep.catalogue import resolve
from data_prep.errors import DataError


@pytest.fixture
def spec(goldens):
    return resolve(str(goldens / "splits" / "ratings.csv"), heldout_users=40)


def assert_nothing_in(folder):
    assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_a_prepared_dataset_is_used_again(spec, tmp_path, monkeypatch):
    first = data_prep.prepare(spec, str(tmp_path))
    monkeypatch.setattr(np, "savez", None)
    second = data_prep.prepare(spec, str(tmp_path))
    assert (second.folder, second.fingerprint) == (first.folder, first.fingerprint)
    assert (second.train != first.train).nnz == 0


@pytest.mark.parametrize("change", [{"threshold": 3.0}, {"heldout_users": 30}, {"min_user_items": 6}])
def test_another_spec_is_another_folder(change, spec, tmp_path):
    folders = {
        data_prep.prepare(s, str(tmp_path)).folder for s in (spec, dataclasses.replace(spec, **change))
    }
    assert len(folders) == 2


def test_raw_data_that_changed_is_prepared_anew(tmp_path):
    raw = tmp_path / "r.csv"
    raw.write_text("userId,movieId,rating\n" + "".join(f"{u},{i},5\n" for u in range(20) for i in range(8)))
    before = data_prep.prepare(resolve(str(raw)), str(tmp_path))
    with raw.open("a") as file:
        file.write("0,99,5\n")
    after = data_prep.prepare(resolve(str(raw)), str(tmp_path))
    assert after.counts["events"] == before.counts["events"] + 1


def test_matrices_have_ascending_items_and_ones(spec, tmp_path):
    train = data_prep.prepare(spec, str(tmp_path)).train
    assert train.dtype == np.float32
    assert set(train.data) == {1.0}
    assert train.has_sorted_indices


def test_rows_of_held_out_users_are_those_of_their_ids(spec, tmp_path):
    dataset = data_prep.prepare(spec, str(tmp_path))
    raw = np.genfromtxt(spec.path, delimiter=",", names=True)
    test_items = dataset.test.fold_in + dataset.test.held_out
    for row, user in enumerate(dataset.test.user_ids):
        liked = raw["movieId"][(raw["userId"] == int(user)) & (raw["rating"] > 3.5)].astype(int)
        known = {str(item) for item in liked} & set(dataset.item_ids)
        assert {dataset.item_ids[i] for i in test_items[row].indices} == known


@pytest.mark.parametrize("name", ["train.npz", "items.csv", "test_held_out.npz"])
def test_a_file_edited_by_hand_is_told(name, spec, tmp_path):
    folder = data_prep.prepare(spec, str(tmp_path)).folder
    (folder / name).write_bytes((folder / name).read_bytes() + b"x")
    with pytest.raises(DataError, match=rf"{name} was changed after it was prepared: its sha256 is .*: del"):
        data_prep.prepare(spec, str(tmp_path))


def test_a_missing_file_and_a_broken_manifest_are_told(spec, tmp_path):
    folder = data_prep.prepare(spec, str(tmp_path)).folder
    (folder / "users.csv").unlink()
    with pytest.raises(DataError, match=r"users.csv is missing: delete"):
        data_prep.load(folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(DataError, match=r"manifest.json was changed by hand"):
        data_prep.load(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(DataError, match=r"holds no prepared dataset: manifest.json is missing"):
        data_prep.load(folder)


def test_other_counts_than_the_catalogue_expects_are_told_with_both(tmp_path, monkeypatch):
    demo = catalogue.CATALOGUE["demo"]
    wrong = dataclasses.replace(demo, expected={"users": 3_000, "events": 7})
    monkeypatch.setitem(catalogue.CATALOGUE, "demo", wrong)
    with pytest.raises(DataError, match=r"gives 3,000 users, 112,071 events; demo has 3,000 users, 7 events"):
        data_prep.prepare(resolve("demo"), str(tmp_path))
    assert_nothing_in(tmp_path)
    # Under filters of one's own the published counts do not apply.
    data_prep.prepare(resolve("demo", min_user_items=6), str(tmp_path))


def test_a_failure_while_writing_leaves_nothing_behind(spec, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(DataError, match=r"cannot be written: No space left on device"):
        data_prep.prepare(spec, str(tmp_path))
    assert_nothing_in(tmp_path)


def test_a_file_size_limit_is_told_in_a_sentence_and_leaves_nothing_behind(goldens, tmp_path):
    """As on a full disk, the operating system refuses to write in the middle of a file."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (8_192, 8_192))

    code = (
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "import data_prep\n"
        f"data_prep.prepare('demo', {str(tmp_path)!r})"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, preexec_fn=limit, env={**os.environ}
    )
    assert "DataError" in result.stderr.splitlines()[-1]
    assert "cannot be written: File too large" in result.stderr
    assert_nothing_in(tmp_path)


def test_a_pro_sg_folder_is_not_overwritten(spec, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    with pytest.raises(DataError, match=r"mine is not empty"):
        data_prep.prepare(spec, str(tmp_path / "data"), str(tmp_path / "mine"))
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_bad_pro_sg_folder_is_told(goldens, tmp_path):
    folder = tmp_path / "pro_sg"
    shutil.copytree(goldens / "splits" / "msd_style", folder)
    with (folder / "test_te.csv").open("a") as file:
        file.write("205,5000\n")
    number = len((folder / "test_te.csv").read_text().splitlines())
    with pytest.raises(DataError, match=rf"test_te.csv, line {number}: uid 205, sid 5000; unique_sid.txt"):
        data_prep.prepare(resolve(str(folder)), str(tmp_path))
    (folder / "test_te.csv").unlink()
    with pytest.raises(DataError, match=r"test_te.csv is not a table of uid,sid"):
        data_prep.prepare(resolve(str(folder)), str(tmp_path))


def test_titles_come_from_beside_the_ratings_or_from_a_file(tmp_path):
    raw = tmp_path / "r.csv"
    raw.write_text("userId,movieId,rating\n" + "".join(f"{u},{i},5\n" for u in range(20) for i in range(8)))
    assert data_prep.prepare(resolve(str(raw)), str(tmp_path)).item_titles is None
    (tmp_path / "movies.csv").write_text('movieId,title\n3,"Three, the film"\n')
    dataset = data_prep.prepare(resolve(str(raw), min_user_items=1), str(tmp_path))
    titles = dict(zip(dataset.item_ids, dataset.item_titles, strict=True))
    assert (titles["3"], titles["4"]) == ("Three, the film", "")
    (tmp_path / "own.csv").write_text("movieId,title\n4,Four\n")
    dataset = data_prep.prepare(resolve(str(raw), titles=str(tmp_path / "own.csv")), str(tmp_path))
    assert dict(zip(dataset.item_ids, dataset.item_titles, strict=True))["4"] == "Four"
    with pytest.raises(DataError, match=r"there is no file .*absent.csv \(titles\)"):
        data_prep.prepare(resolve(str(raw), titles=str(tmp_path / "absent.csv")), str(tmp_path))


def test_the_manifest_says_what_was_made(spec, tmp_path):
    dataset = data_prep.prepare(spec, str(tmp_path))
    manifest = json.loads((dataset.folder / "manifest.json").read_text())
    assert manifest["spec"]["threshold"] == 3.5
    assert manifest["counts"] == dataset.counts
    assert manifest["counts"]["train_items"] == dataset.num_items
