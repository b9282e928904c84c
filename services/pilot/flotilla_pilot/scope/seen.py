"""Which ports of which services a sidecar may call: those of its ways out, and those that its routes lead to."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from flotilla_pilot.model.route_rules import RouteRules
from flotilla_pilot.model.services import Service
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import Destination

ANY_PORT = 0


class Seen:
    """Gathers the ports that are seen of `known` services; one without a port counts once it is named at all."""

    def __init__(self, known: Mapping[str, Service]) -> None:
        self._known = known
        self._ports: dict[str, set[int]] = {}

    def add(self, host: str, ports: Iterable[int]) -> None:
        """Ports of `host` are seen; ANY_PORT is all of them. A host that nobody declares is left out."""
        if host in self._known:
            self._ports.setdefault(host, set()).update(ports)

    def services(self) -> dict[str, Service]:
        """By host. What routes lead to by a port that it does not have is not among them."""
        found = {}
        for host, ports in self._ports.items():
            service = self._known[host]
            whole = ANY_PORT in ports or not service.ports
            found.update({each.host: each for each in ([service] if whole else narrowed([service], ports))})
        return found


def narrowed(services: Iterable[Service], ports: Collection[int]) -> Iterable[Service]:
    """Each of `services` with no other ports than these; those that have none of them are left out."""
    for service in services:
        kept = tuple(each for each in service.ports if each.number in ports)
        if len(kept) == len(service.ports) and kept:
            yield service
        elif kept:
            yield replace(service, ports=kept)


def destinations(rules: RouteRules) -> Iterable[Destination]:
    """Wherever the routes of `rules` lead, mirrors among them."""
    routes: tuple[Any, ...] = (*rules.spec.http, *rules.spec.tls, *rules.spec.tcp)
    for route in routes:
        yield from (target.destination for target in route.route)
    for http in rules.spec.http:
        if http.HasField("mirror"):
            yield http.mirror
        yield from (mirror.destination for mirror in http.mirrors)
