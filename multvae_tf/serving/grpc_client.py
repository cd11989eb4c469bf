"""A client of TensorFlow Serving's gRPC API; its messages are those of tensorflow-serving-api."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from multvae_tf.errors import RunError
from multvae_tf.serving.recommender import Inputs, Outputs, SignatureRecommender, as_text
from multvae_tf.serving.server import Server

try:
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2
except ImportError as error:
    raise RunError(f"gRPC needs {error.name}: pip install tensorflow-serving-api, or use REST") from None

_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_MAX_MESSAGE_BYTES = 256 * 2**20
_MOST_ATTEMPTS = 5  # gRPC's own limit


class GrpcRecommender(SignatureRecommender):
    """A server's gRPC API, by default at port 8500; `connect` makes it.

    Args:
        server: where it is.
    """

    def __init__(self, server: Server):
        self.server = server
        policy = {
            "maxAttempts": min(server.attempts, _MOST_ATTEMPTS),
            "initialBackoff": "0.1s",
            "maxBackoff": "2s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
        }
        method: dict[str, Any] = {"name": [{"service": "tensorflow.serving.PredictionService"}]}
        if server.attempts > 1:
            method["retryPolicy"] = policy
        options = [
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
            ("grpc.service_config", json.dumps({"methodConfig": [method]})),
            ("grpc.initial_reconnect_backoff_ms", 100),
        ]
        if server.is_secure:
            channel = grpc.secure_channel(server.address, _credentials(server), options=options)
        else:
            channel = grpc.insecure_channel(server.address, options=options)
        self._metadata = [(name.lower(), value) for name, value in server.headers.items()]
        self._call: Callable = channel.unary_unary(
            _PREDICT,
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=predict_pb2.PredictResponse.FromString,
        )

    def predict(self, signature: str, inputs: Inputs) -> Outputs:
        """See `SignatureRecommender`.

        Raises:
            RunError: the server stays unavailable, does not answer in time, refuses the request, or answers
                with something else than it should.
        """
        try:
            response = self._call(
                self._request(signature, inputs), timeout=self.server.timeout, metadata=self._metadata
            )
        except grpc.RpcError as error:
            match error.code():
                case grpc.StatusCode.UNAVAILABLE:
                    raise self.server.unavailable(error.details()) from None
                case grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise self.server.timed_out() from None
                case _:
                    raise self.server.refused(error.details()) from None
        try:
            return {name: _array(tensor) for name, tensor in response.outputs.items()}
        except (ValueError, TypeError, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0][:200]
            raise RunError(f"{self.server.address} answers with a tensor that is none: {reason}") from None

    def _request(self, signature: str, inputs: Inputs) -> Any:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self.server.name
        request.model_spec.signature_name = signature
        kind, _, chosen = self.server.version.lstrip("/").partition("/")
        if kind == "labels":
            request.model_spec.version_label = chosen
        elif kind == "versions":
            request.model_spec.version.value = int(chosen)
        for name, array in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(array, tf.string, array.shape))
        return request


def _credentials(server: Server) -> Any:
    def content(path: str | None) -> bytes | None:
        return None if path is None else Path(path).read_bytes()

    return grpc.ssl_channel_credentials(
        content(server.ca_file), content(server.client_key), content(server.client_certificate)
    )


def _array(tensor: Any) -> np.ndarray:
    return as_text(tf.make_ndarray(tensor))
