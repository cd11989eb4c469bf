"""Files of users and what they liked, in the forms of files of interactions."""

import gzip
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep import DataError
from data_prep.readers import read_histories
from nasty_ids import NASTY_IDS

USERS = ["007", "b", "c"]
LISTS = [["1", "2.0", "x y "], [], ["a,b"]]


def read(path, **settings):
    batches = list(read_histories(path, **settings))
    assert all(batch.schema.field("history").type == pa.list_(pa.string()) for batch in batches)
    assert all(batch.schema.field("user_id").type == pa.string() for batch in batches)
    return {
        user: history
        for batch in batches
        for user, history in zip(batch["user_id"].to_pylist(), batch["history"].to_pylist(), strict=True)
    }


def as_parquet(path):
    pq.write_table(pa.table({"user_id": USERS, "history": LISTS}), path)


def as_large_lists(path):
    lists = pa.array(LISTS, pa.large_list(pa.large_string()))
    pq.write_table(pa.table({"user_id": USERS, "history": lists}), path)


def as_json(path):
    lines = (json.dumps({"user_id": u, "history": h}) for u, h in zip(USERS, LISTS, strict=True))
    path.write_text("\n".join(lines))


def as_json_without_empty_ones(path):
    lines = (
        json.dumps({"user_id": u, **({"history": h} if h or u == "007" else {})})
        for u, h in zip(USERS, LISTS, strict=True)
    )
    path.write_text("\n".join(lines))


def as_text(path, delimiter=","):
    texts = ["1,2.0,x y ", "", '"a,b"']
    frame = pd.DataFrame({"user_id": USERS, "history": texts})
    content = frame.to_csv(index=False, sep=delimiter)
    path.write_bytes(gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode())


FORMS = {
    "h.parquet": as_parquet,
    "large.parquet": as_large_lists,
    "h.jsonl": as_json,
    "sparse.ndjson": as_json_without_empty_ones,
    "h.csv": as_text,
    "h.csv.gz": as_text,
    "semicolons.csv": lambda path: as_text(path, ";"),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_histories(name, tmp_path):
    FORMS[name](tmp_path / name)
    assert read(tmp_path / name) == dict(zip(USERS, LISTS, strict=True))


@pytest.mark.parametrize("name", ["h.parquet", "h.jsonl"])
def test_nasty_ids_come_back(name, tmp_path):
    if name == "h.parquet":
        pq.write_table(pa.table({"user_id": ["u"], "history": [NASTY_IDS]}), tmp_path / name)
    else:
        (tmp_path / name).write_text(json.dumps({"user_id": "u", "history": NASTY_IDS}))
    assert read(tmp_path / name) == {"u": NASTY_IDS}


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([[1, 2], [3]]), [["1", "2"], ["3"]]),
        (pa.array([[1, 2], [3, 4]], pa.list_(pa.int64(), 2)), [["1", "2"], ["3", "4"]]),
        (pa.array([[2**64 - 1], None], pa.list_(pa.uint64())), [["18446744073709551615"], []]),
        (pa.array([[1.0], [2.0]]), [["1"], ["2"]]),
        (
            pa.array([[b"\x00" * 16], []], pa.list_(pa.binary(16))),
            [["00000000-0000-0000-0000-000000000000"], []],
        ),
        (pa.array([7, 8]), [["7"], ["8"]]),
    ],
)
def test_lists_of_every_type_of_id(column, expected, tmp_path):
    pq.write_table(pa.table({"user_id": [1, 2], "history": column}), tmp_path / "h.parquet")
    assert read(tmp_path / "h.parquet") == dict(zip(["1", "2"], expected, strict=True))


def test_what_is_excluded_comes_too(tmp_path):
    (tmp_path / "h.csv").write_text('user_id,history,exclude\nu,"1,2","3,""4,5"""\nv,6,\n')
    (batch,) = read_histories(tmp_path / "h.csv")
    assert batch["exclude"].to_pylist() == [["3", "4,5"], []]


def test_json_may_have_a_list_in_one_line_and_a_text_in_another(tmp_path):
    lines = ['{"user_id": 1, "history": [1, "b"]}', '{"user_id": 2, "history": "3,c"}', '{"user_id": 3}']
    (tmp_path / "h.jsonl").write_text("\n".join(lines))
    assert read(tmp_path / "h.jsonl") == {"1": ["1", "b"], "2": ["3", "c"], "3": []}


def test_another_separator(tmp_path):
    (tmp_path / "h.csv").write_text("user_id,history\nu,1|2||3|\n")
    assert read(tmp_path / "h.csv", separator="|") == {"u": ["1", "2", "3"]}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "h.csv",
            'user_id,history\nu1,"1,2\nu2,"5"\n',
            r"h.csv, line 2: the quotation mark of '\"1,2' opens a field",
        ),
        ("h.csv", "user_id,items\nu1,1\n", r"h.csv has no column 'history'; its columns are user_id, items"),
        ("h.csv", "user_id,history\n,1\n", r"h.csv, line 2: user_id is empty; it must be an id"),
        ("h.csv", 'user_id,history\nu,"1,""2"\n', r"h.csv, line 2: history is .*unexpected end of data"),
        (
            "h.jsonl",
            '{"user_id": 1, "history": [1, null]}',
            r"h.jsonl, line 1: history has an id that is empty",
        ),
        ("h.jsonl", '[{"user_id": 1}]', r"h.jsonl begins with '\['; each line must be an object"),
    ],
)
def test_what_is_wrong_is_told(name, content, message, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / name)
