"""Route tables, joined from finished virtual hosts."""

from collections.abc import Iterable

from envoy.config.route.v3.route_pb2 import RouteConfiguration
from google.protobuf.wrappers_pb2 import BoolValue, UInt32Value

from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.packing import serialized
from flotilla_pilot.compile.resource import ROUTES, CompiledResource
from flotilla_pilot.compile.routes import MAX_BODY
from flotilla_pilot.compile.virtual_hosts import HostPart


def route_table(name: str, parts: Iterable[HostPart], cache: ResourceCache, *, ignore_port: bool) -> CompiledResource:
    """The table of `parts`, in their order. It never asks Envoy to check that clusters are there already."""
    table = RouteConfiguration(
        name=name,
        validate_clusters=BoolValue(value=False),
        ignore_port_in_host_matching=ignore_port,
        max_direct_response_body_size_bytes=UInt32Value(value=MAX_BODY),
    )
    held = list(parts)
    body = serialized(table) + b"".join(part.wire for part in held)
    return cache.intern(ROUTES, name, body, (key for part in held for key in part.depends_on))
