"""Metrics of what came in, under Istio's names (pilot.md 1.4)."""

from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_shared.model import kinds
from flotilla_shared.runtime.metrics import ServiceMetrics


class SourceMetrics:
    """Inventory and updates."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        self.updates = metrics.counter("pilot_inbound_updates", "Updates of configuration received", ["type"])
        self.galley_connected = metrics.gauge(
            "pilot_configuration_source_connected", "1 while the stream to Galley is open"
        )
        self.endpoints_without_pod = metrics.gauge(
            "endpoint_no_pod", "Endpoints left out, as their pods are not known yet"
        )
        self._services = metrics.gauge("pilot_services", "Services known")
        self._virtual_services = metrics.gauge("pilot_virt_services", "VirtualServices known")
        self._problems = metrics.gauge(
            "pilot_configuration_problems", "Problems that only the whole mesh shows", ["severity"]
        )

    def publish(self, snapshot: MeshSnapshot) -> None:
        """Count what a new snapshot holds."""
        self._services.set(len(snapshot.services))
        self._virtual_services.set(sum(1 for key in snapshot.objects if key.collection == kinds.VIRTUAL_SERVICES))
        for severity in ("error", "warning"):
            found = [each for problems in snapshot.problems.values() for each in problems]
            self._problems.labels(severity).set(sum(1 for each in found if each.severity == severity))
