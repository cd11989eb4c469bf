"""Compressed files, and files in parts: the same table, or a sentence."""

import bz2
import gzip
import json
import lzma
import zipfile

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

import case_files
import data_prep
from data_prep import DataError
from data_prep.readers import encodings

CONTENT = case_files.text().encode()
COMPRESS = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda content: pa.Codec("zstd").compress(content, asbytes=True),
    ".zip": None,
}


def zstandard(content):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


COMPRESS[".zst"] = zstandard


def write(path, content):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(path.stem, content)
    else:
        path.write_bytes(COMPRESS[path.suffix](content))
    return path


def parquet_bytes():
    sink = pa.BufferOutputStream()
    pq.write_table(case_files.table(), sink)
    return sink.getvalue().to_pybytes()


def prepare(path, tmp_path, **settings):
    return data_prep.prepare(path, tmp_path / "data", heldout_users=5, min_user_items=2, **settings)


@pytest.fixture
def fingerprint(tmp_path):
    (tmp_path / "plain.csv").write_bytes(CONTENT)
    return prepare(tmp_path / "plain.csv", tmp_path).fingerprint


@pytest.mark.parametrize("suffix", COMPRESS)
def test_compressed_text_and_parquet(suffix, fingerprint, tmp_path):
    assert prepare(write(tmp_path / f"r.csv{suffix}", CONTENT), tmp_path).fingerprint == fingerprint
    assert (
        prepare(write(tmp_path / f"r.parquet{suffix}", parquet_bytes()), tmp_path).fingerprint == fingerprint
    )


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_parts_that_were_compressed_one_by_one_are_one_file(suffix, fingerprint, tmp_path):
    path = tmp_path / f"r.csv{suffix}"
    half = CONTENT.index(b"\n", 1000) + 1
    path.write_bytes(COMPRESS[suffix](CONTENT[:half]) + COMPRESS[suffix](CONTENT[half:]))
    assert prepare(path, tmp_path).fingerprint == fingerprint


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("damage", ["truncated", "overwritten", "another file"])
def test_a_damaged_file_is_told_and_leaves_nothing(suffix, damage, tmp_path):
    path = write(tmp_path / f"r.csv{suffix}", CONTENT * 200)
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(
        {
            "truncated": content[:middle],
            "overwritten": content[:middle] + b"\xff\x00" * 20 + content[middle + 40 :],
            "another file": CONTENT,
        }[damage]
    )
    # The frames of zstandard need not have a checksum: what is overwritten may come out as other text.
    message = r"r\.csv" if suffix == ".zst" else r"r\.csv.* is a damaged or truncated archive: "
    with pytest.raises(DataError, match=message):
        prepare(path, tmp_path)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_arrow_files_and_streams(kind, fingerprint, tmp_path):
    path, table = tmp_path / "r.arrow", case_files.table()
    new = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    with pa.OSFile(str(path), "wb") as sink, new(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=100)
    assert prepare(path, tmp_path).fingerprint == fingerprint
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(DataError, match=r"r\.arrow is (not an Arrow file, or|damaged or) truncated"):
        prepare(path, tmp_path)


def test_a_feather_file_that_is_compressed_within(fingerprint, tmp_path):
    pa.feather.write_feather(case_files.table(), str(tmp_path / "r.feather"), compression="zstd")
    assert prepare(tmp_path / "r.feather", tmp_path).fingerprint == fingerprint


def test_json_lines_with_ids_of_both_kinds(fingerprint, tmp_path):
    lines = [
        json.dumps({"rating": 5 if n % 3 else 5.0, "movieId": i if n % 2 else str(i), "userId": u})
        for n, (u, i) in enumerate(case_files.PAIRS)
    ]
    (tmp_path / "r.jsonl").write_text("\n".join(lines) + "\n\n")
    assert prepare(tmp_path / "r.jsonl", tmp_path).fingerprint == fingerprint


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"userId": 1, "movieId": 2}', "line 375: rating is empty; it must be a finite number"),
        ('{"userId": null, "movieId": 2, "rating": 1}', "line 375: userId is empty; it must be an id"),
        ('{"userId": 1.5, "movieId": 2, "rating": 1}', ""),
        ('{"userId": [1], "movieId": 2, "rating": 1}', r"line 375: userId is \['1'\]; it must be one value"),
        ("nonsense", "line 375 is 'nonsense'; it must be a JSON object"),
    ],
)
def test_bad_json_is_told_with_its_line(line, message, tmp_path):
    lines = [f'{{"userId": {u}, "movieId": {i}, "rating": 5}}' for u, i in case_files.PAIRS]
    (tmp_path / "r.jsonl").write_text("\n".join([*lines, line]))
    if message:
        with pytest.raises(DataError, match=rf"r.jsonl, {message}"):
            prepare(tmp_path / "r.jsonl", tmp_path)
    else:
        assert prepare(tmp_path / "r.jsonl", tmp_path).counts["events"] == 374


def test_a_column_that_the_folders_give(fingerprint, tmp_path):
    for user in range(40):
        items = [i for u, i in case_files.PAIRS if u == user]
        folder = tmp_path / "plays" / f"userId={user}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"movieId": items, "rating": [5] * len(items)}), folder / "a.parquet")
    dataset = prepare(tmp_path / "plays", tmp_path)
    assert dataset.counts["events"] == 374
    assert set(dataset.train_user_ids) < {str(user) for user in range(40)}


def test_a_folder_of_several_forms_is_told(tmp_path):
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "a.csv").write_bytes(CONTENT)
    pq.write_table(case_files.table(), tmp_path / "both" / "b.parquet")
    with pytest.raises(DataError, match=r"both has files of several forms \(parquet, text\); name those"):
        prepare(tmp_path / "both", tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"delimiter": "ab"}, "delimiter is 'ab'; it must be one ASCII character"),
        ({"encoding": "klingon"}, "encoding is 'klingon'; it must be one that Python knows"),
        ({"timestamp_unit": "min"}, "timestamp_unit is 'min'; it must be one of s, ms, us, ns"),
        ({"decimal": ";"}, "decimal is ';'; it must be one of '.', ','"),
        ({"quote": "'"}, "quote is \"'\"; it must be one of '\"', ''"),
        ({"columns": "user,item,note"}, "columns is 'user,item,note'; it must be such as"),
        ({"raw_path": "x"}, None),
    ],
)
def test_settings_out_of_range_are_told(settings, message, tmp_path):
    (tmp_path / "r.csv").write_bytes(CONTENT)
    if message is None:
        with pytest.raises(DataError, match="raw_path is for datasets of the catalogue"):
            data_prep.prepare(tmp_path / "r.csv", tmp_path, **{"path": "x"})
    else:
        with pytest.raises(DataError) as error:
            prepare(tmp_path / "r.csv", tmp_path, **settings)
        assert message in str(error.value)


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1252", "shift_jis", "utf-16", "utf-8-sig"])
def test_a_given_encoding_and_delimiter(encoding, tmp_path):
    text = case_files.text(item=lambda i: f"{'カ' if encoding == 'shift_jis' else 'é'}|{i}", delimiter="^")
    (tmp_path / "r.csv").write_bytes(text.encode(encoding))
    dataset = prepare(tmp_path / "r.csv", tmp_path, encoding=encoding, delimiter="^")
    assert set(dataset.item_ids) == {f"{'カ' if encoding == 'shift_jis' else 'é'}|{i}" for i in range(16)}


def test_a_line_that_is_in_no_encoding_of_the_file_is_told_as_a_person_would_see_it(tmp_path):
    content = case_files.text(item=lambda i: f"café {i}").encode() + b"7,caf\xe9 3,5\n"
    (tmp_path / "r.csv").write_bytes(content)
    with pytest.raises(
        DataError,
        match=r"r.csv, line 376: movieId is 'café 3', which is not in UTF-8; .*encoding=windows-1252",
    ):
        prepare(tmp_path / "r.csv", tmp_path)


def test_a_column_that_is_not_read_may_be_in_any_encoding(fingerprint, tmp_path):
    header, *lines = CONTENT.splitlines()
    artists = ["Beyoncé".encode(), "Björk".encode("latin-1")]
    rows = [header + b",artist", *(line + b"," + artists[n % 2] for n, line in enumerate(lines))]
    (tmp_path / "r.csv").write_bytes(b"\n".join(rows))
    assert prepare(tmp_path / "r.csv", tmp_path).fingerprint == fingerprint


def test_lines_in_utf8_after_others_in_windows_1252_are_told(tmp_path, monkeypatch):
    """Taken as Windows-1252, the later ids would come out as others, such as cafÃ©."""
    monkeypatch.setattr(encodings, "BLOCK_BYTES", 1 << 10)
    lines = case_files.text(item=lambda i: f"café {i}").splitlines(keepends=True)
    content = "".join(lines[:200]).encode("windows-1252") + "".join(lines[200:]).encode()
    (tmp_path / "r.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"r.csv, line 2\d\d is in UTF-8, others are not; .*encoding=utf-8"):
        prepare(tmp_path / "r.csv", tmp_path)


@pytest.mark.parametrize("name", ["R.CSV.GZ", "R.Zip", "R.PARQUET", "R.TSV"])
def test_suffixes_in_capitals(name, fingerprint, tmp_path):
    content = parquet_bytes() if "PARQUET" in name else CONTENT
    path = tmp_path / name
    if name == "R.Zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("DATA.CSV", content)
    else:
        path.write_bytes(gzip.compress(content) if name.endswith("GZ") else content)
    assert prepare(path, tmp_path).fingerprint == fingerprint
