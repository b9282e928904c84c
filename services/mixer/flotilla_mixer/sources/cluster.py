"""Pods and Services of the cluster: watched, and put into the live part of the view one by one."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec.structs import replace

from flotilla_mixer.attributes.view import ClusterView
from flotilla_mixer.sources.pods import Pod, pod_workload, service_of
from flotilla_shared.runtime.conditions import watch_condition
from flotilla_shared.runtime.kube import objects as kube
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.metrics import KubeMetrics
from flotilla_shared.runtime.kube.reflector import Change, Reflector
from flotilla_shared.runtime.kube.resources import PODS, SERVICES
from flotilla_shared.runtime.lifecycle import Lifecycle, Tasks
from flotilla_shared.runtime.readiness import Readiness


class ClusterWatch:
    """Component. Fills `view`; `on_synced` is called once, when both lists have been read.

    A change touches what it is about and nothing else. While the API server is away the view stays as it was.
    """

    def __init__(
        self,
        client: KubeClient,
        *,
        trust_domain: str,
        domain: str,
        metrics: KubeMetrics,
        on_synced: Callable[[], None],
    ) -> None:
        self.view = ClusterView()
        self.pods = Reflector(
            client, PODS, Pod, on_change=self._pod_changed, prepare=_without_annotations, metrics=metrics
        )
        self.services = Reflector(client, SERVICES, kube.Service, on_change=self._service_changed, metrics=metrics)
        self._trust_domain = trust_domain
        self._domain = domain
        self._on_synced = on_synced
        self._tasks = Tasks("cluster")
        self._parts = Lifecycle()
        self._parts.add(client, "API server")
        self._parts.add(self.pods, "pods")
        self._parts.add(self.services, "services")

    @property
    def synced(self) -> bool:
        return self.pods.synced and self.services.synced

    async def start(self) -> None:
        await self._parts.start()
        self._tasks.spawn(self._tell_synced(), "synced")

    async def stop(self) -> None:
        await self._tasks.stop()
        await self._parts.stop()

    def add_conditions(self, readiness: Readiness, lifecycle: Lifecycle) -> None:
        """Conditions `pods` and `services`: met with the first whole list."""
        for name, reflector in (("pods", self.pods), ("services", self.services)):
            lifecycle.add(watch_condition(readiness.condition(name), reflector), f"{name} condition")

    async def _tell_synced(self) -> None:
        await self.pods.wait_synced()
        await self.services.wait_synced()
        self._on_synced()

    def _pod_changed(self, change: Change[Pod]) -> None:
        workload = pod_workload(change.after, self._trust_domain) if change.after is not None else None
        if workload is not None:
            self.view.workloads.put(change.key, workload, time.monotonic())
        else:
            self.view.workloads.remove(change.key, time.monotonic())

    def _service_changed(self, change: Change[kube.Service]) -> None:
        if change.after is not None:
            self.view.services.put(service_of(change.after, self._domain))
        elif change.before is not None:
            self.view.services.remove(service_of(change.before, self._domain).host)


def _without_annotations(pod: Pod) -> Pod:
    """Nothing here reads them, and injected Pods have long ones."""
    return replace(pod, metadata=replace(pod.metadata, annotations={}))
