"""Faults of the kind that is reported of such software, each with the smallest input that shows it."""

import io
import random
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import data_prep
from data_prep import DataError
from data_prep.readers import encodings

USERS, ITEMS = range(1, 13), range(1, 13)


def rows(item=str, user=str):
    """Twelve users with eight of twelve items each."""
    return [(user(u), item((u + k) % 12 + 1)) for u in USERS for k in range(8)]


def write_csv(path, pairs, **columns):
    frame = pd.DataFrame(pairs, columns=["userId", "movieId"]).assign(rating=5, **columns)
    frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


def prepare(path, tmp_path, **settings):
    return data_prep.prepare(path, tmp_path / "data", **{"heldout_users": 2, **settings})


@pytest.mark.parametrize(
    "item",
    [
        lambda i: f"{i:010d}",
        lambda i: f"{i // 2:03d}" if i % 2 else str(i // 2),
        lambda i: f"{i // 2}e3" if i % 2 else str(i // 2 * 1000),
        lambda i: str(2**64 - 100 + i),
        lambda i: str(2**63 + i * 7919),
        lambda i: f"+{i}",
        lambda i: f"{i}.0",
        lambda i: f"0x{i + 0xFFFFE:X}",
        lambda i: f"-{i}" if i % 2 else f"{i}",
        lambda i: "nan" if i == 3 else "null" if i == 4 else "NA" if i == 5 else "-0" if i == 6 else str(i),
    ],
    ids=[
        "zeros",
        "seven",
        "scientific",
        "unsigned64",
        "hash64",
        "plus",
        "float",
        "hexadecimal",
        "negative",
        "words",
    ],
)
def test_ids_of_a_csv_are_not_guessed_to_be_numbers(item, tmp_path):
    """apache/arrow 46853, pandas 57666."""
    dataset = prepare(write_csv(tmp_path / "r.csv", rows(item)), tmp_path)
    assert set(dataset.item_ids) == {item(i) for i in ITEMS}
    assert dataset.counts["duplicates"] == 0


def test_an_unclosed_quotation_mark_in_tab_separated_text_swallows_nothing(tmp_path):
    """Public listening data has artists such as '"weird al'."""
    pairs = rows()
    path = tmp_path / "plays.tsv"
    lines = [f"{u}\t{i}\t5\t{'abc' if n != 19 else chr(34) + 'weird al'}" for n, (u, i) in enumerate(pairs)]
    path.write_text("\n".join(["userId\tmovieId\trating\tartist", *lines]) + "\n")
    assert prepare(path, tmp_path).counts["events"] == len(pairs)


@pytest.mark.parametrize(
    ("artist", "line", "mark"),
    [('"weird al', 21, '"weird al'), ('"weird" al', 21, '"weird" al'), ('"the ""end', 21, '"the ""end')],
)
def test_an_unclosed_quotation_mark_in_a_csv_is_told_with_the_line_where_it_opens(
    artist, line, mark, tmp_path
):
    lines = [f"{u},{i},5,{'abc' if n != 19 else artist}" for n, (u, i) in enumerate(rows())]
    path = tmp_path / "plays.csv"
    path.write_text("\n".join(["userId,movieId,rating,artist", *lines]) + "\n")
    with pytest.raises(
        DataError, match=rf"plays.csv, line {line}: the quotation mark of '{mark}.* opens a field"
    ):
        prepare(path, tmp_path)
    assert prepare(path, tmp_path, quote="").counts["events"] == len(lines)


def test_a_quotation_mark_within_an_unquoted_field_is_a_letter(tmp_path):
    lines = [f'{u},{i},5,7" single' for u, i in rows()]
    path = tmp_path / "plays.csv"
    path.write_text("\n".join(["userId,movieId,rating,title", *lines]) + "\n")
    assert prepare(path, tmp_path).counts["events"] == len(lines)


def test_quoted_ids_in_tab_separated_text_are_asked_about(tmp_path):
    path = tmp_path / "r.tsv"
    path.write_text("userId\tmovieId\trating\n" + "".join(f'{u}\t"{i}"\t5\n' for u, i in rows()))
    with pytest.raises(
        DataError, match=r"line 2: movieId is '\"2\"'; say whether .*\(quote='\"'\).*\(quote=''\)"
    ):
        prepare(path, tmp_path)
    assert set(prepare(path, tmp_path, quote='"').item_ids) == {str(i) for i in ITEMS}
    assert set(prepare(path, tmp_path, quote="").item_ids) == {f'"{i}"' for i in ITEMS}


@pytest.mark.parametrize("kind", [pa.uint64(), pa.uint32(), pa.int64()])
def test_unsigned_ids_of_parquet_stay_positive(kind, tmp_path):
    """apache/arrow 42242 and 36636."""
    first = {8: 2**64 - 50, 4: 2**32 - 50}[kind.bit_width // 8] if kind != pa.int64() else -(2**63)
    pairs = rows(item=int, user=int)
    table = pa.table(
        {
            "userId": [u for u, _ in pairs],
            "movieId": pa.array([first + i for _, i in pairs], kind),
            "rating": [5] * len(pairs),
        }
    )
    pq.write_table(table, tmp_path / "r.parquet")
    assert set(prepare(tmp_path / "r.parquet", tmp_path).item_ids) == {str(first + i) for i in ITEMS}


@pytest.mark.parametrize("review", ["a line, with a comma", "999999,888888,5,as quoted", 'she said ""no""'])
def test_text_over_several_lines_across_blocks_is_read_as_pandas_reads_it(review, tmp_path, monkeypatch):
    """Pandas 59009 and 56396, apache/arrow 39857."""
    monkeypatch.setattr(encodings, "BLOCK_BYTES", 1 << 12)
    text = "\n".join([review] * 300)
    lines = [f'{u},{i},5,"{text if n == 40 else "x" * 50}"' for n, (u, i) in enumerate(rows())]
    path = tmp_path / "r.csv"
    path.write_text("\n".join(["userId,movieId,rating,review", *lines]) + "\n")
    expected = pd.read_csv(path, dtype=str)
    dataset = prepare(path, tmp_path)
    assert dataset.counts["events"] == len(expected)
    assert set(dataset.item_ids) == set(expected.movieId)


@pytest.mark.parametrize("order", ["newest first", "shuffled"])
def test_of_repeated_plays_the_first_time_counts_whatever_the_order_of_the_file(order, tmp_path):
    """recommenders-team/recommenders 1675, RUCAIBox/RecBole 1892 and 2204."""
    items = [*range(10), 0, 1]
    plays = [(u, (i + u - 1) % 10 + 1, 1_600_000_000 + 60 * n) for u in USERS for n, i in enumerate(items)]
    parts = []
    for name in ("oldest first", order):
        ordered = plays if name == "oldest first" else plays[::-1]
        if name == "shuffled":
            random.Random(1).shuffle(ordered)
        path = tmp_path / f"{name}.csv"
        pd.DataFrame(ordered, columns=["userId", "movieId", "timestamp"]).assign(rating=5).to_csv(
            path, index=False
        )
        data = prepare(path, tmp_path, protocol="temporal")
        of_first = [m[0].indices for m in (data.train, data.validation.held_out, data.test.held_out)]
        parts.append([sorted(int(data.item_ids[i]) for i in items) for items in of_first])
    assert parts[0] == parts[1] == [list(range(1, 9)), [9], [10]]


def test_nobody_to_validate_on_is_told_before_any_training(tmp_path):
    """dawenl/vae_cf 13, 16 and 11."""
    plays = [(u, i, 60 * (10 * u + i)) for u in range(30) for i in range(5)]
    path = tmp_path / "five.csv"
    pd.DataFrame(plays, columns=["userId", "movieId", "timestamp"]).assign(rating=5).to_csv(path, index=False)
    with pytest.raises(
        DataError,
        match=r"five.csv: none of the 30 validation users has a held-out item \(temporal needs .* 6 or",
    ):
        prepare(path, tmp_path, protocol="temporal")
    write_csv(tmp_path / "short.csv", [(u, (u + k) % 4) for u in range(30) for k in range(3)])
    with pytest.raises(
        DataError, match=r"none of the 2 validation users has a held-out item \(strong needs .* 5 or"
    ):
        prepare(tmp_path / "short.csv", tmp_path, min_user_items=1)
    assert not (tmp_path / "data").exists()


def test_ids_with_a_space_at_an_end_are_kept(tmp_path):
    """Of a CHAR(6) column of a database."""
    dataset = prepare(write_csv(tmp_path / "padded.csv", rows(lambda i: f"A{i}".ljust(6))), tmp_path)
    assert set(dataset.item_ids) == {f"A{i}".ljust(6) for i in ITEMS}


@pytest.mark.parametrize("letter", ["\u2028", "\u0085", "\v", "\f", "\x1c", "\u2029", "\r."])
def test_ids_do_not_shift_in_a_pro_sg_folder(letter, tmp_path):
    """huggingface/transformers 860, allenai/allennlp 4342: str.splitlines splits at more than line ends."""
    path = tmp_path / "separator.csv"
    path.write_bytes(
        ("userId,movieId,rating\n" + "".join(f'{u},"Caf{letter}e {i}",5\n' for u, i in rows())).encode()
    )
    raw = data_prep.prepare(path, tmp_path / "data", tmp_path / "out", heldout_users=2)
    assert data_prep.prepare(tmp_path / "out", tmp_path / "data").item_ids.tolist() == raw.item_ids.tolist()


@pytest.mark.parametrize("name", ["two\nlines", "return\r"])
def test_an_id_that_is_not_one_line_is_not_exported(name, tmp_path):
    path = tmp_path / "r.csv"
    path.write_bytes(
        ("userId,movieId,rating\n" + "".join(f'{u},"{name}{i}{name}",5\n' for u, i in rows())).encode()
    )
    with pytest.raises(
        DataError, match=r"out cannot be written: .* one id a line, and the id '.*' is not one line"
    ):
        data_prep.prepare(path, tmp_path / "data", tmp_path / "out", heldout_users=2)
    assert not (tmp_path / "out").exists()


def test_a_byte_order_mark_and_line_ends_of_windows_are_no_part_of_the_ids_of_a_pro_sg_folder(tmp_path):
    path = write_csv(tmp_path / "mark.csv", rows(lambda i: f"Film {i}"))
    raw = data_prep.prepare(path, tmp_path / "data", tmp_path / "out", heldout_users=2)
    items = tmp_path / "out" / "unique_sid.txt"
    items.write_bytes(b"\xef\xbb\xbf" + items.read_bytes().replace(b"\n", b"\r\n"))
    assert data_prep.prepare(tmp_path / "out", tmp_path / "data").item_ids.tolist() == raw.item_ids.tolist()
    items.write_bytes(items.read_bytes() + b"one more\r\n")
    with pytest.raises(DataError, match=r"unique_sid.txt has 13 ids, but train.csv has 12 items"):
        data_prep.prepare(tmp_path / "out", tmp_path / "data")


@pytest.mark.parametrize(
    "setting", [{"protocol": "temporal"}, {"threshold": 4}, {"min_user_items": 50}, {"heldout_users": 3}]
)
def test_what_a_pro_sg_folder_cannot_obey_is_refused(setting, goldens, tmp_path):
    shutil.copytree(goldens / "splits" / "movielens_style", tmp_path / "pro_sg")
    (field, value), *_ = setting.items()
    with pytest.raises(DataError, match=rf"split already: {field}={value} cannot be obeyed; leave it out"):
        data_prep.prepare(tmp_path / "pro_sg", tmp_path / "data", **setting)


def movielens_1m(folder, titles):
    folder.mkdir(parents=True)
    (folder / "ratings.dat").write_text("".join(f"{u}::{i}::5::978300760\n" for u, i in rows()))
    (folder / "movies.dat").write_bytes(titles)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_titles_are_read_in_utf8_or_else_in_latin_1(encoding, tmp_path):
    """keras-team/keras-io 1406: movies.dat of MovieLens-1M is in Latin-1."""
    movielens_1m(tmp_path / "ml1m", "2::Misérables, Les (1995)::Drama\n".encode(encoding))
    dataset = data_prep.prepare("ml1m", tmp_path, heldout_users=2)
    assert "Misérables, Les (1995)" in dataset.item_titles


def arrow_column(name, value):
    pairs = rows(item=int, user=int)
    columns = {
        "userId": pa.array([u for u, _ in pairs]),
        "movieId": pa.array([i for _, i in pairs]),
        "rating": pa.array([5.0] * len(pairs)),
        "timestamp": pa.array([1_600_000_000 + 44 * n for n in range(len(pairs))]),
    }
    return pa.table(columns | {name: value(columns[name])})


def uuids(column):
    raw = [bytes([i]) * 16 for i in column.to_pylist()]
    return pa.array(raw, pa.binary(16))


TYPES = {
    "nanoseconds": ("timestamp", lambda c: pa.array(np.array(c) * 1_000_000_000 + 1)),
    "times as text": ("timestamp", lambda c: c.cast(pa.string())),
    "datetimes": ("timestamp", lambda c: c.cast(pa.timestamp("s")).cast(pa.timestamp("us"))),
    "datetimes with a zone": ("timestamp", lambda c: c.cast(pa.timestamp("s", "Europe/Berlin"))),
    "times as float32": ("timestamp", lambda c: pa.array(np.arange(len(c)), pa.float32())),
    "ratings as text": ("rating", lambda c: c.cast(pa.string())),
    "ratings as booleans": ("rating", lambda c: pa.array([True] * len(c))),
    "ratings as decimals": ("rating", lambda c: c.cast(pa.decimal128(5, 2))),
    "ratings over 2^53": ("rating", lambda c: pa.array([2**53 + 1] * len(c))),
    "UUIDs": ("movieId", uuids),
    "ids as floats": ("movieId", lambda c: c.cast(pa.float32())),
    "ids as decimals": ("movieId", lambda c: c.cast(pa.decimal128(25, 5))),
    "ids as binary": ("movieId", lambda c: c.cast(pa.string()).cast(pa.binary())),
    "ids as views of text": ("movieId", lambda c: c.cast(pa.string()).cast(pa.string_view())),
    "ids in a dictionary of integers": ("movieId", lambda c: c.dictionary_encode()),
    "ids as dates": ("movieId", lambda c: c.cast(pa.int32()).cast(pa.date32())),
}


@pytest.mark.parametrize("kind", TYPES)
def test_the_types_that_others_write_are_read(kind, tmp_path):
    """apache/arrow 44030, RUCAIBox/RecBole 1139 and 1653."""
    pq.write_table(arrow_column(*TYPES[kind]), tmp_path / "r.parquet")
    pq.write_table(arrow_column("rating", lambda c: c), tmp_path / "plain.parquet")
    dataset = prepare(tmp_path / "r.parquet", tmp_path, protocol="temporal")
    plain = prepare(tmp_path / "plain.parquet", tmp_path, protocol="temporal")
    assert dataset.counts == plain.counts
    assert (dataset.train != plain.train).nnz == 0
    expected = {
        "UUIDs": "01010101-0101-0101-0101-010101010101",
        "ids as dates": "1970-01-02",
    }.get(kind, "1")
    assert expected in dataset.item_ids


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "movieId",
            lambda c: pa.array([i + 0.5 for i in c.to_pylist()]),
            "row 1: movieId is 2.5; it must be an integer",
        ),
        (
            "movieId",
            lambda c: pa.array([2.0**24 + 2] * len(c), pa.float32()),
            "row 1: movieId is 16777218.0; it must be an integer of at most",
        ),
        (
            "movieId",
            lambda c: pa.array([1e19] * len(c)),
            "row 1: movieId is 1e[+]19; it must be an integer of at most",
        ),
        (
            "movieId",
            lambda c: pa.array([[i] for i in c.to_pylist()]),
            "movieId is of type list<.*>; ids must be",
        ),
        (
            "movieId",
            lambda c: pa.array([b"\xff"] * len(c)),
            r"row 1: movieId is b'\\xff'; it must be an id in UTF-8",
        ),
        (
            "rating",
            lambda c: pa.array([{"a": 1}] * len(c)),
            "rating is of type struct<.*>; ratings must be numbers",
        ),
        ("rating", lambda c: pa.array([5.0] * 9 + [None] * (len(c) - 9)), "row 10: rating is empty"),
        ("timestamp", lambda c: pa.array([True] * len(c)), "timestamp is of type bool; times must be"),
        (
            "timestamp",
            lambda c: pa.array(["yesterday"] * len(c)),
            "row 1: timestamp is 'yesterday'; it must be",
        ),
    ],
)
def test_what_has_no_meaning_is_told_with_row_and_type(name, value, message, tmp_path):
    pq.write_table(arrow_column(name, value), tmp_path / "r.parquet")
    with pytest.raises(DataError, match=rf"r.parquet.*: ?{message}|r.parquet, {message}"):
        prepare(tmp_path / "r.parquet", tmp_path, protocol="temporal")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["netflix.csv", "msd.csv", "ml-20m.csv", "demo.csv", "ml20m/ratings.csv"])
def test_a_file_of_ones_own_is_not_the_catalogues_dataset(name, tmp_path):
    """RUCAIBox/RecBole 1812 and 1134: settings chosen by the dataset's name."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    dataset = prepare(write_csv(tmp_path / name, rows()), tmp_path)
    assert dataset.name.endswith("-file")
    assert dataset.name not in data_prep.CATALOGUE
    assert dataset.published_name is None


def test_only_the_catalogues_filters_and_held_out_users_stand_beside_published_results(tmp_path):
    assert data_prep.prepare("demo", tmp_path).published_name == "demo"
    assert data_prep.prepare("demo", tmp_path, heldout_users=299).published_name is None
    assert data_prep.prepare("demo", tmp_path, protocol="temporal").published_name is None


def test_titles_that_come_later_or_are_mended_are_seen(tmp_path):
    path = write_csv(tmp_path / "ratings.csv", rows())
    without = prepare(path, tmp_path)
    assert without.item_titles is None
    (tmp_path / "movies.csv").write_text("movieId,title\n1,Film 1\n")
    first = prepare(path, tmp_path)
    assert "Film 1" in first.item_titles
    (tmp_path / "movies.csv").write_text("movieId;title\n1;Film one, mended\n")
    assert "Film one, mended" in prepare(path, tmp_path).item_titles
    assert first.fingerprint == without.fingerprint


def test_ratings_with_a_point_here_and_a_comma_there_are_told(tmp_path):
    text = io.StringIO()
    text.write("userId;movieId;rating\n")
    for n, (u, i) in enumerate(rows()):
        text.write(f"{u};{i};{'4.5' if n else '4,5'}\n")
    (tmp_path / "r.csv").write_text(text.getvalue())
    with pytest.raises(
        DataError, match=r"r.csv, line 3: rating is '4.5'; it must be a number with a decimal comma"
    ):
        prepare(tmp_path / "r.csv", tmp_path)


def test_commas_between_thousands_are_not_taken_for_decimal_ones(tmp_path):
    path = write_csv(tmp_path / "r.csv", rows(), plays="1,234")
    with pytest.raises(DataError, match=r"line 2: plays is '1,234'; it must be written without commas"):
        prepare(path, tmp_path, rating_column="plays", threshold=100)


@pytest.mark.parametrize("block", [encodings.BLOCK_BYTES, 1 << 10])
def test_times_with_a_zone_here_and_without_there_are_told(block, tmp_path, monkeypatch):
    monkeypatch.setattr(encodings, "BLOCK_BYTES", block)
    pairs = rows()
    times = [f"2020-01-01T00:00:{n % 60:02d}{'Z' if n < 60 else ''}" for n in range(len(pairs))]
    path = write_csv(tmp_path / "r.csv", pairs, timestamp=times)
    with pytest.raises(DataError, match=r"where the first is a time with a zone|has times with a zone and"):
        prepare(path, tmp_path, protocol="temporal")


def test_a_header_is_not_taken_for_a_row(tmp_path):
    path = write_csv(tmp_path / "r.csv", rows())
    with pytest.raises(DataError, match=r"line 1 is 'userId,movieId,rating', which looks like a header"):
        prepare(path, tmp_path, columns="user,item")


def test_times_in_several_units_are_told(tmp_path):
    pairs = rows()
    times = [1_600_000_000 + n if n % 2 else (1_600_000_000 + n) * 1000 for n in range(len(pairs))]
    path = write_csv(tmp_path / "r.csv", pairs, timestamp=times)
    with pytest.raises(
        DataError, match=r"some look like s, some like ms; name their unit, such as timestamp_unit=ms"
    ):
        prepare(path, tmp_path, protocol="temporal")
