"""Stand-ins for TensorFlow Serving's REST and gRPC interfaces, in this process."""

import concurrent.futures
import contextlib
import http.server
import json
import threading

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from multvae_tf.serving.recommender import as_text

PREDICT_PATHS = ("/v1/models/small:predict", "/v1/models/small/labels/stable:predict")


@contextlib.contextmanager
def rest_server(predict, failures=(), tls=None):
    """Serves `predict(signature, inputs)` as the model `small`; gives its address.

    Args:
        predict: takes and gives arrays.
        failures: what the first requests get instead: (status, body), or a function of the handler.
        tls: an `ssl.SSLContext` of the server, if it is to speak https.
    """
    failures = list(failures)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if failures:
                failure = failures.pop(0)
                failure(self) if callable(failure) else self._send(*failure)
            elif self.path not in PREDICT_PATHS:
                self._send(404, json.dumps({"error": "Servable not found for request: Latest(other)"}))
            else:
                inputs = {name: np.array(values, object) for name, values in request["inputs"].items()}
                outputs = predict(request["signature_name"], inputs)
                content = {name: array.tolist() for name, array in outputs.items()}
                self._send(200, json.dumps({"outputs": content}))

        def _send(self, status, body):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("localhost", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def grpc_server(predict, failures=(), tls=None):
    """As `rest_server`, for gRPC; failures are (status code, details), tls the server's credentials."""
    failures = list(failures)

    def answer(request, context):
        if failures:
            context.abort(*failures.pop(0))
        if request.model_spec.name != "small":
            context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found for request: Latest(other)")
        inputs = {name: as_text(tf.make_ndarray(t)) for name, t in request.inputs.items()}
        response = predict_pb2.PredictResponse()
        for name, array in predict(request.model_spec.signature_name, inputs).items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(array))
        return response

    handler = grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=predict_pb2.PredictRequest.FromString,
        response_serializer=lambda response: response.SerializeToString(),
    )
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    service = "tensorflow.serving.PredictionService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Predict": handler}),))
    address = "localhost:0"
    port = server.add_secure_port(address, tls) if tls else server.add_insecure_port(address)
    server.start()
    try:
        yield f"localhost:{port}"
    finally:
        server.stop(None).wait()
