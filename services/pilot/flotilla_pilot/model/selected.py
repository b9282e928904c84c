"""Workloads that services select: WorkloadEntries, and the pods that the platform tells of."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from flotilla_pilot.model.registry import WorkloadIndex, is_ip
from flotilla_pilot.model.services import PODS, Endpoint, Service


class Native(NamedTuple):
    """What the platform tells of by itself: its services, and its workloads, whatever leads to them."""

    services: Sequence[Service] = ()
    workloads: Sequence[Endpoint] = ()


def with_entries(services: Iterable[Service], entries: WorkloadIndex) -> tuple[Service, ...]:
    """The platform's services with the WorkloadEntries of their namespace that they select; the others as they are.

    A WorkloadEntry's port is that of the service's port by name, else the target port.
    """
    return tuple(_with(each, entries.select(each.namespace, each.selector)) for each in services)


def _with(service: Service, found: Sequence[Endpoint]) -> Service:
    """Endpoints of EDS are addresses: one that is a name is nobody's."""
    held = {each.address for each in service.endpoints}
    added = tuple(each for each in found if is_ip(each.address) and each.address not in held)
    return replace(service, endpoints=(*service.endpoints, *added)) if added else service


def selects_pods(service: Service) -> bool:
    """Whether pods are among the endpoints of a service that configuration declares."""
    return any(key.collection == PODS for each in service.endpoints for key, _ in each.references)
