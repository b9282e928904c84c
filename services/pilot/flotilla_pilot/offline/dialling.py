"""Which address a caller dials for a name: what DNS would answer it."""

from flotilla_pilot.model.proxy import ROUTER, Proxy
from flotilla_pilot.model.registry import is_ip
from flotilla_pilot.model.services import Service
from flotilla_pilot.model.snapshot import MeshSnapshot

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
    if service.addresses:
        return service.addresses[0]
    if service.headless and service.endpoints:
        return service.endpoints[0].address
    return ELSEWHERE


def find_service(snapshot: MeshSnapshot, caller: Proxy, host: str) -> Service | None:
    """The oldest service that `host` may mean to `caller`."""
    domain = snapshot.mesh.domain
    names = (host, f"{host}.{caller.namespace}.svc.{domain}", f"{host}.svc.{domain}", f"{host}.{domain}")
    by_host = {each.host: each for each in reversed(snapshot.services)}
    return next((by_host[name] for name in names if name in by_host), None)
