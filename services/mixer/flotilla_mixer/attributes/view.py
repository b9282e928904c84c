"""What Mixer knows of the mesh: what the configuration names, and what the cluster has.

The first is immutable, and replaced as a whole with the configuration; the second changes in place (`live`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from flotilla_mixer.attributes.live import LiveServices, LiveWorkloads
from flotilla_mixer.attributes.services import Service, ServiceIndex, services_of
from flotilla_mixer.attributes.workloads import Workload, WorkloadIndex, believed, workload_of
from flotilla_mixer.authorization.engine import PolicyEngine
from flotilla_mixer.authorization.roles import RoleEngine
from flotilla_shared.model.objects import ConfigObject


@dataclass(frozen=True, slots=True)
class ClusterView:
    """Pods and Services. On one machine there are none."""

    workloads: LiveWorkloads = field(default_factory=LiveWorkloads)
    services: LiveServices = field(default_factory=LiveServices)


@dataclass(frozen=True, slots=True)
class MeshView:
    """WorkloadEntries and Pods by address, ServiceEntries and Services by host, and who may call whom. For lookups on
    the loop.
    """

    entries: WorkloadIndex = field(default_factory=WorkloadIndex)
    services: ServiceIndex = field(default_factory=ServiceIndex)
    cluster: ClusterView = field(default_factory=ClusterView)
    policies: PolicyEngine = field(default_factory=PolicyEngine)
    roles: RoleEngine = field(default_factory=RoleEngine)

    def at(self, address: str) -> tuple[Workload, ...]:
        """All that are at this address."""
        return self.entries.at(address) + self.cluster.workloads.at(address)

    def named(self, namespace: str, name: str) -> Workload | None:
        """The WorkloadEntry or Pod of this name, or None."""
        return self.entries.named(namespace, name) or self.cluster.workloads.named(namespace, name)

    def believed(self, address: str, principal: str) -> Workload | None:
        """The workload at the address that has this principal (without `spiffe://`), or None.

        Where there is none, it is the Pod that was there until a moment ago, if that is its principal.
        """
        found = believed(self.at(address), principal)
        return found or believed(self.cluster.workloads.lately_at(address), principal)

    def expected(self, address: str) -> bool:
        """Whether a caller from this address should be a workload: whether it is one's own."""
        return any(not each.facts.shared for each in self.at(address))

    def served(self, host: str, workload: Workload) -> Service | None:
        """The service of this host that selects the workload, or None. A Kubernetes Service beats an entry."""
        for services in (self.cluster.services, self.services):
            for service in services.of(host):
                if service.selects(workload):
                    return service
        return None

    def workloads(self) -> list[Workload]:
        return self.entries.all() + self.cluster.workloads.all()

    def __len__(self) -> int:
        return len(self.entries) + len(self.cluster.workloads)


def mesh_view(
    workload_entries: Iterable[ConfigObject],
    service_entries: Iterable[ConfigObject],
    trust_domain: str,
    cluster: ClusterView | None = None,
) -> MeshView:
    """The view that these objects give, beside what the cluster has."""
    entries = WorkloadIndex(workload_of(entry, trust_domain) for entry in workload_entries)
    services = ServiceIndex(service for entry in service_entries for service in services_of(entry))
    return MeshView(entries, services, cluster or ClusterView())
