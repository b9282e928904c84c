"""How a listener takes connections: where, how many at once, by which of its threads."""

from typing import Any

from envoy.config.listener.v3.listener_pb2 import AdditionalAddress
from google.protobuf.duration_pb2 import Duration
from google.protobuf.wrappers_pb2 import UInt32Value

from flotilla_pilot.compile.endpoints import socket_address
from flotilla_pilot.compile.http_limits import stated_settings
from flotilla_pilot.model.mesh import MeshOptions

HANDSHAKE = Duration(seconds=15)
"""How long a connection may take to be set up: one that never is would be held for ever."""

ACCEPTED_AT_ONCE = UInt32Value(value=1)
"""Connections that one thread takes at a time: the others get theirs."""

_COUNTERPARTS = {"0.0.0.0": "::", "127.0.0.1": "::1"}  # noqa: S104


def balance(listener: Any, *, asked: bool) -> None:
    """Deal out connections evenly, if the proxy asks for it."""
    if asked:
        listener.connection_balance_config.exact_balance.SetInParent()


def accept_transparently(listener: Any, mesh: MeshOptions) -> None:
    """Let the kernel hand over connections to other addresses than the listener's own, where it does that."""
    if mesh.proxy.transparent:
        listener.transparent.value = True


def limit_buffers(listener: Any, mesh: MeshOptions, *, router: bool = False) -> None:
    """How much of a connection may wait here, where the proxy's settings say so."""
    settings = stated_settings(mesh, router=router)
    if settings.HasField("listener_per_connection_buffer_limit_bytes"):
        listener.per_connection_buffer_limit_bytes.value = settings.listener_per_connection_buffer_limit_bytes.value


def finish_outbound(listener: Any, mesh: MeshOptions) -> None:
    """What all outbound listeners but the virtual one have of the proxy: its other family of addresses, its balance."""
    balance(listener, asked=mesh.proxy.balances_out)
    limit_buffers(listener, mesh)
    place = listener.address.socket_address
    if mesh.proxy.both_families and place.address in _COUNTERPARTS:
        other = socket_address(_COUNTERPARTS[place.address], place.port_value)
        listener.additional_addresses.append(AdditionalAddress(address=other))
