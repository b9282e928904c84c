"""The address that a proxy calls its own application from, by which interception knows the proxy (pilot.md 2.6)."""

from typing import Any

from envoy.config.core.v3.address_pb2 import BindConfig, ExtraSourceAddress, SocketAddress

from flotilla_pilot.model.caller import Families

V4 = "127.0.0.6"
V6 = "::6"


def bind_to_own_source(cluster: Any, families: Families, *, both: bool) -> None:
    """A source is of the version that it calls in. `both`: where a workload has two, Envoy takes the one that fits."""
    source = V6 if families is Families.V6 else V4
    config = BindConfig(source_address=_any_port(source))
    if both and families is Families.BOTH:
        config.extra_source_addresses.append(ExtraSourceAddress(address=_any_port(V6)))
    cluster.upstream_bind_config.CopyFrom(config)


def _any_port(address: str) -> SocketAddress:
    return SocketAddress(address=address, port_value=0)
