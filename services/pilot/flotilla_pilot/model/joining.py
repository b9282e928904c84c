"""One host declared by several ServiceEntries of a namespace: the younger ones add their ports to the oldest's."""

from collections.abc import Iterable
from dataclasses import replace

from flotilla_pilot.model.services import Endpoint, Service


def join_declared(services: Iterable[Service]) -> tuple[Service, ...]:
    """`services` (oldest first), those that agree joined into the oldest of them.

    They agree by host, namespace, resolution, location, whom they are exported to and which workloads they select.
    What does not agree stays as it is, and another rule chooses between them.
    """
    alike: dict[object, list[Service]] = {}
    for each in services:
        alike.setdefault(_terms(each), []).append(each)
    return tuple(found[0] if len(found) == 1 else _join(found) for found in alike.values())


def _terms(service: Service) -> tuple[object, ...]:
    selector = tuple(sorted(service.source.spec.workload_selector.labels.items()))
    place = service.host, service.namespace, service.resolution, service.external
    return *place, frozenset(service.export_to), selector


def _join(services: list[Service]) -> Service:
    """A port number is the oldest's that has it. Of the addresses, only the oldest's count."""
    first, *others = services
    ports = {port.number: port for service in reversed(services) for port in service.ports}
    return replace(
        first,
        ports=tuple(ports[number] for number in _numbers(services)),
        endpoints=tuple(dict.fromkeys(end for service in services for end in _own_ports_only(service))),
        joined=tuple(each.source for each in others),
    )


def _numbers(services: Iterable[Service]) -> Iterable[int]:
    return dict.fromkeys(port.number for service in services for port in service.ports)


def _own_ports_only(service: Service) -> Iterable[Endpoint]:
    """An endpoint serves the ports of the ServiceEntry that names it, under their names."""
    for each in service.endpoints:
        ports = tuple(sorted((port.name, each.port_for(port)) for port in service.ports))
        yield replace(each, ports=ports, stated_ports_only=True)
