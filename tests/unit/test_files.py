"""Files that are whole or not there, and JSON whose content has a type."""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

import pytest

from multvae_tf import Estimate, RunError, TrainingConfig
from multvae_tf.files import as_record, read_json, sha256, write_atomically, write_json


@dataclasses.dataclass(frozen=True)
class Inner:
    name: str
    weight: float = 1.0


@dataclasses.dataclass(frozen=True)
class Outer:
    count: int
    flag: bool
    inner: Inner
    maybe: float | None = None
    by_name: dict[str, Inner] | None = None
    counts: Mapping[str, int] = dataclasses.field(default_factory=dict)
    anything: Any = None


SMALL = {"count": 3, "flag": True, "inner": {"name": "a"}}
WHOLE = Outer(3, False, Inner("ä, b", 0.1), 2.5, {"x": Inner("c")}, {"y": 4}, [1, {"z": None}])


@pytest.mark.parametrize("record", [WHOLE, Outer(3, True, Inner("a")), TrainingConfig(learning_rate=0.1)])
def test_a_record_is_kept_as_it_is(record, tmp_path):
    path = tmp_path / "record.json"
    write_json(path, record)
    assert as_record(type(record), read_json(path), str(path)) == record
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_a_whole_number_may_stand_for_a_real_one():
    record = as_record(Estimate, {"mean": 1, "standard_error": 0}, "here")
    assert record == Estimate(1.0, 0.0)
    assert type(record.mean) is float


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (SMALL | {"color": 1}, "here has the unknown field 'color': was it made by a newer version?"),
        (
            {"count": 3, "flag": True},
            "here lacks the field 'inner': it is damaged, or was made by another version",
        ),
        (
            SMALL | {"inner": {}},
            "here: inner lacks the field 'name': it is damaged, or was made by another version",
        ),
        (SMALL | {"count": 3.0}, "here: count is 3.0; it must be of type int"),
        (SMALL | {"count": "3"}, "here: count is '3'; it must be of type int"),
        (SMALL | {"count": True}, "here: count is True; it must be of type int"),
        (SMALL | {"flag": 1}, "here: flag is 1; it must be of type bool"),
        (SMALL | {"count": None}, "here: count is None; it must be of type int"),
        (SMALL | {"maybe": "much"}, "here: maybe is 'much'; it must be of type float"),
        (SMALL | {"inner": "a"}, "here: inner is 'a'; it must be an object with named fields"),
        (
            SMALL | {"inner": {"name": "a", "weight": "x"}},
            "here: inner: weight is 'x'; it must be of type float",
        ),
        (SMALL | {"by_name": [1]}, "here: by_name is [1]; it must be an object"),
        (
            SMALL | {"by_name": {"x": {"name": 7}}},
            "here: by_name.x: name is 7; it must be of type str",
        ),
        (SMALL | {"counts": {"y": "z"}}, "here: counts.y is 'z'; it must be of type int"),
        ([1, 2], "here is [1, 2]; it must be an object with named fields"),
        ("x" * 99, f"here is '{'x' * 56}...; it must be an object with named fields"),
    ],
)
def test_content_that_is_no_such_record_is_told(content, message):
    with pytest.raises(RunError) as error:
        as_record(Outer, content, "here")
    assert str(error.value) == message


def test_a_value_out_of_range_is_told_with_its_place():
    with pytest.raises(RunError) as error:
        as_record(TrainingConfig, {"epochs": 0}, "config.json: training")
    assert str(error.value) == "config.json: training: epochs is 0; it must be at least 1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1,\n "b"', "{path}, line 2: not JSON (Expecting ':' delimiter)"),
        (b"", "{path}, line 1: not JSON (Expecting value)"),
        (b'{"a": "\xe4"}', "{path} is not UTF-8 from byte 7 on: it is damaged"),
    ],
)
def test_a_file_that_is_not_json_is_told(content, message, tmp_path):
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(RunError) as error:
        read_json(path)
    assert str(error.value) == message.format(path=path)


def test_a_file_that_is_missing_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "record.json")


def test_a_file_is_written_whole_or_stays_as_it_was(tmp_path):
    path = tmp_path / "file.txt"
    write_atomically(path, lambda temporary: temporary.write_text("old"))

    def fail(temporary):
        assert temporary.suffix == ".txt"
        temporary.write_text("ne")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_sha256(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc" * 1_000_000)
    assert sha256(path) == hashlib.sha256(b"abc" * 1_000_000).hexdigest()
