"""Any ids come back from a prepared dataset as they went in, whatever they were stored in."""

import csv
import json
import sqlite3

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import data_prep
from nasty_ids import IDS, NASTY_IDS, NUL_ID
from postgresql_server import postgresql  # noqa: F401

# Three users who are trained on have every item, so that no item is dropped; five items allow a held-out one.
USERS, ITEMS = ["u 1", "u 2", "u 3"], ["i 1", "i 2", "i 3", "i 4", "i 5"]
QUERY = 'select "userId", "movieId" from plays'


def interactions(ids):
    """Every user with every item; the ids are both."""
    users, items = dict.fromkeys([*ids, *USERS]), dict.fromkeys([*ids, *ITEMS])
    return [(user, item) for user in users for item in items]


def write_csv(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([("userId", "movieId"), *rows])


def write_csv_by_pandas(path, rows):
    pd.DataFrame(rows, columns=["userId", "movieId"]).to_csv(path, index=False, quoting=csv.QUOTE_NONNUMERIC)


def write_csv_by_arrow(path, rows):
    pa.csv.write_csv(table_of(rows), path)


def write_semicolons(path, rows):
    with path.open("w", newline="", encoding="utf-16") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerows([("userId", "movieId"), *rows])


def table_of(rows):
    users, items = zip(*rows, strict=True)
    return pa.table({"userId": list(users), "movieId": list(items)})


def write_parquet(path, rows):
    pq.write_table(table_of(rows), path)


def write_dictionary(path, rows):
    table = table_of(rows)
    columns = [column.combine_chunks().dictionary_encode() for column in table.columns]
    pq.write_table(pa.table(columns, names=table.column_names), path)


def write_arrow(path, rows):
    pa.feather.write_feather(table_of(rows), str(path))


def write_json(path, rows):
    lines = (json.dumps({"userId": u, "movieId": i}, ensure_ascii=len(u) % 2 == 0) for u, i in rows)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")


FORMS = {
    "r.csv": write_csv,
    "pandas.csv": write_csv_by_pandas,
    "arrow.csv": write_csv_by_arrow,
    "semicolons.csv": write_semicolons,
    "r.parquet": write_parquet,
    "dictionary.parquet": write_dictionary,
    "r.arrow": write_arrow,
    "r.jsonl": write_json,
}
EXAMPLES = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def assert_all_come_back(dataset, ids):
    users = [*dataset.train_user_ids, *dataset.validation.user_ids, *dataset.test.user_ids]
    assert sorted(users) == sorted({*ids, *USERS})
    assert sorted(dataset.item_ids) == sorted({*ids, *ITEMS})


def prepared(dataset, folder, **more):
    return data_prep.prepare(
        dataset, folder / "data", rating_column="", min_user_items=1, heldout_users=1, **more
    )


@pytest.mark.parametrize("name", FORMS)
def test_the_nasty_ids_come_back(name, tmp_path):
    ids = [*NASTY_IDS, NUL_ID]
    FORMS[name](tmp_path / name, interactions(ids))
    assert_all_come_back(prepared(tmp_path / name, tmp_path), ids)


@pytest.mark.parametrize("name", FORMS)
@EXAMPLES
@given(ids=IDS)
def test_any_ids_come_back_from_files(name, ids, tmp_path_factory):
    folder = tmp_path_factory.mktemp("round")
    FORMS[name](folder / name, interactions(ids))
    assert_all_come_back(prepared(folder / name, folder), ids)


@EXAMPLES
@given(ids=IDS)
def test_any_ids_come_back_from_sqlite(ids, tmp_path_factory):
    pytest.importorskip("adbc_driver_sqlite")
    folder = tmp_path_factory.mktemp("round")
    with sqlite3.connect(folder / "r.db") as connection:
        connection.execute('create table plays ("userId" text, "movieId" text)')
        connection.executemany("insert into plays values (?, ?)", interactions(ids))
    assert_all_come_back(prepared(f"sqlite:///{folder / 'r.db'}", folder, query=QUERY), ids)


@EXAMPLES
@given(ids=IDS.filter(lambda ids: not any("\x00" in one for one in ids)))
def test_any_ids_come_back_from_postgresql(ids, postgresql, tmp_path_factory):  # noqa: F811
    postgresql.write("plays", table_of(interactions(ids)))
    assert_all_come_back(prepared(postgresql.url, tmp_path_factory.mktemp("round"), query=QUERY), ids)


@EXAMPLES
@given(
    rows=st.lists(st.tuples(st.text('ab,"\n\r', max_size=6), st.text('xy"\n,', max_size=6)), min_size=1),
    block=st.integers(40, 90),
)
def test_a_csv_is_read_as_python_reads_it_whatever_the_size_of_the_blocks(rows, block, tmp_path_factory):
    """Columns of text beside the ids have line ends and quotation marks anywhere."""
    from data_prep.readers import encodings

    folder = tmp_path_factory.mktemp("blocks")
    with (folder / "r.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["before", "userId", "movieId", "after"])
        for n, (before, after) in enumerate(rows):
            for item in range(6):
                writer.writerow([before, f"u{n}", item, after])
        for n in range(3):
            for item in range(6):
                writer.writerow(["", f"v{n}", item, ""])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encodings, "BLOCK_BYTES", block)
        dataset = prepared(folder / "r.csv", folder)
    assert dataset.counts["events"] == 6 * (len(rows) + 3)
    assert dataset.counts["users"] == len(rows) + 3
