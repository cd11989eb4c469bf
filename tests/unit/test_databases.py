"""Queries of PostgreSQL, SQLite and DuckDB: the same datasets as from files, and no password anywhere."""

import datetime
import os
import sqlite3
import subprocess
import sys
import uuid
from pathlib import Path

import pyarrow as pa
import pytest

import case_files
import data_prep
from case_files import PAIRS
from data_prep import DataError
from data_prep.database_url import without_secrets
from postgresql_server import PASSWORD, postgresql  # noqa: F401

SETTINGS = {"threshold": 3.5, "heldout_users": 5, "min_user_items": 2}
QUERY = 'select "userId", "movieId", rating from plays'


def whole_table():
    times = [datetime.datetime(2020, 1, 1) + datetime.timedelta(seconds=86401 * n) for n in range(len(PAIRS))]
    return case_files.table().append_column("timestamp", pa.array(times, pa.timestamp("us")))


def in_postgresql(server, folder):
    server.write("plays", whole_table())
    return server.url


def in_sqlite(server, folder):
    with sqlite3.connect(folder / "plays.db") as connection:
        connection.execute(
            'create table plays ("userId" integer, "movieId" integer, rating real, timestamp text)'
        )
        rows = [
            tuple(str(v) if k == "timestamp" else v for k, v in r.items()) for r in whole_table().to_pylist()
        ]
        connection.executemany("insert into plays values (?, ?, ?, ?)", rows)
    return f"sqlite:///{folder / 'plays.db'}"


def in_duckdb(server, folder):
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(folder / "plays.duckdb")) as connection:
        connection.register("arrow_table", whole_table())
        connection.execute("create table plays as select * from arrow_table")
    return f"duckdb:///{folder / 'plays.duckdb'}"


DATABASES = [in_postgresql, in_sqlite, in_duckdb]


@pytest.fixture(params=DATABASES, ids=["postgresql", "sqlite", "duckdb"])
def url(request, postgresql, tmp_path):  # noqa: F811
    if request.param is in_sqlite:
        pytest.importorskip("adbc_driver_sqlite")
    return request.param(postgresql, tmp_path)


@pytest.mark.parametrize("protocol", ["strong", "temporal"])
def test_a_query_gives_the_same_split_as_a_file(url, protocol, tmp_path):
    settings = SETTINGS | {"protocol": protocol}
    expected = data_prep.prepare(
        case_files.write("time_seconds.csv", tmp_path), tmp_path / "data", **settings
    )
    order = " order by timestamp"
    by_name = data_prep.prepare(url, tmp_path / "data", query="select * from plays" + order, **settings)
    renamed = 'select "userId" u, "movieId" i, rating r, timestamp t from plays' + order
    by_place = data_prep.prepare(url, tmp_path / "data", query=renamed, **settings)
    assert by_name.fingerprint == by_place.fingerprint == expected.fingerprint
    assert "374 rows of a query; users in 'u', items in 'i', ratings in 'r'" in by_place.description


def test_what_has_changed_is_read_anew_and_the_same_is_the_same_folder(postgresql, tmp_path):  # noqa: F811
    url = in_postgresql(postgresql, tmp_path)
    first, second = (data_prep.prepare(url, tmp_path, query=QUERY, **SETTINGS) for _ in range(2))
    assert first.folder == second.folder
    postgresql.execute("insert into plays values (39, 99, 5, now()), (38, 99, 5, now()), (37, 99, 5, now())")
    third = data_prep.prepare(url, tmp_path, query=QUERY, **SETTINGS)
    assert third.counts["events"] == 377
    assert third.folder != first.folder


def test_types_of_postgresql(postgresql, tmp_path):  # noqa: F811
    postgresql.execute("drop table if exists t")
    postgresql.execute(
        "create table t (u uuid, i numeric(20, 0), r smallint, c char(6), d date, z timestamptz, b boolean)"
    )
    row = "('{}', {}, 5, 'A{}', date '2020-01-01' + {}, to_timestamp({}), true)"
    values = ", ".join(
        row.format(uuid.UUID(int=u), i, i, i, n * 7919 % 1009) for n, (u, i) in enumerate(PAIRS)
    )
    postgresql.execute(f"insert into t values {values}")

    def ids(query, **settings):
        dataset = data_prep.prepare(postgresql.url, tmp_path, query=query, **SETTINGS | settings)
        return {*dataset.train_user_ids, *dataset.test.user_ids}, set(dataset.item_ids)

    users, items = ids("select u, i, r from t")
    assert all(str(uuid.UUID(user)) == user for user in users)
    assert items == {str(i) for i in range(16)}
    assert ids("select u, i::numeric(20, 4), r::numeric(3, 1) from t")[1] == items
    assert ids("select u, c, b from t")[1] == {f"A{i}".ljust(6) for i in range(16)}
    assert ids("select u, d, r from t")[1] == {
        str(datetime.date(2020, 1, 1) + datetime.timedelta(i)) for i in range(16)
    }
    assert ids("select u, i, r, z from t", protocol="temporal")[1] == {str(i) for i in range(16)}
    assert ids("select u, i from t")[1] == {str(i) for i in range(16)}


def test_a_column_of_sqlite_with_values_of_several_types_is_told(tmp_path):
    pytest.importorskip("adbc_driver_sqlite")
    with sqlite3.connect(tmp_path / "r.db") as connection:
        connection.execute("create table plays (u, i)")
        rows = [*((n % 50, n % 37) for n in range(3000)), *((n % 50, "007") for n in range(50))]
        connection.executemany("insert into plays values (?, ?)", rows)
    url = f"sqlite:///{tmp_path / 'r.db'}"
    with pytest.raises(
        DataError, match=r"r.db: .*Type mismatch in column 1.*as with cast\(item_id as text\)"
    ):
        data_prep.prepare(url, tmp_path, query="select u, i from plays")
    dataset = data_prep.prepare(url, tmp_path, query="select u, cast(i as text) as i from plays")
    assert set(dataset.item_ids) == {str(n) for n in range(37)} | {"007"}


def test_sql_over_files(tmp_path):
    pytest.importorskip("duckdb")
    path = case_files.write("partitioned", tmp_path)
    query = f"select userId, movieId, rating from '{path}/*/*.parquet' order by userId, movieId"
    dataset = data_prep.prepare("duckdb://", tmp_path / "data", query=query, **SETTINGS)
    expected = data_prep.prepare(path, tmp_path / "data", **SETTINGS)
    assert dataset.fingerprint == expected.fingerprint


@pytest.mark.parametrize(
    ("dataset", "settings", "message"),
    [
        ("sqlite:///absent.db", {"query": "select 1"}, "there is no file 'absent.db'"),
        ("duckdb:///absent.db", {"query": "select 1"}, "there is no file 'absent.db'"),
        ("duckdb://", {}, "duckdb:// is a database: say what to read, such as query='select"),
        ("duckdb://", {"query": "select 1 as a"}, "the query gives the columns a; it must give user, item"),
        ("duckdb://", {"query": "selekt"}, "duckdb://: Parser Error"),
        (
            "duckdb://",
            {"query": "select 1 as u, 2.5 as i"},
            r"result, row 1: i is 2.5; it must be an integer",
        ),
        (
            "duckdb://",
            {"query": "select 1 as u, null::int as i"},
            r"result, row 1: i is empty; it must be an id",
        ),
    ],
)
def test_what_cannot_be_read_is_told(dataset, settings, message, tmp_path):
    pytest.importorskip("duckdb")
    with pytest.raises(DataError, match=message):
        data_prep.prepare(dataset, tmp_path, **settings)
    assert list(tmp_path.iterdir()) == []


def test_a_query_of_a_file_is_told(tmp_path):
    with pytest.raises(
        DataError, match=r"query is for databases; .* is none: for SQL over files .* duckdb://"
    ):
        data_prep.prepare(case_files.write("no_header.csv", tmp_path), tmp_path, query="select 1")


def run_prepare_data(folder, *flags, **environment):
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, str(root / "scripts" / "prepare_data.py"), *flags],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{root}:{root / 'scripts'}", **environment},
        capture_output=True,
        text=True,
    )


def test_no_password_is_written_or_printed(postgresql, tmp_path):  # noqa: F811
    url = in_postgresql(postgresql, tmp_path)
    flags = [f"--query={QUERY}", "--heldout_users=5", "--min_user_items=2"]
    good = run_prepare_data(tmp_path, f"--dataset={url}", *flags)
    assert good.returncode == 0, good.stderr
    wrong = [
        run_prepare_data(tmp_path, f"--dataset={url.replace('s3cret', 's3cret-wrong')}", *flags),
        run_prepare_data(tmp_path, f"--dataset={url}", "--query=select nothing from nowhere"),
    ]
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    printed = "".join(result.stdout + result.stderr for result in (good, *wrong))
    for secret in (PASSWORD, "s3cret"):
        assert secret not in printed
        assert secret.encode() not in written
    for result in wrong:
        assert result.returncode == 1
        assert result.stderr.startswith("Error: postgresql://ada@/postgres?host=")
        assert len(result.stderr.splitlines()) == 1
    assert "password authentication failed" in wrong[0].stderr
    assert '"nowhere" does not exist' in wrong[1].stderr
    # The command that is printed is run with the password where the driver looks for it.
    printed_flags = [line for line in good.stdout.splitlines() if "train.py" in line]
    assert postgresql.url_without_password in printed_flags[0]
    again = run_prepare_data(
        tmp_path, f"--dataset={postgresql.url_without_password}", *flags, PGPASSWORD=PASSWORD
    )
    assert again.returncode == 0, again.stderr
    assert len(list((tmp_path / "data").glob("*/prepared/*"))) == 1


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("postgresql://ada:se@cret@host/shop", "postgresql://ada@host/shop"),
        ("postgres://ada:@host/shop", "postgres://ada@host/shop"),
        (
            "postgresql://host/shop?user=ada&password=secret&a=1",
            "postgresql://host/shop?user=ada&password=***&a=1",
        ),
        ("train --dataset=postgresql://a:secret@h/d --k=1", "train --dataset=postgresql://a@h/d --k=1"),
        ("sqlite:///a@b:c.db", "sqlite:///a@b:c.db"),
        ("nothing@here:5432", "nothing@here:5432"),
    ],
)
def test_passwords_are_taken_out_of_urls(text, cleaned):
    assert without_secrets(text) == cleaned
