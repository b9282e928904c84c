"""Filters before the TCP proxy that know what a connection carries."""

from typing import Any

from envoy.config.listener.v3.listener_components_pb2 import Filter
from envoy.extensions.filters.network.mongo_proxy.v3.mongo_proxy_pb2 import MongoProxy
from envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.sni_dynamic_forward_proxy_pb2 import FilterConfig

from flotilla_pilot.compile.forwarding import dns_cache
from flotilla_pilot.compile.packing import typed
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_shared.model.protocols import Protocol

MONGO = "envoy.filters.network.mongo_proxy"
NAME_RESOLVER = "envoy.extensions.filters.network.sni_dynamic_forward_proxy"


def protocol_filters(protocol: Protocol | None, stat_prefix: str) -> list[Any]:
    """Mongo's calls are counted; other protocols are not looked into, as in Istio."""
    return [typed(Filter, MONGO, MongoProxy(stat_prefix=stat_prefix))] if protocol is Protocol.MONGO else []


def name_resolver(port: int, mesh: MeshOptions) -> Any:
    """Has the name that TLS asks for resolved: the connection goes there, at `port`, whatever it was dialled to."""
    settings = FilterConfig(dns_cache_config=dns_cache(mesh.proxy.families, mesh), port_value=port)
    return typed(Filter, NAME_RESOLVER, settings)
