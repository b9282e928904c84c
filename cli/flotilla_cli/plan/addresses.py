"""Every (address, port) on which something of the mesh will listen, read off its configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flotilla_cli.plan.objects import ConfigDocuments

SERVICE_PORTS = {
    "citadel": (8060, 9876, 15014),
    "galley": (9901, 9876, 15014),
    "pilot": (15012, 8080, 9876, 15014),
    "mixer": (15004, 42422, 9876, 15014),
}
ENVOY_ADMIN_PORT = 15000
ENVOY_PORTS = (ENVOY_ADMIN_PORT, 15020, 15090)


@dataclass(frozen=True, order=True)
class Listener:
    """`owner` is the part of the mesh that needs it, for people."""

    address: str
    port: int
    owner: str


def service_listeners(addresses: Mapping[str, str]) -> Iterator[Listener]:
    for service, address in addresses.items():
        for port in SERVICE_PORTS[service]:
            yield Listener(address, port, service)


def envoy_listeners(workload: str, address: str) -> Iterator[Listener]:
    for port in ENVOY_PORTS:
        yield Listener(address, port, f"the Envoy of {workload}")


def configured_listeners(documents: ConfigDocuments) -> Iterator[Listener]:
    """What Sidecars and Gateways bind; a catch-all egress binds every service port of the mesh."""
    service_ports = sorted(_service_ports(documents))
    for sidecar in documents.of_kind("Sidecar"):
        owner = f"Sidecar {sidecar.namespace}/{sidecar.name}"
        yield from _bound(sidecar.spec.get("ingress"), owner, ())
        yield from _bound(sidecar.spec.get("egress"), owner, service_ports)
    for gateway in documents.of_kind("Gateway"):
        yield from _bound(gateway.spec.get("servers"), f"Gateway {gateway.namespace}/{gateway.name}", ())


def application_listeners(documents: ConfigDocuments, workloads: Mapping[str, Any]) -> Iterator[Listener]:
    """Where the applications themselves listen: the port of each Sidecar's default endpoint.

    `workloads` maps a workload's name to its application address; a Sidecar belongs to the one of its name.
    """
    for sidecar in documents.of_kind("Sidecar"):
        address = workloads.get(sidecar.name)
        for ingress in _items(sidecar.spec.get("ingress")):
            host, _, port = str(ingress.get("defaultEndpoint", "")).rpartition(":")
            if address and host == "0.0.0.0" and port.isdigit():  # noqa: S104 (compared, not bound)
                yield Listener(address, int(port), f"the application of {sidecar.name}")


def _service_ports(documents: ConfigDocuments) -> set[int]:
    ports = (_number(port) for entry in documents.of_kind("ServiceEntry") for port in _items(entry.spec.get("ports")))
    return {port for port in ports if port}


def _bound(servers: object, owner: str, default_ports: Iterable[int]) -> Iterator[Listener]:
    for server in _items(servers):
        bind, port = server.get("bind"), server.get("port")
        if not isinstance(bind, str) or not bind:
            continue
        for number in [_number(port)] if isinstance(port, dict) else default_ports:
            if number:
                yield Listener(bind, number, owner)


def _items(value: object) -> Iterator[Mapping[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def _number(port: object) -> int:
    number = port.get("number") if isinstance(port, dict) else None
    return number if isinstance(number, int) else 0
