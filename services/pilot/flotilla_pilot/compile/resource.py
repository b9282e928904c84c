"""A compiled resource: finished bytes, with what they were made from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b

from flotilla_shared.model.objects import ObjectKey, Problem

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
BOOTSTRAP = "type.googleapis.com/envoy.config.bootstrap.v3.Bootstrap"
TYPES = (CLUSTER, ENDPOINTS, LISTENER, ROUTES)
"""What Envoy asks for."""

SERVED = (BOOTSTRAP, *TYPES)
"""And what its agent asks for, before it starts Envoy."""


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class CompiledResource:
    """One resource of one type. Equal inputs give the identical object, so compare with `is`.

    `body` is the serialised message, `part` the finished `resources` entry of a state-of-the-world
    DiscoveryResponse (responses are parts joined), `version` a hash of the body, `depends_on` the
    configuration objects it was made from.
    """

    type_url: str
    name: str
    body: bytes
    version: str
    depends_on: frozenset[ObjectKey]
    part: bytes


@dataclass(frozen=True, slots=True)
class CompiledProxy:
    """Everything one proxy is to hold, by type URL and name (every type of SERVED is there, maybe empty).

    `problems` holds what only shows for this proxy, such as two services that want one listener.
    """

    resources: Mapping[str, Mapping[str, CompiledResource]]
    problems: Mapping[ObjectKey, tuple[Problem, ...]]


def make_resource(type_url: str, name: str, body: bytes, depends_on: Iterable[ObjectKey]) -> CompiledResource:
    version = blake2b(body, digest_size=8).hexdigest()
    return CompiledResource(type_url, name, body, version, frozenset(depends_on), wire_part(type_url, body))


def wire_part(type_url: str, body: bytes) -> bytes:
    """One `resources` entry (field 2, an Any) of a DiscoveryResponse, as protobuf would write it."""
    return length_delimited(2, _type(type_url) + length_delimited(2, body))


@cache
def _type(type_url: str) -> bytes:
    return length_delimited(1, type_url.encode())


def length_delimited(field: int, value: bytes) -> bytes:
    """A length-delimited protobuf field; empty values are left out, as proto3 does."""
    return b"%c%b%b" % (field << 3 | 2, _varint(len(value)), value) if value else b""


def _varint(number: int) -> bytes:
    if number < 1 << 7:
        return b"%c" % number
    if number < 1 << 14:
        return b"%c%c" % (number & 127 | 128, number >> 7)
    return b"%c%b" % (number & 127 | 128, _varint(number >> 7))
