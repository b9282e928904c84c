"""Small conversions that Checks and log entries share."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from flotilla_mixer.attributes.workloads import Workload
from flotilla_shared.model.expressions import Duration, Timestamp

GRPC_CONTENT_TYPE = "application/grpc"
NANOSECONDS = 1_000_000_000
LONGEST_REMEMBERED = 256  # characters of a query


@lru_cache(maxsize=65_536)
def ip_bytes(address: str) -> bytes | None:
    """The bytes of an address, or None for a text that is none (a pipe, a name)."""
    try:
        return ipaddress.ip_address(address).packed
    except ValueError:
        return None


def put_address(bag: dict[str, object], prefix: str, address: Any) -> None:
    """`<prefix>.ip` and `<prefix>.port` of an envoy Address that is a socket's."""
    found = ip_bytes(address.socket_address.address)
    if found is not None:
        bag[f"{prefix}.ip"] = found
        bag[f"{prefix}.port"] = address.socket_address.port_value


def put_destination(bag: dict[str, object], workload: Workload) -> None:
    """The workload as destination, and, where the port that was called is in the bag, the container behind it."""
    bag |= workload.destination
    port = bag.get("destination.port")
    if isinstance(port, int) and port in workload.facts.containers:
        bag["destination.container.name"] = workload.facts.containers[port]


def put_path(bag: dict[str, object], path: str) -> None:
    """request.path, and what it is made of."""
    bag["request.path"] = path
    url_path, question, query = path.partition("?")
    bag["request.url_path"] = url_path
    if question:
        short = len(query) <= LONGEST_REMEMBERED
        bag["request.query_params"] = dict(_parameters(query) if short else _parse(query))


def _parse(query: str) -> tuple[tuple[str, str], ...]:
    return tuple(parse_qsl(query, keep_blank_values=True))


_parameters = lru_cache(maxsize=4096)(_parse)


def http_protocol(headers: Mapping[str, str]) -> str:
    """context.protocol of an HTTP request: gRPC is told by its content type."""
    return "grpc" if headers.get("content-type", "").startswith(GRPC_CONTENT_TYPE) else "http"


def timestamp(message: Any) -> Timestamp:
    """A google.protobuf.Timestamp."""
    return Timestamp(message.seconds * NANOSECONDS + message.nanos)


def duration(message: Any) -> Duration:
    """A google.protobuf.Duration."""
    return Duration(message.seconds * NANOSECONDS + message.nanos)


def address_text(address: bytes) -> str:
    """An address of 4 or 16 bytes as text, a mapped one as IPv4; empty for other lengths."""
    if len(address) not in (4, 16):
        return ""
    found = ipaddress.ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)
