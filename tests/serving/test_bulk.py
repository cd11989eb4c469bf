"""Recommendations for files of users: right, in bounded memory, the same after an interruption."""

import csv
import gc
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from multvae_tf.errors import RunError
from multvae_tf.serving.bulk import recommend_all
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

    users_at_a_time = 5

    def __init__(self, fail_after=None, identity="m"):
        self.identity = identity
        self.num_requests = 0
        self.num_users = 0
        self.fail_after = fail_after

    def recommend(self, histories, k=10, exclude=None):
        if self.num_requests == self.fail_after:
            raise KeyboardInterrupt
        self.num_requests += 1
        self.num_users += len(histories)
        ids = np.full((len(histories), k), "", object)
        for number, history in enumerate(histories):
            left = [i for i in history if exclude is None or i not in exclude[number]][:k]
            ids[number, : len(left)] = left
        return Recommendations(
            ids, np.ones(ids.shape, np.float32), np.array([len(h) for h in histories], np.int32)
        )


def batches(histories, size=7, exclude=None):
    """Users with these histories, `size` at a time."""
    for start in range(0, len(histories), size):
        part = histories[start : start + size]
        columns = {
            "user_id": pa.array([f"user {start + number}" for number in range(len(part))]),
            "history": pa.array(part, pa.list_(pa.string())),
        }
        if exclude is not None:
            columns["exclude"] = pa.array(exclude[start : start + size], pa.list_(pa.string()))
        yield pa.RecordBatch.from_pydict(columns)


def recommend(recommender, histories, output, **options):
    options = {"k": K, "source": {"n": len(histories)}, "users_per_part": 10, **options}
    return recommend_all(recommender, batches(histories), output, **options)


@pytest.mark.parametrize("users_per_part", [10, 44, 1000])
def test_each_user_is_answered_as_if_alone(users_per_part, saved, histories, tmp_path):
    output = tmp_path / "out.parquet"
    result = recommend(saved, histories, output, users_per_part=users_per_part)
    table = pq.read_table(output).to_pydict()
    assert result.num_users == len(histories) == len(table["user_id"])
    assert table["user_id"] == [f"user {number}" for number in range(len(histories))]
    for row, history in enumerate(histories):
        alone = saved.recommend([history], K)
        expected = [item_id for item_id in alone.item_ids[0] if item_id]
        assert table["item_ids"][row] == expected
        np.testing.assert_allclose(table["scores"][row], alone.scores[0, : len(expected)], rtol=1e-5)
        assert table["num_known_items"][row] == alone.num_known_items[0]
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_what_is_excluded_is_recommended_to_nobody(saved, histories, tmp_path):
    best = saved.recommend(histories, K).item_ids
    of_their_own = [[row[0]] if row[0] else [] for row in best.tolist()]
    users = batches(histories, exclude=of_their_own)
    hidden = {item_id for item_id in best[:, 1].tolist() if item_id}
    output = tmp_path / "out.parquet"
    recommend_all(saved, users, output, k=K, source={}, exclude=sorted(hidden))
    for excluded, given in zip(of_their_own, pq.read_table(output)["item_ids"].to_pylist(), strict=True):
        assert not {*excluded, *hidden} & {*given}


def test_the_result_says_who_is_unknown_and_how_long_the_lists_are(saved, tmp_path):
    result = recommend(saved, [["item 1"], ["??"], []], tmp_path / "out.parquet", k=200)
    assert (result.num_users, result.num_unknown, result.longest_list) == (3, 2, 100)
    assert "3 users, 2 of whom have no known item: they got the most popular items" in str(result)


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_other_forms_hold_the_same(ending, saved, histories, tmp_path):
    recommend(saved, histories, tmp_path / "out.parquet")
    recommend(saved, histories, tmp_path / f"out{ending}")
    expected = pq.read_table(tmp_path / "out.parquet").to_pylist()
    text = (tmp_path / f"out{ending}").read_text(encoding="utf-8")
    if ending == ".jsonl":
        assert [json.loads(line) for line in text.splitlines()] == expected
    else:
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [(row["user_id"], row["item_id"]) for row in rows] == [
            (user["user_id"], item_id) for user in expected for item_id in user["item_ids"]
        ]
        assert [int(row["rank"]) for row in rows[:K]] == list(range(1, K + 1))


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("out.txt", "output is .*out.txt; it must be a name that ends in .parquet, .jsonl, .csv"),
        ("folder.csv", "folder.csv, which is a folder"),
        ("nowhere/out.csv", "nowhere cannot be written"),
    ],
)
def test_an_output_that_cannot_be_written_is_told_before_the_work(output, message, tmp_path):
    (tmp_path / "folder.csv").mkdir()
    echo = Echo()
    with pytest.raises(RunError, match=message):
        recommend(echo, [["a"]], tmp_path / output)
    assert echo.num_requests == 0


def test_an_interrupted_call_is_continued(histories, tmp_path):
    recommend(Echo(), histories, tmp_path / "whole.parquet")
    with pytest.raises(KeyboardInterrupt):
        recommend(Echo(fail_after=5), histories, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
    echo = Echo()
    result = recommend(echo, histories, tmp_path / "out.parquet")
    assert (result.num_done_before, echo.num_users) == (20, len(histories) - 20)
    assert (tmp_path / "out.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


@pytest.mark.parametrize("change", ["model", "k", "source", "exclude"])
def test_parts_of_another_job_are_not_used(change, histories, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        recommend(Echo(fail_after=5), histories, tmp_path / "out.parquet")
    echo = Echo(identity="other" if change == "model" else "m")
    changed = {"k": {"k": 3}, "source": {"source": {"n": 0}}, "exclude": {"exclude": ["a"]}}.get(change, {})
    result = recommend(echo, histories, tmp_path / "out.parquet", **changed)
    assert (result.num_done_before, echo.num_users) == (0, result.num_users)


def test_a_job_that_runs_twice_at_once_is_refused(histories, tmp_path):
    class Again(Echo):
        def recommend(self, histories_of_some, k=10, exclude=None):
            with pytest.raises(RunError, match="another process is writing into"):
                recommend(Echo(), histories, tmp_path / "out.parquet")
            return super().recommend(histories_of_some, k, exclude)

    result = recommend(Again(), histories[:3], tmp_path / "out.parquet", source={"n": len(histories)})
    assert result.num_users == 3


def test_a_long_history_has_few_users_beside_it(tmp_path):
    class Widths(Echo):
        users_at_a_time = 256
        cells = 0

        def recommend(self, histories, k=10, exclude=None):
            self.cells = max(self.cells, len(histories) * (1 + max(map(len, histories))))
            return super().recommend(histories, k, exclude)

    long = [str(number) for number in range(50_000)]
    widths = Widths()
    recommend(widths, [["a"]] * 300 + [long] + [["b"]] * 300, tmp_path / "out.parquet", users_per_part=1000)
    assert widths.cells <= 2**20
    assert widths.num_users == 601


def test_memory_does_not_grow_with_the_users(tmp_path):
    """What Arrow holds while the users go by is the same for ten times as many."""

    class Watch(Echo):
        peak = 0

        def recommend(self, histories, k=10, exclude=None):
            self.peak = max(self.peak, pa.total_allocated_bytes() - before)
            return super().recommend(histories, k)

    peaks = []
    for num_users in (2_000, 20_000):
        history = [f"item-{number:030d}" for number in range(10)]
        gc.collect()
        before = pa.total_allocated_bytes()
        watch = Watch()
        users = (batch for _ in range(num_users // 500) for batch in batches([history] * 500, 500))
        result = recommend_all(watch, users, tmp_path / "o.parquet", k=K, source={}, users_per_part=500)
        assert result.num_users == num_users
        peaks.append(watch.peak)
    assert 0 < peaks[1] < 2 * peaks[0]
