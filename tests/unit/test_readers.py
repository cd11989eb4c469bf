"""Raw files of ratings: every accepted form gives the same table, every bad one a sentence."""

import gzip
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep import readers
from data_prep.errors import DataError
from data_prep.readers import Layout, encodings
from data_prep.readers.files import expand
from data_prep.table import InteractionTable

LAYOUT = Layout(rating="rating")
CONTENT = "userId,movieId,rating\n7,20,4.0\n3,10,5\n7,10,1.5\n3,20,3.5\n10,30,4\n"


def raw_rows(table: InteractionTable) -> list[tuple]:
    users, items = table.user_ids.take(pa.array(table.users)), table.item_ids.take(pa.array(table.items))
    return list(zip(users.to_pylist(), items.to_pylist(), strict=True))


def read(path, layout=LAYOUT, threshold=3.5) -> InteractionTable:
    return readers.read_table(expand(str(path)), layout, threshold)


def write(path, content=CONTENT):
    path.write_bytes(content.encode())
    return path


def zipped(path, content=CONTENT):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("some folder/ratings.csv", content)
    return path


def parquet(path, content=CONTENT):
    pd.read_csv(write(path.with_suffix(".csv"), content)).to_parquet(path)
    return path


def gzipped(path, content=CONTENT):
    path.write_bytes(gzip.compress(content.encode()))
    return path


FORMS = {"r.csv": write, "r.csv.gz": gzipped, "r.zip": zipped, "r.parquet": parquet}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_keeps_the_positives_in_the_order_of_the_file(name, tmp_path):
    table = read(FORMS[name](tmp_path / name))
    assert raw_rows(table) == [("7", "20"), ("3", "10"), ("10", "30")]
    assert table.user_ids.to_pylist() == ["3", "7", "10"]


def test_tabs_separate_a_tsv(tmp_path):
    path = write(tmp_path / "r.tsv", CONTENT.replace(",", "\t"))
    assert len(read(path).users) == 3


def test_without_a_rating_column_every_row_counts(tmp_path):
    table = read(write(tmp_path / "r.csv"), Layout(), None)
    assert len(table.users) == 5


def test_text_ids_keep_spaces_quotes_and_unicode(tmp_path):
    path = write(tmp_path / "r.csv", 'userId,movieId,rating\n"a, b",Amélie,4\nü,"say ""hi""",4\n1, x y ,4\n')
    table = read(path)
    assert raw_rows(table) == [("a, b", "Amélie"), ("ü", 'say "hi"'), ("1", " x y ")]


def test_ids_that_turn_out_to_be_text_late_are_read_as_text(tmp_path, monkeypatch):
    monkeypatch.setattr(encodings, "BLOCK_BYTES", 1 << 10)
    lines = [f"{n},{n + 1},4" for n in range(2_000)] + ["7,x,4"]
    table = read(write(tmp_path / "r.csv", "userId,movieId,rating\n" + "\n".join(lines)))
    assert table.item_ids[table.items[-1]].as_py() == "x"
    # User ids are all integers: they ascend as numbers.
    assert table.user_ids.to_pylist() == [str(n) for n in range(2_000)]


def test_duplicates_are_kept_once_and_counted(tmp_path):
    path = write(tmp_path / "r.csv", CONTENT + "7,20,5\n7,20,1\n7,20,4\n")
    table = read(path)
    assert raw_rows(table) == [("7", "20"), ("3", "10"), ("10", "30")]
    assert table.num_duplicates == 2


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(-5, 5), st.integers(0, 2**40), st.sampled_from([1.0, 3.5, 4.0])), min_size=1
    )
)
def test_any_integers_are_read_as_pandas_reads_them(rows, tmp_path_factory):
    frame = pd.DataFrame(rows, columns=["userId", "movieId", "rating"])
    path = tmp_path_factory.mktemp("r") / "r.csv"
    frame.to_csv(path, index=False)
    positives = frame[frame.rating > 3.5].drop_duplicates(["userId", "movieId"])
    if positives.empty:
        with pytest.raises(DataError, match="no row that counts"):
            read(path)
    else:
        expected = list(zip(positives.userId.astype(str), positives.movieId.astype(str), strict=True))
        assert raw_rows(read(path)) == expected


BAD = {
    "no rating column": (
        "userId,movieId\n1,2\n",
        "r.csv has no column 'rating'; its columns are userId, movieId",
    ),
    "text as rating": (CONTENT + "9,9,good\n", "r.csv, line 7: rating is 'good'; it must be a finite number"),
    "NaN rating": (CONTENT + "9,9,nan\n", "r.csv, line 7: rating is nan; it must be a finite number"),
    "infinite rating": (CONTENT + "9,9,inf\n", "r.csv, line 7: rating is inf; it must be a finite number"),
    "no rating": (CONTENT + "9,9,\n", "r.csv, line 7: rating is empty"),
    "no user": (CONTENT + ",9,4\n", "r.csv, line 7: userId is empty; it must be an id"),
    "too few columns": (CONTENT + "9,9\n", "r.csv, line 7 has 2 columns, not 3"),
    "nothing at all": ("", "r.csv is empty"),
    "only a header": ("userId,movieId,rating\n", "r.csv has no row"),
    "no positive": ("userId,movieId,rating\n1,2,3\n", "r.csv has no row that counts as a positive"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_text_is_told_with_file_line_and_value(case, tmp_path):
    content, message = BAD[case]
    with pytest.raises(DataError) as error:
        read(write(tmp_path / "r.csv", content))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_bad_rating_in_parquet_is_told_with_its_row(tmp_path):
    pd.DataFrame({"userId": [1, 2], "movieId": [1, 2], "rating": [4.0, np.nan]}).to_parquet(
        tmp_path / "r.parquet"
    )
    with pytest.raises(DataError, match=r"r.parquet, row 2: rating is empty"):
        read(tmp_path / "r.parquet")


@pytest.mark.parametrize("name", ["r.csv.gz", "r.zip", "r.parquet"])
def test_a_truncated_archive_is_told(name, tmp_path):
    path = FORMS[name](
        tmp_path / name, CONTENT + "".join(f"{n},{n * 7919 % 10007},4\n" for n in range(20_000))
    )
    path.write_bytes(path.read_bytes()[:-2_000])
    with pytest.raises(DataError, match="truncated"):
        read(path)


def test_a_zip_must_hold_one_table(tmp_path):
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as archive:
        archive.writestr("a.csv", CONTENT)
        archive.writestr("b.csv", CONTENT)
    with pytest.raises(DataError, match=r"r.zip holds a.csv, b.csv; it must hold exactly one"):
        read(tmp_path / "r.zip")
