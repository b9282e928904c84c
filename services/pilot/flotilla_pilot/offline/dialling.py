"""Which address a caller dials for a name: what DNS would answer it, or where its proxy listens."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from flotilla_pilot.model.proxy import ROUTER, Proxy
from flotilla_pilot.model.registry import is_ip
from flotilla_pilot.model.services import Service
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_pilot.offline.calls import Call
from flotilla_pilot.scope.addresses import address_view

ELSEWHERE = "192.0.2.1"
"""Stands in for the address of a name that the mesh does not know (RFC 5737)."""


def dial(snapshot: MeshSnapshot, caller: Proxy, host: str, port: int) -> str:
    """The address of `host` for `caller`; of a name without one, an address that nobody has.

    Short names are looked up as Kubernetes does: in the caller's namespace, then with the namespace in them. A gateway
    is called from outside, at its own address.
    """
    if caller.kind == ROUTER:
        return caller.addresses[-1]
    if is_ip(host):
        return host
    service = find_service(snapshot, caller, host)
    if service is None:
        return ELSEWHERE
    (service,) = address_view(caller, for_all=snapshot.settings.gives_addresses).see(
        [service], snapshot.given_addresses
    )
    if service.addresses:
        return service.addresses[0]
    if service.headless and service.endpoints:
        return service.endpoints[0].address
    return ELSEWHERE


def find_service(snapshot: MeshSnapshot, caller: Proxy, host: str) -> Service | None:
    """The oldest service that `host` may mean to `caller`."""
    domain = snapshot.mesh.domain
    names = (host, f"{host}.{caller.namespace}.svc.{domain}", f"{host}.svc.{domain}", f"{host}.{domain}")
    by_host = {alias.host: each for each in reversed(snapshot.services) for alias in each.aliases}
    by_host |= {each.host: each for each in reversed(snapshot.services)}
    return next((by_host[name] for name in names if name in by_host), None)


def by_listener(call: Call, listeners: Mapping[str, Any]) -> Call:
    """The call at a listener of the caller's proxy, where nothing is intercepted and callers must know the address.

    The listener is one for the way out with the call's port (the one with its address, else the first), else the
    explicit HTTP proxy, which is asked for `host:port`. Without one the call stays as it is, and finds nothing.
    """
    held = sorted(_places(listeners))
    for address, port, _ in held:
        if (address, port) == (call.address, call.port):
            return call
    for address, port, tunnels in held:
        if port == call.port and not tunnels:
            return replace(call, address=address)
    for address, port, tunnels in held:
        if tunnels and call.protocol != "tcp":
            host = call.host if ":" in call.host else f"{call.host}:{call.port}"
            return replace(call, address=address, port=port, host=host)
    return call


def _places(listeners: Mapping[str, Any]) -> Iterator[tuple[str, int, bool]]:
    """Address and port of each listener for the way out, and whether it is an explicit HTTP proxy."""
    for each in listeners.values():
        place = each["address"].get("socket_address", {})
        if each.get("traffic_direction") == "OUTBOUND" and place:
            last = each["filter_chains"][0]["filters"][-1]["typed_config"]
            tunnels = bool(last.get("http_protocol_options", {}).get("accept_http_10"))
            yield place["address"], int(place.get("port_value", 0)), tunnels
