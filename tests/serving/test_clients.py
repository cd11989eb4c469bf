"""Runs, exports and servers give the same recommendations; clients wait, give up and complain clearly."""

import socket
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf

from multvae_tf.errors import RunError
from multvae_tf.serving import clients, protos
from multvae_tf.serving.local import RunRecommender, SavedModelRecommender
from multvae_tf.serving.recommender import describe_answer, id_matrix, parse_ids
from serving.exports import ITEM_IDS, MODELS, POPULARITY, TITLES, rows
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
    run = RunRecommender(model, np.array(ITEM_IDS, object), np.array(TITLES, object), lambda: POPULARITY)
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


def test_a_server_that_is_not_ready_is_asked_again(saved, serve, monkeypatch):
    server, prefix, kind = serve
    waits = []
    monkeypatch.setattr(clients.time, "sleep", waits.append)
    with server(saved.predict, [unavailable(kind)] * 3) as address:
        client = clients.connect(prefix + address, "small")
        answer = client.predict("serving_default", {"history": rows(["item 1"])})
    assert answer["item_ids"].shape == (1, 100)
    assert len(waits) == 3
    for attempt, wait in enumerate(waits):
        assert 0.05 * 2**attempt <= wait <= 0.1 * 2**attempt


def test_a_server_that_stays_unavailable_is_given_up(saved, serve, monkeypatch):
    server, prefix, kind = serve
    monkeypatch.setattr(clients.time, "sleep", lambda _: None)
    with server(saved.predict, [unavailable(kind)] * 9) as address:
        client = clients.connect(prefix + address, "small", attempts=3)
        with pytest.raises(RunError, match=r"is not available after 3 attempts \(Servable is loading\)"):
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

    def slow(signature, inputs):
        time.sleep(0.5)
        return {"scores": np.zeros([1, 1], np.float32)}

    with server(slow) as address:
        client = clients.connect(prefix + address, "small", timeout=0.1)
        with pytest.raises(RunError, match=r"did not answer within 0\.1 s"):
            client.recommend([["item 1"]], 5)


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


def test_a_connection_that_breaks_is_tried_again(saved, monkeypatch):
    monkeypatch.setattr(clients.time, "sleep", lambda _: None)
    with rest_server(saved.predict, [lambda handler: handler.connection.close()]) as address:
        assert clients.connect(address, "small").recommend([["item 1"]], 5).item_ids.shape == (1, 5)


@pytest.mark.parametrize(
    "server", ["localhost", "localhost:x", ":8500", "ftp://localhost:1", "grpc://localhost"]
)
def test_an_address_must_have_a_port(server):
    with pytest.raises(RunError, match="it must be host:port"):
        clients.connect(server, "small")


def test_requests_are_what_tensorflow_serving_reads():
    predict_pb2 = pytest.importorskip("tensorflow_serving.apis.predict_pb2")
    inputs = {"history": rows(["", "фильм", "a"], ["b"])}
    ours = protos.predict_request("serving_default", inputs, "small", "canary")
    theirs = predict_pb2.PredictRequest.FromString(ours.SerializeToString())
    assert theirs.model_spec.name == "small"
    assert theirs.model_spec.signature_name == "serving_default"
    assert theirs.model_spec.version_label == "canary"
    np.testing.assert_array_equal(
        tf.make_ndarray(theirs.inputs["history"]),
        np.vectorize(str.encode, otypes=[object])(inputs["history"]),
    )


@pytest.mark.parametrize(
    "values",
    [
        np.array([[1.5, -3e38]], np.float32),
        np.array([[1.5, 2.5]], np.float64),
        np.array([3, 4], np.int32),
        np.array([2**40], np.int64),
        np.array([[True], [False]]),
        np.array([[b"a", "ф".encode()]], object),
        np.zeros([0, 5], np.float32),
        np.array(7, np.int32),
    ],
)
@pytest.mark.parametrize("as_content", [True, False])
def test_responses_of_tensorflow_serving_are_read(values, as_content):
    theirs = tf.make_tensor_proto(values)
    if not as_content and values.dtype != object:
        theirs.tensor_content = b""
        field = protos.NUMPY_DTYPES[theirs.dtype][1]
        del getattr(theirs, field)[:]
        getattr(theirs, field).extend(values.ravel().tolist())
    response = protos.PredictResponse()
    response.outputs["y"].ParseFromString(theirs.SerializeToString())
    found = protos.tensor_to_array(response.outputs["y"])
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values)
