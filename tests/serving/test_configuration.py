"""The configuration in saved_models/serving: what the server reads, and the probe."""

import contextlib
import http.server
import re
import subprocess
import threading
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2

SERVING = Path(__file__).parents[2] / "saved_models" / "serving"


def test_the_labels_of_the_models_are_as_documented():
    config = pytest.importorskip("tensorflow_serving.config.model_server_config_pb2")
    content = text_format.Parse((SERVING / "models.config").read_text(), config.ModelServerConfig())
    (model,) = content.model_config_list.config
    assert (model.name, model.base_path) == ("recommender", "/models/recommender")
    assert dict(model.version_labels) == {"stable": 1, "canary": 1}
    assert model.model_version_policy.latest.num_versions == 2


def message_class(name, fields):
    """A message of the server, which no package on PyPI holds; field -> (number, scalar or message type)."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package=f"test_{name}", syntax="proto3")
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    message = file.message_type.add(name=name)
    for field_name, (number, kind) in fields.items():
        is_message = kind.startswith("google")
        message.field.add(
            name=field_name,
            number=number,
            label=field.LABEL_OPTIONAL,
            type=field.TYPE_MESSAGE if is_message else getattr(field, f"TYPE_{kind}"),
            type_name=f".{kind}" if is_message else None,
        )
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"test_{name}.{name}"))


def test_the_batching_parameters_are_those_of_the_server():
    """As in session_bundle_config.proto of TensorFlow Serving."""
    int64 = "google.protobuf.Int64Value"
    numbers = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads")
    fields = {name: (number, int64) for number, name in enumerate(numbers, start=1)}
    fields["pad_variable_length_inputs"] = (7, "BOOL")
    parameters = message_class("BatchingParameters", fields)()
    text_format.Parse((SERVING / "batching.config").read_text(), parameters)
    assert parameters.max_batch_size.value == 64
    assert parameters.pad_variable_length_inputs


def test_the_metrics_page_is_configured_as_the_server_reads_it():
    """As in monitoring_config.proto of TensorFlow Serving: one message in another."""
    inner = re.fullmatch(r"prometheus_config \{(.*)\}\s*", (SERVING / "monitoring.config").read_text())
    config = message_class("PrometheusConfig", {"enable": (1, "BOOL"), "path": (2, "STRING")})()
    text_format.Parse(inner[1], config)
    assert config.enable
    assert config.path.startswith("/monitoring/")


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
