"""Handlers out of process, as values: where the backend is, how it is called, and what it is told each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flotilla_mixer.kit.adapter import Environment, Handler
from flotilla_mixer.templates.template import InstanceSpec


@dataclass(frozen=True, slots=True)
class OAuth:
    """Client credentials; the secret stands in a file."""

    client_id: str
    secret_file: str
    token_url: str
    scopes: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TlsAuthentication:
    """TLS, and a token with each call: of a file or of an OAuth server. `header` carries `prefix` and the token."""

    ca_file: str = ""
    server_name: str = ""
    token_file: str = ""
    oauth: OAuth | None = None
    header: str = "authorization"
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class MutualAuthentication:
    """TLS with a certificate of our own; the backend's must name the same URI."""

    key_file: str
    certificate_file: str
    ca_file: str = ""
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class Backend:
    """A handler's backend. `config` is the bytes of the Any that it is told with each call, empty for none.

    `timeout` is in seconds, 0 where none was given.
    """

    handler: str
    address: str
    timeout: float = 0.0
    authentication: TlsAuthentication | MutualAuthentication | None = None
    config: bytes = b""
    session_based: bool = False


SCHEMES = ("dns:", "unix:", "ipv4:", "ipv6:", "passthrough:")


def target_of(address: str) -> str:
    """The address as gRPC dials it: a bare `host:port` by its name, and all of its addresses in turn. Raises ValueError
    with half a sentence.
    """
    found = address.strip()
    if not found:
        raise ValueError("a handler out of process needs the address of its backend, host:port")
    if found.startswith(SCHEMES):
        return found.removeprefix("passthrough:").lstrip("/") if found.startswith("passthrough:") else found
    host, _, port = found.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536 or "/" in host:
        raise ValueError(f"{address!r} is no host:port, nor a target like dns:///host:port")
    return f"dns:///{found}"


Connect = Callable[[Backend, Sequence[InstanceSpec], Environment], Handler]
"""Makes the handler that calls a backend. Raises ValueError with one sentence when it cannot be."""
