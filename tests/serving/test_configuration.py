"""The configuration in saved_models/serving, read as the server reads it, and the readiness probe."""

import contextlib
import http.server
import re
import subprocess
import threading
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

SERVING = Path(__file__).parents[2] / "saved_models" / "serving"


def test_the_labels_of_the_models_are_as_documented():
    text_format = pytest.importorskip("google.protobuf.text_format")
    config = pytest.importorskip("tensorflow_serving.config.model_server_config_pb2")
    content = text_format.Parse((SERVING / "models.config").read_text(), config.ModelServerConfig())
    (model,) = content.model_config_list.config
    assert (model.name, model.base_path) == ("recommender", "/models/recommender")
    assert dict(model.version_labels) == {"stable": 1, "canary": 1}
    assert model.model_version_policy.latest.num_versions == 2


def test_the_image_is_of_the_installed_tensorflow():
    service = yaml.safe_load((SERVING / "compose.yaml").read_text())["services"]["recommender"]
    image, tag = service["image"].split(":")
    assert image == "tensorflow/serving"
    assert tag.split(".")[:2] == version("tensorflow").split(".")[:2]


def test_every_file_that_the_server_is_told_to_read_is_there():
    service = yaml.safe_load((SERVING / "compose.yaml").read_text())["services"]["recommender"]
    words = " ".join([*service["command"], *service["healthcheck"]["test"]])
    named = re.findall(r"/serving/([\w.]+)", words)
    assert sorted(named) == ["batching.config", "models.config", "monitoring.config", "ready"]
    assert all((SERVING / name).is_file() for name in named)


@contextlib.contextmanager
def status_server(state):
    """Answers GET /v1/models/recommender as the server does while its version is in this state."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.path == "/v1/models/recommender"
            self.send_response(200 if known else 404)
            self.end_headers()
            status = {"code": "OK"}
            body = f'{{"model_version_status": [{{"version": "1", "state": "{state}", "status": {status}}}]}}'
            self.wfile.write((body if known else '{"error": "not found"}').encode())

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("localhost", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield str(server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("state", "model", "status"),
    [("AVAILABLE", "recommender", 0), ("LOADING", "recommender", 1), ("AVAILABLE", "other", 1)],
)
def test_the_probe_waits_until_a_version_is_available(state, model, status):
    with status_server(state) as port:
        assert subprocess.run([str(SERVING / "ready"), model, "localhost", port]).returncode == status


def test_the_probe_says_no_where_no_server_is():
    with status_server("AVAILABLE") as port:
        pass
    assert subprocess.run([str(SERVING / "ready"), "recommender", "localhost", port]).returncode != 0
