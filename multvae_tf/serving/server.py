"""Where a model is served, as both clients know it, and what they say when it does not answer."""

from typing import NamedTuple

from multvae_tf.errors import RunError


class Server(NamedTuple):
    """Where a model is served, and how the client shows who it is.

    Attributes:
        scheme: http, https, grpc or grpcs.
        host: a name or an address, an IPv6 address in brackets.
        port: of it.
        name: of the model.
        version: '' for the server's choice, or `/labels/stable`, or `/versions/3`.
        timeout: seconds that a whole call may take.
        attempts: how often a server that is not available is asked within them.
        headers: sent with each request.
        ca_file: certificates of the authorities to trust; None for the system's.
        client_certificate: PEM file of the client's own certificate, and of its key.
        client_key: PEM file of the key, if it is another.
    """

    scheme: str
    host: str
    port: int
    name: str
    version: str
    timeout: float
    attempts: int
    headers: dict[str, str]
    ca_file: str | None
    client_certificate: str | None
    client_key: str | None

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    @property
    def is_secure(self) -> bool:
        """Whether the connection is encrypted and the server has to prove who it is."""
        return self.scheme in ("https", "grpcs")

    def unavailable(self, reason: object) -> RunError:
        """The error for a server that cannot be reached."""
        return RunError(f"{self.address} is not available after {self.attempts} attempts ({reason})")

    def refused(self, message: str) -> RunError:
        """The error for a request that the server does not want."""
        return RunError(f"{self.address} refuses the request to the model {self.name!r}: {message}")

    def timed_out(self) -> RunError:
        """The error for an answer that does not come."""
        return RunError(f"{self.address} did not answer within {self.timeout:g} s")
