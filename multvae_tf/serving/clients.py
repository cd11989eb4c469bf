"""Clients of TensorFlow Serving, REST and gRPC, that wait for a server which is not ready; no TensorFlow."""

import http.client
import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import numpy as np

from multvae_tf.errors import RunError
from multvae_tf.serving.protos import PredictResponse, predict_request, tensor_to_array
from multvae_tf.serving.recommender import Inputs, Outputs, SignatureRecommender, as_text

_FIRST_WAIT = 0.1  # seconds; each wait is twice the one before it, at random up to a half less
_UNAVAILABLE_STATUSES = (429, 502, 503, 504)
_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_MAX_MESSAGE_BYTES = 256 * 2**20


class _UnavailableError(Exception):
    """The server cannot answer now, but may do so soon."""


class ServerRecommender(SignatureRecommender):
    """What both clients share.

    Args:
        address: `host:port`.
        name: of the model.
        label: of the version, such as `stable`; '' leaves the choice to the server: the latest.
        timeout: seconds that one attempt may take.
        attempts: how often a server that is not available is asked, with growing waits in between.
    """

    def __init__(self, address: str, name: str, *, label: str = "", timeout: float = 5.0, attempts: int = 6):
        self.address = address
        self.name = name
        self.label = label
        self.timeout = timeout
        self.attempts = attempts

    def predict(self, signature: str, inputs: Inputs) -> Outputs:
        """See `SignatureRecommender`.

        Raises:
            RunError: the server stays unavailable, does not answer in time, or refuses the request.
        """
        for attempt in range(self.attempts):
            try:
                return self._predict_once(signature, inputs)
            except _UnavailableError as error:
                reason = error
            if attempt < self.attempts - 1:
                time.sleep(_FIRST_WAIT * 2**attempt * random.uniform(0.5, 1))
        raise RunError(f"{self.address} is not available after {self.attempts} attempts ({reason})")

    def _predict_once(self, signature: str, inputs: Inputs) -> Outputs:
        raise NotImplementedError

    def _refused(self, message: str) -> RunError:
        return RunError(f"{self.address} refuses the request to the model {self.name!r}: {message}")

    def _timed_out(self) -> RunError:
        return RunError(f"{self.address} did not answer within {self.timeout:g} s")


class RestRecommender(ServerRecommender):
    """A server's REST API, by default at port 8501."""

    def _predict_once(self, signature: str, inputs: Inputs) -> Outputs:
        label = f"/labels/{self.label}" if self.label else ""
        body = {"signature_name": signature, "inputs": {k: array.tolist() for k, array in inputs.items()}}
        request = urllib.request.Request(
            f"http://{self.address}/v1/models/{self.name}{label}:predict",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as response:
                outputs = json.load(response)["outputs"]
        except urllib.error.HTTPError as error:
            message = _error_message(error.read())
            if error.code in _UNAVAILABLE_STATUSES:
                raise _UnavailableError(message or error.reason) from error
            raise self._refused(message or f"HTTP {error.code} {error.reason}") from error
        except TimeoutError:
            raise self._timed_out() from None
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise self._timed_out() from None
            raise _UnavailableError(error.reason) from error
        except (ConnectionError, http.client.HTTPException) as error:
            raise _UnavailableError(error or type(error).__name__) from error
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"{self.address} answers, but not as TensorFlow Serving does") from error
        return {name: _from_json(values) for name, values in outputs.items()}


def _error_message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]).splitlines()[0]
    except (ValueError, KeyError, TypeError, IndexError):
        return ""


def _from_json(values: Any) -> np.ndarray:
    """Nested lists as the model's types: str in an object array, bool, int32 or float32."""
    array = np.array(values)
    if array.dtype.kind in "US":
        return np.array(values, object)
    return array.astype({"b": np.bool_, "i": np.int32}.get(array.dtype.kind, np.float32))


class GrpcRecommender(ServerRecommender):
    """A server's gRPC API, by default at port 8500."""

    def __init__(self, address: str, name: str, **options: Any):
        super().__init__(address, name, **options)
        import grpc

        self._grpc = grpc
        self._channel = grpc.insecure_channel(
            address,
            options=[
                ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
                ("grpc.initial_reconnect_backoff_ms", int(1000 * _FIRST_WAIT)),
            ],
        )
        self._call: Callable = self._channel.unary_unary(
            _PREDICT,
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=PredictResponse.FromString,
        )

    def _predict_once(self, signature: str, inputs: Inputs) -> Outputs:
        request = predict_request(signature, inputs, self.name, self.label)
        try:
            response = self._call(request, timeout=self.timeout)
        except self._grpc.RpcError as error:
            match error.code():
                case self._grpc.StatusCode.UNAVAILABLE | self._grpc.StatusCode.RESOURCE_EXHAUSTED:
                    raise _UnavailableError(error.details()) from error
                case self._grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise self._timed_out() from None
                case _:
                    raise self._refused(error.details()) from error
        return {name: as_text(tensor_to_array(tensor)) for name, tensor in response.outputs.items()}


def connect(server: str, name: str, **options: Any) -> ServerRecommender:
    """A client for `host:port` or `http://host:port` (REST) or `grpc://host:port`.

    Args:
        server: the address.
        name: of the model.
        **options: see `ServerRecommender`.

    Raises:
        RunError: the address has another form.
    """
    scheme, _, address = server.rpartition("://")
    host, _, port = address.rstrip("/").rpartition(":")
    clients = {"": RestRecommender, "http": RestRecommender, "grpc": GrpcRecommender}
    if scheme not in clients or not host or not port.isdecimal():
        raise RunError(f"server is {server!r}; it must be host:port, http://host:port or grpc://host:port")
    return clients[scheme](f"{host}:{port}", name, **options)
