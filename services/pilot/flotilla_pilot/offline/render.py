"""What is compiled for one proxy, as plain data."""

from collections.abc import Mapping
from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from google.protobuf import json_format

from flotilla_pilot.compile.resource import CLUSTER, ENDPOINTS, LISTENER, ROUTES, CompiledProxy

SECTIONS = {
    "listeners": (LISTENER, Listener),
    "routes": (ROUTES, RouteConfiguration),
    "clusters": (CLUSTER, Cluster),
    "endpoints": (ENDPOINTS, ClusterLoadAssignment),
}
Rendered = dict[str, list[dict[str, Any]]]
Tree = Mapping[str, Mapping[str, Any]]


def render(compiled: CompiledProxy) -> Rendered:
    """`listeners`, `routes`, `clusters` and `endpoints` as proto3 JSON, each a list sorted by name."""
    return {
        section: [json_format.MessageToDict(message.FromString(held[name].body)) for name in sorted(held)]
        for section, (type_url, message) in SECTIONS.items()
        for held in (compiled.resources[type_url],)
    }


def tree(compiled: CompiledProxy) -> dict[str, dict[str, Any]]:
    """The same by name, with the fields' names as the API definitions have them."""
    return {
        section: {
            name: json_format.MessageToDict(message.FromString(held[name].body), preserving_proto_field_name=True)
            for name in sorted(held)
        }
        for section, (type_url, message) in SECTIONS.items()
        for held in (compiled.resources[type_url],)
    }
