"""Destinations of VirtualServices: is there such a host, and such a port."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.destinations import NamedDestination, destinations
from flotilla_galley.analysis.gateway_references import gateways_of
from flotilla_galley.analysis.known_hosts import READS, KnownHost, find_hosts
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_shared.model.kinds import VIRTUAL_SERVICES


def look(virtual_service: Resource, view: View) -> Iterator[Message]:
    """The destinations themselves, as in 1.4."""
    exports = virtual_service.spec.export_to
    for named in destinations(virtual_service.spec):
        found = find_hosts(view, named.destination.host, virtual_service.namespace, exports)
        if found:
            yield from _ports(virtual_service, named, found[0])
        else:
            what = "mirror host" if named.mirror else "host"
            field = f"{named.field}.host"
            yield tell("ReferencedResourceNotFound", virtual_service, field, what=what, name=named.destination.host)


def _ports(virtual_service: Resource, named: NamedDestination, known: KnownHost) -> Iterator[Message]:
    destination = named.destination
    if destination.HasField("port"):
        if destination.port.number not in known.ports:
            name, field = f"{destination.host}:{destination.port.number}", f"{named.field}.port"
            yield tell("ReferencedResourceNotFound", virtual_service, field, what="host:port", name=name)
    elif len(known.ports) > 1:
        ports, name = ", ".join(map(str, known.ports)), "VirtualServiceDestinationPortSelectorRequired"
        yield tell(name, virtual_service, f"{named.field}.host", host=destination.host, ports=ports)


def unaffected(virtual_service: Resource, view: View) -> Iterator[Message]:
    """Routes of a gateway to a host for which another VirtualService names subsets: those do not count there."""
    if not any(gateways_of(virtual_service)):
        return
    for index, route in enumerate(virtual_service.spec.http):
        for place, target in enumerate(route.route):
            if not target.destination.subset:
                field = f"spec.http[{index}].route[{place}].destination.host"
                for other in view.once(_choosers).get(target.destination.host, ()):
                    if other is not virtual_service:
                        yield _unaffected(virtual_service, field, other, target.destination.host)


def _unaffected(virtual_service: Resource, field: str, other: Resource, host: str) -> Message:
    return tell("IngressRouteRulesNotAffected", virtual_service, field, host=host, other=other.full_name)


def _choosers(view: View) -> dict[str, list[Resource]]:
    """Host -> the VirtualServices of that host that choose among its subsets."""
    found: dict[str, list[Resource]] = defaultdict(list)
    for each in view.all(VIRTUAL_SERVICES):
        chosen = {
            target.destination.host for route in each.spec.http for target in route.route if target.destination.subset
        }
        for host in sorted(chosen & set(each.spec.hosts)):
            found[host].append(each)
    return found


def today(virtual_service: Resource, view: View) -> Iterator[Message]:
    yield from look(virtual_service, view)
    yield from unaffected(virtual_service, view)


_NAME = "virtualservice.DestinationHostAnalyzer"
_ABOUT = "whether each destination of a VirtualService is there"
_READS = (VIRTUAL_SERVICES, *READS)
ANALYZER = Analyzer(_NAME, _ABOUT, _READS, {VIRTUAL_SERVICES: today})
ANALYZER_OF_1_4 = Analyzer(_NAME, _ABOUT, _READS, {VIRTUAL_SERVICES: look})
