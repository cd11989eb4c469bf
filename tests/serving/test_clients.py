"""Runs, exports and servers give the same recommendations; clients wait, give up and complain clearly."""

import json
import socket
import ssl
import subprocess
import sys
import threading

import grpc
import numpy as np
import pytest
import trustme

from multvae_tf.errors import RunError
from multvae_tf.serving import clients
from multvae_tf.serving.local import RunRecommender, SavedModelRecommender
from multvae_tf.serving.recommender import Recommendations, describe_answer, id_matrix, parse_ids
from serving.exports import ITEM_IDS, ITEMS, MODELS, rows
from serving.fake_servers import grpc_server, rest_server

HISTORIES = [
    (["item 1", "фильм-3", "?? unknown", "item 50"], []),
    (["item 1"], ["item 2", "item 4", "item 5"]),
    (["nobody knows"], []),
    ([], ["item 7"]),
    (ITEM_IDS[:-5], []),
]


@pytest.fixture
def saved(export_of):
    return SavedModelRecommender(export_of("multvae")[1])


@pytest.fixture(params=["rest", "grpc"])
def serve(request):
    """A function: (predict, failures) -> the server as a context, and how to address it."""
    server = {"rest": rest_server, "grpc": grpc_server}[request.param]
    prefix = {"rest": "", "grpc": "grpc://"}[request.param]
    return server, prefix, request.param


def test_runs_exports_and_servers_print_the_same(export_of, saved, serve):
    server, prefix, _ = serve
    model, _ = export_of("multvae")
    run = RunRecommender(model, ITEMS)
    with server(saved.predict) as address:
        client = clients.connect(prefix + address, "small", label="stable")
        for history, exclude in HISTORIES:
            expected = describe_answer(run, history, 10, exclude)
            assert describe_answer(saved, history, 10, exclude) == expected
            assert describe_answer(client, history, 10, exclude) == expected


def test_the_text_shows_titles_unknown_ids_and_popularity(saved):
    lines = describe_answer(saved, ["item 1", "??"], 3).splitlines()
    assert lines[:3] == [
        "Not in the catalogue, ignored: ??",
        "Liked (1 known items):",
        '      item 1  The "1", Part I',
    ]
    assert lines[3] == "Recommended (rank, item, score):"
    assert [line.split()[0] for line in lines[4:]] == ["1", "2", "3"]
    assert "Nothing is known of this user: the most popular items follow." in describe_answer(saved, [], 3)
    assert describe_answer(saved, [], 500).endswith("The model gives at most 100 items.")


@pytest.mark.parametrize("kind", MODELS)
def test_many_users_at_once(kind, export_of):
    saved = SavedModelRecommender(export_of(kind)[1])
    together = saved.recommend([history for history, _ in HISTORIES], 7)
    for row, (history, _) in enumerate(HISTORIES):
        alone = saved.recommend([history], 7)
        np.testing.assert_array_equal(alone.item_ids[0], together.item_ids[row])
        np.testing.assert_allclose(alone.scores[0], together.scores[row], rtol=1e-5)
    assert together.item_ids.shape == (len(HISTORIES), 7)


def test_requests_begin_with_an_empty_id():
    assert id_matrix([["a"], ["b", "c"], []]).tolist() == [["", "a", ""], ["", "b", "c"], ["", "", ""]]


@pytest.mark.parametrize(
    ("written", "ids"),
    [("1,50,260", ["1", "50", "260"]), (' 1 , "a,b", 1,,', ["1", "a,b"]), ("", []), ("  ", [])],
)
def test_ids_are_separated_by_commas(written, ids):
    assert parse_ids(written) == ids


def unavailable(kind):
    if kind == "rest":
        return (503, '{"error": "Servable is loading"}')
    return (grpc.StatusCode.UNAVAILABLE, "Servable is loading")


def test_a_server_that_is_not_ready_is_asked_again(saved, serve):
    server, prefix, kind = serve
    with server(saved.predict, [unavailable(kind)] * 3) as address:
        client = clients.connect(prefix + address, "small")
        answer = client.predict("serving_default", {"history": rows(["item 1"])})
    assert answer["item_ids"].shape == (1, 100)


def test_a_server_that_stays_unavailable_is_given_up(saved, serve):
    server, prefix, kind = serve
    with server(saved.predict, [unavailable(kind)] * 9) as address:
        client = clients.connect(prefix + address, "small", attempts=2)
        with pytest.raises(RunError, match=r"is not available after 2 attempts \(Servable is loading\)"):
            client.recommend([["item 1"]], 5)


@pytest.mark.parametrize("prefix", ["", "grpc://"])
def test_no_server_at_all(prefix):
    with socket.socket() as unused:
        unused.bind(("localhost", 0))
        address = f"localhost:{unused.getsockname()[1]}"
        client = clients.connect(prefix + address, "small", attempts=2, timeout=2)
        with pytest.raises(RunError, match=rf"{address} is not available after 2 attempts"):
            client.recommend([["item 1"]], 5)


def test_a_slow_server_is_not_waited_for(serve):
    server, prefix, _ = serve
    is_over = threading.Event()

    def slow(signature, inputs):
        is_over.wait(30)
        return {"scores": np.zeros([1, 1], np.float32)}

    with server(slow) as address:
        client = clients.connect(prefix + address, "small", timeout=0.2)
        try:
            with pytest.raises(RunError, match=r"did not answer within 0\.2 s"):
                client.recommend([["item 1"]], 5)
        finally:
            is_over.set()


def test_a_refusal_is_handed_on(saved, serve):
    server, prefix, kind = serve
    with server(saved.predict) as address:
        client = clients.connect(prefix + address, "other")
        with pytest.raises(RunError, match="refuses the request to the model 'other': Servable not found"):
            client.recommend([["item 1"]], 5)
    bad = (400, '{"error": "bad\\n\\t [[{{node unstack}}]]"}')
    if kind == "grpc":
        bad = (grpc.StatusCode.INVALID_ARGUMENT, "bad")
    refused = pytest.raises(RunError, match=r"to the model 'small': bad$")
    with server(saved.predict, [bad]) as address, refused:
        clients.connect(prefix + address, "small").recommend([["item 1"]], 5)


def test_something_else_at_the_port(saved):
    with rest_server(saved.predict, [(200, "<html>"), (404, "<html>")]) as address:
        client = clients.connect(address, "small")
        with pytest.raises(RunError, match="answers, but not as TensorFlow Serving does"):
            client.recommend([["item 1"]], 5)
        with pytest.raises(RunError, match="HTTP 404"):
            client.recommend([["item 1"]], 5)


def test_a_connection_that_breaks_is_tried_again(saved):
    with rest_server(saved.predict, [lambda handler: handler.connection.close()]) as address:
        assert clients.connect(address, "small").recommend([["item 1"]], 5).item_ids.shape == (1, 5)


@pytest.mark.parametrize(
    "server",
    ["localhost", "localhost:x", ":8500", "ftp://localhost:1", "grpc://localhost", "a:1/path", "u@a:1"],
)
def test_an_address_must_have_a_port(server):
    with pytest.raises(RunError, match="it must be host:port"):
        clients.connect(server, "small")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "../admin"}, "name is '../admin'"),
        ({"label": "a/b"}, "label is 'a/b'"),
        ({"version": 0}, "version is 0"),
        ({"version": 2, "label": "stable"}, "version is 2; it must be at least 1, without a label"),
        ({"timeout": 0}, "timeout is 0"),
        ({"attempts": 0}, "attempts is 0"),
        ({"token": "secret"}, "as a token is never sent unencrypted"),
    ],
)
def test_arguments_are_checked(options, message):
    with pytest.raises(RunError, match=message) as error:
        clients.connect("example.org:8501", **options)
    assert "secret" not in str(error.value)


def test_the_rest_client_needs_no_tensorflow(saved):
    with rest_server(saved.predict) as address:
        code = (
            "import sys, multvae_tf\n"
            f"client = multvae_tf.connect('{address}', 'small')\n"
            "print(client.recommend([['item 1']], k=3).item_ids.shape, 'tensorflow' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(1, 3) False\n"


def answer(**outputs):
    good = {"item_ids": [["item 2"]], "scores": [[1.0]], "num_known_items": [1]}
    return 200, json.dumps({"outputs": {**good, **outputs}})


def redirect(handler):
    handler.send_response(302)
    handler.send_header("Location", "http://localhost:1/elsewhere")
    handler.end_headers()


def drip(handler):
    handler.send_response(200)
    handler.end_headers()
    for _ in range(600):
        if handler.server.is_over.wait(0.05):
            return
        handler.wfile.write(b" ")
        handler.wfile.flush()


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (answer(scores=[[float("nan")]]), "not as TensorFlow Serving does"),
        (answer(scores=[[1.0], [2.0]]), r"scores of the answer is float32 \[2, 1\]"),
        (answer(scores=[[1.0, 2.0]]), "another number of scores than of items"),
        (answer(scores=[[1.0], 2.0]), "not as TensorFlow Serving does"),
        (answer(scores="many"), "scores of the answer"),
        (answer(item_ids=[[7]]), "item_ids of the answer is int32"),
        (answer(item_ids=[[None]]), "not as TensorFlow Serving does"),
        (answer(num_known_items=None), "not as TensorFlow Serving does"),
        ((200, '{"outputs": {"scores": [[1.0]]}}'), "the answer has no item_ids"),
        ((200, '{"outputs": [1]}'), "not as TensorFlow Serving does"),
        ((200, "[" * 100_000), "not as TensorFlow Serving does"),
        ((200, "7"), "not as TensorFlow Serving does"),
        ((200, ""), "not as TensorFlow Serving does"),
        ((500, "[" * 100_000), "HTTP 500"),
        ((401, '{"error": "who are you"}'), "who are you"),
        (redirect, "HTTP 302, a redirection, which is not followed"),
    ],
)
def test_a_hostile_server_gets_one_sentence(failure, message, saved):
    with rest_server(saved.predict, [failure]) as address:
        client = clients.connect(address, "small", attempts=1)
        with pytest.raises(RunError, match=message):
            client.recommend([["item 1"]], 5)


def test_a_server_that_drips_is_not_waited_for(saved):
    is_over = threading.Event()

    def dripping(handler):
        handler.server.is_over = is_over
        drip(handler)

    with rest_server(saved.predict, [dripping]) as address:
        client = clients.connect(address, "small", timeout=0.5)
        try:
            with pytest.raises(RunError, match=r"did not answer within 0\.5 s"):
                client.recommend([["item 1"]], 5)
        finally:
            is_over.set()


def test_titles_cannot_move_the_cursor():
    class Hostile:
        def recommend(self, histories, k=10, exclude=None):
            ids = np.array([["a\x1b[2J\n7"]], object)
            return Recommendations(ids, np.ones([1, 1], np.float32), np.array([1], np.int32))

        def describe(self, item_ids):
            return ["title\u202e\x1b[31m\r"] * len(item_ids), [True] * len(item_ids)

    lines = describe_answer(Hostile(), ["x"], 1)
    assert all(character.isprintable() for character in lines.replace("\n", ""))
    assert lines.count("\n") == 3


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.mark.parametrize("kind", ["rest", "grpc"])
def test_tls_with_an_authority_of_ones_own(kind, authority, saved, tmp_path, monkeypatch):
    monkeypatch.setenv("MULTVAE_SERVER_TOKEN", "a token")
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    if kind == "rest":
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(tls)
        serve, scheme = rest_server, "https"
    else:
        pem = [(certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes())]
        tls, serve, scheme = grpc.ssl_server_credentials(pem), grpc_server, "grpcs"
    with serve(saved.predict, tls=tls) as address:
        url = f"{scheme}://{address}"
        trusted = clients.connect(url, "small", ca_file=str(tmp_path / "authority.pem"))
        assert trusted.recommend([["item 1"]], 5).item_ids.shape == (1, 5)
        stranger = clients.connect(url, "small", ca_file=str(tmp_path / "other.pem"), attempts=1)
        with pytest.raises(RunError, match=r"does not prove who it is|is not available"):
            stranger.recommend([["item 1"]], 5)
