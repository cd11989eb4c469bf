"""An archive fetched from a server on this machine: resumed where it broke, verified, told in a sentence."""

import contextlib
import dataclasses
import hashlib
import http.server
import io
import socket
import subprocess
import sys
import threading
import zipfile

import pytest

import case_files
import data_prep
from data_prep import DataError
from data_prep.sources import download

RATINGS = case_files.text(header="userId,movieId,rating,timestamp", time=str)


def archive():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("ml-20m/ratings.csv", RATINGS)
        file.writestr(
            "ml-20m/movies.csv", "movieId,title,genres\n" + "".join(f"{i},Film {i},\n" for i in range(16))
        )
        file.writestr("ml-20m/filler", bytes(range(256)) * 4000)
    return buffer.getvalue()


CONTENT = archive()
CHECKSUM = (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


class Server(http.server.ThreadingHTTPServer):
    """Serves `CONTENT`.

    Attributes:
        breaks: how many answers are cut off in the middle.
        resumes: whether it knows ranges.
        status: of the answer; 200 or 206 where it is None.
        ranges: of the requests so far.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.breaks, self.resumes, self.status, self.ranges = 0, True, None, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/ml-20m.zip"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked = self.headers.get("Range", "")
        self.server.ranges.append(asked)
        if self.server.status:
            self.send_error(self.server.status)
            return
        start = int(asked[len("bytes=") : -1]) if asked and self.server.resumes else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        end = len(CONTENT)
        if self.server.breaks:
            self.server.breaks -= 1
            end = start + (end - start) // 2
        self.wfile.write(CONTENT[start:end])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def with_url(monkeypatch, url, checksum=CHECKSUM):
    entry = data_prep.CATALOGUE["ml20m"]
    mine = dataclasses.replace(entry, url=url, checksum=checksum, expected={}, pro_sg_hashes={})
    monkeypatch.setitem(data_prep.CATALOGUE, "ml20m", mine)


SETTINGS = {"heldout_users": 5, "min_user_items": 2}


def test_what_is_fetched_is_the_dataset_of_the_archive_and_is_fetched_once(server, tmp_path, monkeypatch):
    with_url(monkeypatch, server.url)
    dataset = data_prep.prepare("ml20m", tmp_path, **SETTINGS)
    assert dataset.counts["events"] == len(case_files.PAIRS)
    assert set(dataset.item_titles) == {f"Film {i}" for i in range(16)}
    assert (tmp_path / "ml20m" / "ml-20m.zip").read_bytes() == CONTENT
    again = data_prep.prepare("ml20m", tmp_path, **SETTINGS)
    assert again.folder == dataset.folder
    assert len(server.ranges) == 1
    assert not list((tmp_path / "ml20m").glob("*.part"))


def test_a_connection_that_breaks_is_taken_up_where_it_broke(server, tmp_path):
    server.breaks = 2
    assert download.fetch(server.url, tmp_path, checksum=CHECKSUM).read_bytes() == CONTENT
    half, rest = len(CONTENT) // 2, len(CONTENT) - len(CONTENT) // 2
    assert server.ranges == ["", f"bytes={half}-", f"bytes={half + rest // 2}-"]


def test_a_connection_that_keeps_breaking_is_told_and_the_next_call_goes_on(server, tmp_path):
    server.breaks = 4
    with pytest.raises(
        DataError, match=r"the connection broke at [\d,]+ of [\d,]+ bytes; the same command goes on"
    ):
        download.fetch(server.url, tmp_path, checksum=CHECKSUM)
    assert [path.name for path in tmp_path.iterdir()] == ["ml-20m.zip.part"]
    server.ranges.clear()
    assert download.fetch(server.url, tmp_path, checksum=CHECKSUM).read_bytes() == CONTENT
    assert len(server.ranges) == 1
    assert server.ranges[0] != ""


def test_a_server_that_cannot_resume_is_asked_for_all(server, tmp_path):
    server.resumes, server.breaks = False, 1
    assert download.fetch(server.url, tmp_path, checksum=CHECKSUM).read_bytes() == CONTENT


@pytest.mark.parametrize("have", [CONTENT, CONTENT + b"more"])
def test_what_is_complete_already_is_only_verified(have, server, tmp_path):
    (tmp_path / "ml-20m.zip.part").write_bytes(have)
    if have == CONTENT:
        assert download.fetch(server.url, tmp_path, checksum=CHECKSUM).read_bytes() == CONTENT
    else:
        with pytest.raises(DataError, match="it was deleted"):
            download.fetch(server.url, tmp_path, checksum=CHECKSUM)
        assert list(tmp_path.iterdir()) == []


def test_another_checksum_is_refused_and_nothing_is_left(server, tmp_path, monkeypatch):
    with_url(monkeypatch, server.url, (len(CONTENT), "0" * 64))
    with pytest.raises(DataError, match=r"ml20m is not here \(what came from .* has .* not .* with 000000"):
        data_prep.prepare("ml20m", tmp_path, **SETTINGS)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def told(tmp_path):
    with pytest.raises(DataError) as error:
        data_prep.prepare("ml20m", tmp_path)
    assert list(tmp_path.iterdir()) == []
    return str(error.value)


def test_an_answer_that_is_an_error_is_told(server, tmp_path, monkeypatch):
    with_url(monkeypatch, server.url)
    server.status = 404
    message = told(tmp_path)
    assert "(its owner answers 404 Not Found)" in message
    assert f"fetch it from {server.url} and put the .zip" in message
    assert f"into {tmp_path / 'ml20m'}" in message
    assert len(server.ranges) == 1


def test_nobody_who_listens_is_told(tmp_path, monkeypatch):
    with contextlib.closing(socket.socket()) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with_url(monkeypatch, f"http://127.0.0.1:{port}/ml-20m.zip")
    assert "(its owner cannot be reached: Connection refused)" in told(tmp_path)


def test_who_does_not_answer_is_given_up_on(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "SECONDS_TO_ANSWER", 0.05)
    with contextlib.closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with_url(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}/ml-20m.zip")
        assert "cannot be reached: " in told(tmp_path)


def test_the_checksums_are_those_that_tensorflow_datasets_has_registered():
    """Read as they lie in the package, which is not imported."""
    pytest.importorskip("tensorflow_datasets")
    from tensorflow_datasets.core.download.checksums import get_all_url_infos

    registered = get_all_url_infos()
    for name in ("ml100k", "ml1m", "ml20m", "ml25m"):
        url = data_prep.CATALOGUE[name].url
        assert download.registered(url) == (registered[url].size, registered[url].checksum)
    assert download.registered("https://files.grouplens.org/datasets/movielens/ml-20m.zip")[0] == 198_702_078
    assert download.registered("https://example.org/ml-20m.zip") is None


def test_data_prep_imports_neither_tensorflow_nor_its_datasets():
    code = (
        "import sys, data_prep; from data_prep.sources import download;"
        "download.registered('https://files.grouplens.org/datasets/movielens/ml-20m.zip');"
        "print([m for m in ('tensorflow', 'tensorflow_datasets', 'keras') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
