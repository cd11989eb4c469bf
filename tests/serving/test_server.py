"""TensorFlow Serving in a container with the configuration that we ship; skips where there is no engine."""

import concurrent.futures
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from multvae_tf.errors import RunError
from multvae_tf.serving.clients import connect
from serving.exports import MODELS, ask_reloaded, export_small, random_histories, rows

REPOSITORY = Path(__file__).parents[2]
COMPOSE = REPOSITORY / "saved_models" / "serving" / "compose.yaml"
WITH_GRPC = COMPOSE.with_name("compose.grpc.yaml")
MODEL = "recommender"
LONGEST_WAIT = 60  # seconds


def no_engine():
    """Why no container can be started; None if one can."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    if subprocess.run(["docker", "info"], capture_output=True).returncode:
        return "there is no container engine: `docker info` fails"
    if "SERVING_DIGEST" not in os.environ:
        return "SERVING_DIGEST is not set: saved_models/README.md says where the image's digest comes from"
    return None


pytestmark = [pytest.mark.docker, pytest.mark.skipif(no_engine() is not None, reason=str(no_engine()))]


def free_port():
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return str(listener.getsockname()[1])


class Server:
    """The composed server on ports of its own, with a configuration that a test may rewrite."""

    def __init__(self, folder):
        self.saved_models = folder / "saved_models"
        self.rest_port, self.grpc_port = free_port(), free_port()
        self.config = self.saved_models / "models.config"
        self._environment = {
            **os.environ,
            "SAVED_MODELS_DIR": str(self.saved_models),
            "MODELS_CONFIG": "/models/models.config",
            "REST_PORT": self.rest_port,
            "GRPC_PORT": self.grpc_port,
        }

    def compose(self, *words):
        command = ["docker", "compose", "-p", "recommender-test", "-f", str(COMPOSE), "-f", str(WITH_GRPC)]
        subprocess.run([*command, *words], check=True, env=self._environment)

    def label(self, **versions):
        """Moves labels; the server notices within 10 seconds."""
        text = (COMPOSE.parent / "models.config").read_text()
        for label, number in versions.items():
            text = text.replace(f'key: "{label}" value: 1', f'key: "{label}" value: {number}')
        self.config.write_text(text)

    def client(self, kind, label=""):
        address = {"rest": f"localhost:{self.rest_port}", "grpc": f"grpc://localhost:{self.grpc_port}"}[kind]
        return connect(address, MODEL, label=label)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"))
    first = export_small(MODELS["multvae"](), server.saved_models, name=MODEL)
    server.first = first
    server.label()
    server.compose("up", "--wait")
    try:
        yield server
    finally:
        server.compose("down")


def post(server, body):
    request = urllib.request.Request(
        f"http://localhost:{server.rest_port}/v1/models/{MODEL}:predict", json.dumps(body).encode()
    )
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def expected(folder, histories):
    return ask_reloaded(folder, [("serving_default", {"history": rows(*histories)})])[0]


@pytest.mark.parametrize("kind", ["rest", "grpc"])
def test_both_protocols_answer_as_the_export_does(kind, server):
    histories = random_histories(20, seed=1)
    answer, wanted = server.client(kind).recommend(histories, 100), expected(server.first, histories)
    assert answer.item_ids.tolist() == [[i.decode() for i in row] for row in wanted["item_ids"].tolist()]
    np.testing.assert_allclose(answer.scores, wanted["scores"], rtol=1e-5)


def test_rest_takes_rows_columns_and_text(server):
    history = random_histories(1, seed=2)[0]
    by_column = post(server, {"inputs": {"history": [history]}})["outputs"]["item_ids"][0]
    by_row = post(server, {"instances": [{"history": history}]})["predictions"][0]["item_ids"]
    separator = json.loads((server.first / "manifest.json").read_text())["separator"]
    text = {"signature_name": "recommend_text", "inputs": {"history_text": [separator.join(history)]}}
    by_text = post(server, text)["outputs"]["item_ids"][0]
    assert by_column == by_row == by_text


def test_requests_of_mixed_lengths_at_the_same_time_do_not_disturb_each_other(server):
    histories = random_histories(200, seed=3)
    wanted = expected(server.first, histories)["item_ids"]
    client = server.client("rest")
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = pool.map(lambda history: client.recommend([history], 100).item_ids[0].tolist(), histories)
        assert list(answers) == [[i.decode() for i in row] for row in wanted.tolist()]


def test_a_second_version_is_served_by_label_and_rolled_back(server):
    second = export_small(MODELS["multdae"](), server.saved_models, name=MODEL)
    histories = random_histories(5, seed=4)
    of_version = {
        number: [[i.decode() for i in row] for row in expected(folder, histories)["item_ids"].tolist()]
        for number, folder in ((1, server.first), (2, second))
    }
    for labels in ({"canary": 2}, {"canary": 2, "stable": 2}, {}):
        server.label(**labels)
        for label in ("stable", "canary"):
            wait_for(server.client("grpc", label), histories, of_version[labels.get(label, 1)])


def wait_for(client, histories, wanted):
    """Asks until the answer is the wanted one: the server reads its configuration every 10 seconds."""
    end = time.monotonic() + LONGEST_WAIT
    while True:
        try:
            answer = client.recommend(histories, 100).item_ids.tolist()
        except RunError as error:
            answer = error
        if answer == wanted:
            return
        assert time.monotonic() < end, answer


def test_the_metrics_page_counts_requests(server):
    url = f"http://localhost:{server.rest_port}/monitoring/prometheus/metrics"
    with urllib.request.urlopen(url) as response:
        assert ":tensorflow:serving:request_count" in response.read().decode()
