"""What Mixer knows of the mesh: immutable, replaced as a whole with the configuration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from flotilla_mixer.attributes.services import ServiceIndex, services_of
from flotilla_mixer.attributes.workloads import WorkloadIndex, workload_of
from flotilla_shared.model.objects import ConfigObject


@dataclass(frozen=True, slots=True)
class MeshView:
    """Workloads and services."""

    workloads: WorkloadIndex = field(default_factory=WorkloadIndex)
    services: ServiceIndex = field(default_factory=ServiceIndex)


def mesh_view(
    workload_entries: Iterable[ConfigObject], service_entries: Iterable[ConfigObject], trust_domain: str
) -> MeshView:
    """The view that these objects give."""
    workloads = WorkloadIndex(workload_of(entry, trust_domain) for entry in workload_entries)
    services = ServiceIndex(service for entry in service_entries for service in services_of(entry))
    return MeshView(workloads, services)
