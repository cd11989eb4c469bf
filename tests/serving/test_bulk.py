"""Recommendations for files of users: right, in bounded memory, the same after an interruption."""

import gc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from multvae_tf.errors import RunError
from multvae_tf.serving.bulk import recommend_file
from multvae_tf.serving.local import SavedModelRecommender
from multvae_tf.serving.recommender import Recommendations
from serving.exports import ITEM_IDS, random_histories

K = 5


@pytest.fixture(scope="module")
def saved(export_of):
    return SavedModelRecommender(export_of("multvae")[1])


@pytest.fixture
def histories():
    return [*random_histories(40, seed=1), [], ["??"], ITEM_IDS, ITEM_IDS[2:]]


class Echo:
    """Recommends each user's own history; may fail after some requests."""

    def __init__(self, fail_after=None):
        self.num_requests = 0
        self.num_users = 0
        self.fail_after = fail_after

    def recommend(self, histories, k, exclude=()):
        if self.num_requests == self.fail_after:
            raise KeyboardInterrupt
        self.num_requests += 1
        self.num_users += len(histories)
        ids = np.full((len(histories), k), "", object)
        for row, history in zip(ids, histories, strict=True):
            row[: len(history)] = history[:k]
        return Recommendations(
            ids, np.ones(ids.shape, np.float32), np.array([len(h) for h in histories], np.int32)
        )


def write_parquet(path, histories, kind=None):
    users = [f"user {number}" for number in range(len(histories))]
    pq.write_table(pa.table({"user_id": users, "history": pa.array(histories, kind)}), path, row_group_size=7)
    return path


def write_csv(path, histories):
    lines = [f'"user {number}","{",".join(history)}"' for number, history in enumerate(histories)]
    path.write_text("\n".join(["user_id,history", *lines]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("users_per_part", [10, 44, 1000])
@pytest.mark.parametrize("write", [write_parquet, write_csv])
def test_each_user_is_answered_as_if_alone(write, users_per_part, saved, histories, tmp_path):
    suffix = {"write_parquet": "parquet", "write_csv": "csv"}[write.__name__]
    users = write(tmp_path / f"users.{suffix}", histories)
    output = tmp_path / "out.parquet"
    result = recommend_file(
        saved, users, output, k=K, model_identity="m", batch_size=8, users_per_part=users_per_part
    )
    table = pq.read_table(output).to_pydict()
    assert result.num_users == len(histories) == len(table["user_id"])
    assert table["user_id"] == [f"user {number}" for number in range(len(histories))]
    for row, history in enumerate(histories):
        alone = saved.recommend([history], K)
        expected = [item_id for item_id in alone.item_ids[0] if item_id]
        assert table["item_ids"][row] == expected
        np.testing.assert_allclose(table["scores"][row], alone.scores[0, : len(expected)], rtol=1e-5)
        assert table["num_known_items"][row] == alone.num_known_items[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.parquet", f"users.{suffix}"]


def test_numbers_texts_and_missing_histories(tmp_path):
    cases = [
        ([[1, 2], [3], None], pa.list_(pa.int64()), [["1", "2"], ["3"], []]),
        (["a;b", " c ", None], pa.string(), [["a", "b"], ["c"], []]),
        ([7, 8, None], pa.int64(), [["7"], ["8"], []]),
    ]
    for histories, kind, expected in cases:
        users = write_parquet(tmp_path / "users.parquet", histories, kind)
        recommend_file(Echo(), users, tmp_path / "out.parquet", k=K, model_identity="m", separator=";")
        assert pq.read_table(tmp_path / "out.parquet")["item_ids"].to_pylist() == expected


def test_an_interrupted_call_is_continued(histories, tmp_path):
    users = write_parquet(tmp_path / "users.parquet", histories)
    options = {"k": K, "model_identity": "m", "batch_size": 5, "users_per_part": 10}
    recommend_file(Echo(), users, tmp_path / "whole.parquet", **options)
    with pytest.raises(KeyboardInterrupt):
        recommend_file(Echo(fail_after=5), users, tmp_path / "out.parquet", **options)
    assert not (tmp_path / "out.parquet").exists()
    echo = Echo()
    result = recommend_file(echo, users, tmp_path / "out.parquet", **options)
    assert (result.num_done_before, echo.num_users) == (20, len(histories) - 20)
    assert (tmp_path / "out.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


@pytest.mark.parametrize("change", ["model", "k", "histories"])
def test_parts_of_another_job_are_not_used(change, histories, tmp_path):
    users = write_parquet(tmp_path / "users.parquet", histories)
    options = {"k": K, "model_identity": "m", "batch_size": 5, "users_per_part": 10}
    with pytest.raises(KeyboardInterrupt):
        recommend_file(Echo(fail_after=5), users, tmp_path / "out.parquet", **options)
    match change:
        case "model":
            options["model_identity"] = "other"
        case "k":
            options["k"] = 3
        case "histories":
            write_parquet(users, [*histories, ["new"]])
    echo = Echo()
    result = recommend_file(echo, users, tmp_path / "out.parquet", **options)
    assert (result.num_done_before, echo.num_users) == (0, result.num_users)


def test_memory_does_not_grow_with_the_users(tmp_path):
    """What Arrow holds while the users go by is the same for ten times as many."""

    class Watch(Echo):
        peak = 0

        def recommend(self, histories, k, exclude=()):
            self.peak = max(self.peak, pa.total_allocated_bytes() - before)
            return super().recommend(histories, k)

    peaks = []
    for num_users in (2_000, 20_000):
        history = [f"item-{number:030d}" for number in range(10)]
        users = tmp_path / f"{num_users}.parquet"
        schema = pa.schema([("user_id", pa.string()), ("history", pa.list_(pa.string()))])
        with pq.ParquetWriter(users, schema) as writer:
            for start in range(0, num_users, 500):
                ids = [str(number) for number in range(start, start + 500)]
                writer.write_table(pa.table({"user_id": ids, "history": [history] * 500}, schema))
        gc.collect()
        before = pa.total_allocated_bytes()
        watch = Watch()
        result = recommend_file(
            watch, users, tmp_path / "out.parquet", k=K, model_identity="m", users_per_part=500
        )
        assert result.num_users == num_users
        peaks.append(watch.peak)
    assert 0 < peaks[1] < 2 * peaks[0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "users.csv",
            b"user,history\n1,2\n",
            "users.csv has no column 'user_id'; its columns are user",
        ),
        ("users.csv", b"", "users.csv cannot be read"),
        ("users.parquet", b"PAR1 broken", "users.parquet cannot be read"),
    ],
)
def test_bad_files_are_refused(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RunError) as error:
        recommend_file(Echo(), tmp_path / name, tmp_path / "out.parquet", k=K, model_identity="m")
    assert message in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_parquet_file_without_the_column_is_refused(tmp_path):
    pq.write_table(pa.table({"user_id": ["a"]}), tmp_path / "users.parquet")
    with pytest.raises(RunError, match="has no column 'history'; its columns are user_id"):
        recommend_file(Echo(), tmp_path / "users.parquet", tmp_path / "out.parquet", k=K, model_identity="m")
