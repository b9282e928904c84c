"""The services of the mesh: whom a host's name means, and which workloads a service selects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flotilla_mixer.attributes.workloads import Workload
from flotilla_shared.model.objects import ConfigObject
from flotilla_shared.model.static_attributes import service_attributes


@dataclass(frozen=True, slots=True)
class Service:
    """One host. `endpoints` are addresses that a ServiceEntry names itself, `attributes` what a call to it has of the
    service.
    """

    host: str
    namespace: str
    selector: Mapping[str, str]
    endpoints: frozenset[str]
    attributes: Mapping[str, str]

    def selects(self, workload: Workload) -> bool:
        """Whether the workload serves it: by labels in the same namespace, or by its address."""
        if not self.endpoints.isdisjoint(workload.addresses):
            return True
        return (
            bool(self.selector)
            and workload.namespace == self.namespace
            and self.selector.items() <= workload.labels.items()
        )


class ServiceIndex:
    """Services by host. Immutable. Several entries may name one host."""

    def __init__(self, services: Iterable[Service] = ()) -> None:
        self._by_host: dict[str, tuple[Service, ...]] = {}
        for service in services:
            self._by_host[service.host] = (*self._by_host.get(service.host, ()), service)

    def of(self, host: str) -> tuple[Service, ...]:
        """All that are said to be this host."""
        return self._by_host.get(host, ())


def services_of(entry: ConfigObject) -> list[Service]:
    """The services of a ServiceEntry: one for each host."""
    selector = dict(entry.spec.workload_selector.labels)
    endpoints = frozenset(endpoint.address for endpoint in entry.spec.endpoints)
    namespace = entry.key.namespace
    return [
        Service(host, namespace, selector, endpoints, service_attributes(host, namespace))
        for host in dict.fromkeys(host.lower() for host in entry.spec.hosts)
    ]


def cluster_service(name: str, namespace: str, domain: str, selector: Mapping[str, str]) -> Service:
    """A Kubernetes Service, whose host is its name in the cluster's DNS domain."""
    host = f"{name}.{namespace}.svc.{domain}"
    return Service(host, namespace, selector, frozenset(), service_attributes(host, namespace))
