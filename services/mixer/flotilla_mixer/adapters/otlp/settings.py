"""Where a collector is, and how it is reached: what is known of the parameters before anything is connected."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from flotilla_mixer.kit.datagrams import host_and_port
from flotilla_protos.flotilla.mixer.adapter.otlp.config_pb2 import Params

GRPC_PORT = 4317
NANOSECONDS = 1_000_000_000
HEADER_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*\Z")
HEADER_VALUE = re.compile(r"[\x20-\x7e]*\Z")
# Headers that the protocol needs for itself.
OWN_HEADERS = frozenset(
    (
        "content-type",
        "content-encoding",
        "content-length",
        "host",
        "te",
        "transfer-encoding",
        "connection",
        "user-agent",
    )
)


class EndpointError(ValueError):
    """The text is no address of a collector. The message never repeats what may be a secret."""


def seconds(duration: Any) -> float:
    """Of a google.protobuf.Duration."""
    return float(duration.seconds + duration.nanos / NANOSECONDS)


def grpc_address(params: Any) -> str:
    """`host:port` of a gRPC endpoint. Raises EndpointError."""
    _without_login(params.endpoint)
    if "/" in params.endpoint:
        text = f"{params.endpoint!r} is a URL, and gRPC wants host:port, such as collector.tracing:{GRPC_PORT}"
        raise EndpointError(text)
    try:
        host, port = host_and_port(params.endpoint, GRPC_PORT)
    except ValueError as error:
        text = f"{params.endpoint!r} is no address: host:port, such as collector.tracing:{GRPC_PORT}"
        raise EndpointError(text) from error
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def http_url(params: Any) -> str:
    """The URL before `/v1/metrics` of an HTTP endpoint. Raises EndpointError."""
    _without_login(params.endpoint)
    scheme = "http" if params.plaintext else "https"
    try:
        found = urlsplit(params.endpoint)
        whole = found.scheme == scheme and found.hostname and not found.query and not found.fragment
        _ = found.port  # raises ValueError for one that is none
    except ValueError:
        whole = False
    if not whole or not params.endpoint.isascii() or " " in params.endpoint or not params.endpoint.isprintable():
        text = f"{params.endpoint[:200]!r} is no {scheme} URL, such as {scheme}://collector.tracing:4318"
        raise EndpointError(f"{text}{'' if params.plaintext else '; http needs plaintext: true'}")
    return str(params.endpoint).rstrip("/")


def _without_login(endpoint: str) -> None:
    if "@" in endpoint:
        raise EndpointError("an endpoint must not hold a name or a password: headerFiles are for these")


def endpoint_of(params: Any) -> str:
    """What is shown of where entries go. Raises EndpointError."""
    return grpc_address(params) if params.protocol == Params.GRPC else http_url(params)


def is_header_name(name: str) -> bool:
    return bool(HEADER_NAME.match(name)) and name not in OWN_HEADERS and not name.startswith("grpc-")
