"""Discovery requests of both dialects, in one form, within bounds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest
from google.protobuf.message import DecodeError

Dialect = Literal["sotw", "delta"]

MAX_NAMES = 20_000
MAX_NAME_LENGTH = 2_048
MAX_ERROR_LENGTH = 4_096
WILDCARD = "*"


class RequestRefused(ValueError):
    """A request that no proxy of a mesh sends; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `node` is given on the first of a stream.

    State of the world: `names` is the whole subscription, `version` what the proxy holds. Delta: `subscribe`
    and `unsubscribe` change it, `initial` are the versions held at a reconnect. An answer to a response has
    its `nonce`, and an `error` if the response was rejected.
    """

    type_url: str
    node: Any = None
    nonce: str = ""
    error: str | None = None
    version: str = ""
    names: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial: Mapping[str, str] = field(default_factory=dict)


def parse_request(dialect: Dialect, message: bytes) -> Request:
    """The request in `message`. Raises RequestRefused."""
    try:
        return _parse_sotw(message) if dialect == "sotw" else _parse_delta(message)
    except DecodeError as error:
        raise RequestRefused(f"the request is no discovery request: {error}") from error


def _parse_sotw(message: bytes) -> Request:
    request = DiscoveryRequest.FromString(message)
    _check(request.resource_names)
    return Request(
        type_url=request.type_url,
        node=request.node if request.HasField("node") else None,
        nonce=request.response_nonce,
        error=_error(request),
        version=request.version_info,
        names=tuple(request.resource_names),
    )


def _parse_delta(message: bytes) -> Request:
    request = DeltaDiscoveryRequest.FromString(message)
    for names in (
        request.resource_names_subscribe,
        request.resource_names_unsubscribe,
        request.initial_resource_versions,
    ):
        _check(names)
    return Request(
        type_url=request.type_url,
        node=request.node if request.HasField("node") else None,
        nonce=request.response_nonce,
        error=_error(request),
        subscribe=tuple(request.resource_names_subscribe),
        unsubscribe=tuple(request.resource_names_unsubscribe),
        initial=dict(request.initial_resource_versions),
    )


def _error(request: Any) -> str | None:
    if not request.HasField("error_detail"):
        return None
    text: str = request.error_detail.message
    return text[:MAX_ERROR_LENGTH] or f"rejected with code {request.error_detail.code} and no text"


def _check(names: Iterable[str]) -> None:
    count = 0
    for name in names:
        count += 1
        if len(name) > MAX_NAME_LENGTH:
            raise RequestRefused(f"a resource name of {len(name)} characters; at most {MAX_NAME_LENGTH} are taken")
    if count > MAX_NAMES:
        raise RequestRefused(f"{count} resource names in one request; at most {MAX_NAMES} are taken")
