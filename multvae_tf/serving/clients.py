"""Clients of TensorFlow Serving, REST and gRPC: they wait for a server that is not ready, and trust none."""

import ipaddress
import json
import os
import re
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

import numpy as np
import urllib3

from multvae_tf.errors import RunError, check
from multvae_tf.serving.recommender import Inputs, Outputs, SignatureRecommender
from multvae_tf.serving.server import Server

TOKEN_VARIABLE = "MULTVAE_SERVER_TOKEN"
_MAX_ANSWER_BYTES = 256 * 2**20
_FIRST_WAIT = 0.1  # seconds; each wait is twice the one before it
_UNAVAILABLE_STATUSES = (429, 502, 503, 504)


class RestRecommender(SignatureRecommender):
    """A server's REST API, by default at port 8501; `connect` makes it. Needs no TensorFlow.

    Args:
        server: where it is.
    """

    def __init__(self, server: Server):
        self.server = server
        retries = urllib3.Retry(
            total=server.attempts - 1,
            redirect=0,
            status_forcelist=_UNAVAILABLE_STATUSES,
            allowed_methods=None,
            backoff_factor=_FIRST_WAIT,
            raise_on_redirect=False,
            raise_on_status=False,
            respect_retry_after_header=False,
        )
        options: dict[str, Any] = {"retries": retries, "timeout": urllib3.Timeout(server.timeout)}
        if server.is_secure:
            options |= {"cert_reqs": "CERT_REQUIRED", "ca_certs": server.ca_file}
            options |= {"cert_file": server.client_certificate, "key_file": server.client_key}
        proxy = urllib.request.getproxies().get(server.scheme)
        if proxy and not urllib.request.proxy_bypass(server.host):
            self._pool: urllib3.PoolManager = urllib3.ProxyManager(proxy, **options)
        else:
            self._pool = urllib3.PoolManager(**options)
        model = f"/v1/models/{urllib.parse.quote(server.name, safe='')}{server.version}"
        self._url = f"{server.scheme}://{server.address}{model}:predict"

    def predict(self, signature: str, inputs: Inputs) -> Outputs:
        """See `SignatureRecommender`.

        Raises:
            RunError: the server stays unavailable, does not answer in time, refuses the request, or answers
                with something else than it should.
        """
        body = {"signature_name": signature, "inputs": {k: array.tolist() for k, array in inputs.items()}}
        status, content = self._in_time(json.dumps(body).encode())
        if status in _UNAVAILABLE_STATUSES:
            raise self.server.unavailable(_error_message(content) or f"HTTP {status}")
        if 300 <= status < 400:
            raise self.server.refused(f"HTTP {status}, a redirection, which is not followed")
        if status != 200:
            raise self.server.refused(_error_message(content) or f"HTTP {status}")
        try:
            outputs = json.loads(content, parse_constant=_no_constant)["outputs"]
            return {name: _from_json(values) for name, values in outputs.items()}
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
            reason = type(error).__name__
            raise RunError(
                f"{self.server.address} answers, but not as TensorFlow Serving does ({reason})"
            ) from None

    def _in_time(self, body: bytes) -> tuple[int, bytes]:
        """The status and the content of the answer; the deadline is for all of it, not for each byte."""
        results: list[tuple[int, bytes] | Exception] = []

        def ask() -> None:
            try:
                results.append(self._ask(body))
            except Exception as error:
                results.append(error)

        # A thread of its own: a server that sends a byte now and then never runs into a socket's timeout.
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(self.server.timeout)
        if not results:
            raise self.server.timed_out()
        if isinstance(results[0], Exception):
            raise results[0]
        return results[0]

    def _ask(self, body: bytes) -> tuple[int, bytes]:
        end = time.monotonic() + self.server.timeout
        try:
            response = self._pool.request(
                "POST",
                self._url,
                body=body,
                headers={
                    "Content-Type": "application/json",
                    "Accept-Encoding": "identity",
                    **self.server.headers,
                },
                redirect=False,
                preload_content=False,
            )
            content = bytearray()
            while chunk := response.read1(2**16, decode_content=False):
                content += chunk
                if len(content) > _MAX_ANSWER_BYTES:
                    response.close()
                    limit = _MAX_ANSWER_BYTES // 2**20
                    raise RunError(f"the answer of {self.server.address} is larger than {limit} MiB")
                if time.monotonic() > end:
                    response.close()
                    raise self.server.timed_out()
            response.release_conn()
        except urllib3.exceptions.MaxRetryError as error:
            raise self._translated(error.reason or error) from None
        except urllib3.exceptions.HTTPError as error:
            raise self._translated(error) from None
        return response.status, bytes(content)

    def _translated(self, error: Exception) -> RunError:
        if isinstance(error, urllib3.exceptions.ReadTimeoutError):
            return self.server.timed_out()
        if isinstance(error, urllib3.exceptions.SSLError):
            return RunError(f"{self.server.address} does not prove who it is: {error}")
        return self.server.unavailable(str(error).partition(": ")[2] or error)


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _error_message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]).splitlines()[0][:300]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return ""


def _from_json(values: Any) -> np.ndarray:
    """Nested lists as the model's types: str in an object array, bool, int32 or float32."""
    array = np.array(values)
    if array.dtype.kind in "US":
        return np.array(values, object)
    if array.dtype.kind not in "bif":
        raise ValueError("the values are of no one type")
    return array.astype({"b": np.bool_, "i": np.int32}.get(array.dtype.kind, np.float32))


def connect(
    server: str,
    name: str = "recommender",
    *,
    label: str = "",
    version: int | None = None,
    timeout: float = 5.0,
    attempts: int = 6,
    ca_file: str | None = None,
    client_certificate: str | None = None,
    client_key: str | None = None,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> SignatureRecommender:
    """A client of a model that is served.

    Args:
        server: `host:port` or `http://host:port` (REST), `https://host:port`, `grpc://host:port` or
            `grpcs://host:port`; an IPv6 address in brackets.
        name: of the model.
        label: of the version, such as `stable`; '' leaves the choice to the server: the latest.
        version: its number, instead of a label.
        timeout: seconds that a whole call may take, with all its attempts.
        attempts: how often a server that is not available is asked, with growing waits in between.
        ca_file: for https and grpcs, a PEM file of the authorities to trust; None for the system's.
        client_certificate: a PEM file of the certificate by which the client shows who it is.
        client_key: a PEM file of its key; gRPC needs it, REST only if it is not in the same file.
        token: sent as `Authorization: Bearer`, over TLS or to this machine only; None for the environment's
            MULTVAE_SERVER_TOKEN.
        headers: further headers, sent with each request.

    Returns:
        What recommends: `recommend(histories, k, exclude)` and `describe(item_ids)`.

    Raises:
        SettingError: an argument has another form.
        RunError: gRPC's packages are not installed.

    Examples:
        >>> import multvae_tf
        >>> client = multvae_tf.connect("localhost:8501", "recommender")
        >>> client.recommend([["1", "50"]], k=10).item_ids  # doctest: +SKIP
    """
    parts = urllib.parse.urlsplit(server if "://" in server else f"http://{server}")
    expected = "host:port, or it with http://, https://, grpc:// or grpcs:// before it"
    try:
        port = parts.port
    except ValueError:
        port = None
    is_address = parts.hostname and port and not (parts.path.strip("/") or parts.query or parts.username)
    known = parts.scheme in ("http", "https", "grpc", "grpcs")
    check(bool(known and is_address), "server", repr(server), expected)
    assert parts.hostname is not None
    assert port is not None
    check(bool(re.fullmatch(r"[\w.-]+", name)), "name", repr(name), "letters, digits, - . and _ only")
    check(bool(re.fullmatch(r"[\w.-]*", label)), "label", repr(label), "letters, digits, - . and _ only")
    check(version is None or (version >= 1 and not label), "version", version, "at least 1, without a label")
    check(timeout > 0, "timeout", timeout, "greater than 0")
    check(attempts >= 1, "attempts", attempts, "at least 1")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    chosen = f"/labels/{label}" if label else "" if version is None else f"/versions/{version}"
    sent = dict(headers or {})
    token = token or os.environ.get(TOKEN_VARIABLE)
    if token:
        is_safe = parts.scheme in ("https", "grpcs") or _is_this_machine(parts.hostname)
        check(is_safe, "server", repr(server), "https:// or grpcs://, as a token is never sent unencrypted")
        sent["Authorization"] = f"Bearer {token}"
    found = Server(
        scheme=parts.scheme,
        host=host,
        port=port,
        name=name,
        version=chosen,
        timeout=timeout,
        attempts=attempts,
        headers=sent,
        ca_file=ca_file,
        client_certificate=client_certificate,
        client_key=client_key,
    )
    if parts.scheme in ("http", "https"):
        return RestRecommender(found)
    from multvae_tf.serving.grpc_client import GrpcRecommender

    return GrpcRecommender(found)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
