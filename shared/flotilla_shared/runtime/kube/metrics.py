"""Metrics of what is read from the API server."""

from __future__ import annotations

from typing import Protocol

from flotilla_shared.runtime.metrics import ServiceMetrics


class ResourceMetrics(Protocol):
    """Those of one resource."""

    def listed(self, objects: int) -> None: ...

    def event(self, kind: str) -> None: ...

    def failed(self, reason: str) -> None: ...

    def synced(self, value: bool) -> None: ...


class KubeMetrics(Protocol):
    """Where a reflector counts; ApiServerMetrics, or nowhere."""

    def of(self, resource: str) -> ResourceMetrics: ...


class ApiServerMetrics:
    """Lists, events and failures by resource. One for all reflectors of a service."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        self.lists = metrics.counter("flotilla_kube_lists_total", "Whole lists read", ["resource"])
        self.events = metrics.counter("flotilla_kube_watch_events_total", "Events of watches", ["resource", "type"])
        self.failures = metrics.counter(
            "flotilla_kube_failures_total", "Lists and watches that failed", ["resource", "reason"]
        )
        self.current = metrics.gauge(
            "flotilla_kube_synced", "1 while the resource is listed and watched, or not served", ["resource"]
        )

    def of(self, resource: str) -> ResourceMetrics:
        self.current.labels(resource).set(0)
        return _Of(self, resource)


class _Of:
    def __init__(self, whole: ApiServerMetrics, resource: str) -> None:
        self._whole = whole
        self._resource = resource

    def listed(self, objects: int) -> None:
        self._whole.lists.labels(self._resource).inc()

    def event(self, kind: str) -> None:
        self._whole.events.labels(self._resource, kind).inc()

    def failed(self, reason: str) -> None:
        self._whole.failures.labels(self._resource, reason).inc()

    def synced(self, value: bool) -> None:
        self._whole.current.labels(self._resource).set(int(value))


class _Nowhere:
    def of(self, resource: str) -> ResourceMetrics:
        return self

    def listed(self, objects: int) -> None: ...

    def event(self, kind: str) -> None: ...

    def failed(self, reason: str) -> None: ...

    def synced(self, value: bool) -> None: ...


NO_METRICS: KubeMetrics = _Nowhere()
