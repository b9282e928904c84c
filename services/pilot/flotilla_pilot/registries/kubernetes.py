"""Services and Ingresses of a Kubernetes cluster, by watching it."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flotilla_pilot.compile.containment import Parts
from flotilla_pilot.ingress.configuration import with_ingresses
from flotilla_pilot.model.snapshot import MeshSettings, Objects
from flotilla_pilot.model.traffic_distribution import ANNOTATION
from flotilla_pilot.registries.conversion import Cluster, ServiceConversion, distributions
from flotilla_pilot.registries.objects import KubernetesObjects
from flotilla_pilot.registries.workloads import takes_calls
from flotilla_shared.runtime.kube import objects as kube
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.metrics import NO_METRICS, KubeMetrics
from flotilla_shared.runtime.kube.reflector import Change, Reflector
from flotilla_shared.runtime.kube.resources import (
    ENDPOINT_SLICES,
    INGRESS_CLASSES,
    INGRESSES,
    NAMESPACES,
    NODES,
    PODS,
    SERVICES,
)
from flotilla_shared.runtime.lifecycle import Tasks


class KubernetesRegistry:
    """Component. Watches Services, EndpointSlices, Pods, Nodes, Namespaces, Ingresses and IngressClasses.

    `on_change` is called, on the loop, when something changed that services or routes are made from; what else changes
    in the others, which is much, is not heard of. The client is started and stopped with it.
    """

    def __init__(
        self,
        client: KubeClient,
        cluster: Cluster,
        on_change: Callable[[], None],
        metrics: KubeMetrics = NO_METRICS,
    ) -> None:
        self._client = client
        self._on_change = on_change
        self._domain = cluster.domain
        self._conversion = ServiceConversion(cluster)
        watch = partial(Reflector, client, metrics=metrics)
        self._services = watch(SERVICES, kube.Service, on_change=partial(self._heard, _all))
        self._slices = watch(ENDPOINT_SLICES, kube.EndpointSlice, on_change=partial(self._heard, _all))
        self._pods = watch(PODS, kube.Pod, on_change=partial(self._heard, _of_pod), prepare=_lean_pod)
        self._tasks = Tasks("kubernetes-registry")
        self._nodes = watch(NODES, kube.Node, on_change=partial(self._heard, _labels), metadata_only=True)
        self._namespaces = watch(
            NAMESPACES, kube.Namespace, on_change=partial(self._heard, _distribution), metadata_only=True
        )
        self._ingresses = watch(INGRESSES, kube.Ingress, on_change=partial(self._heard, _stated))
        self._classes = watch(INGRESS_CLASSES, kube.IngressClass, on_change=partial(self._heard, _stated))

    async def start(self) -> None:
        await self._client.start()
        for each in self._reflectors:
            await each.start()
        self._tasks.spawn(self._tell_when_synced(), "synced")

    async def stop(self) -> None:
        await self._tasks.stop()
        for each in reversed(self._reflectors):
            await each.stop()
        await self._client.stop()

    @property
    def missing(self) -> tuple[str, ...]:
        """What has not been read yet, each with the reason; empty when all has been, for ever."""
        return tuple(f"{each.resource}: {each.state}" for each in self._reflectors if not each.synced)

    @property
    def waiting(self) -> int:
        """Endpoints that are left out, as their pods are not known yet."""
        return self._conversion.waiting

    def look(self) -> Callable[[Objects, MeshSettings], Parts]:
        """What is there now, to be added to configuration by calling the result: on one thread, which need not be this."""
        held = KubernetesObjects(
            self._services.objects,
            self._slices.objects,
            self._pods.objects,
            self._nodes.objects,
            self._namespaces.objects,
            self._ingresses.objects,
            self._classes.objects,
        )
        return partial(native_parts, held, self._conversion, self._domain)

    @property
    def _reflectors(self) -> tuple[Reflector[Any], ...]:
        return self._services, self._slices, self._pods, self._nodes, self._namespaces, self._ingresses, self._classes

    async def wait_synced(self) -> None:
        """Until all has been read once."""
        for each in self._reflectors:
            await each.wait_synced()

    async def _tell_when_synced(self) -> None:
        """The last of the lists may have been empty, and so have changed nothing."""
        await self.wait_synced()
        self._on_change()

    def _heard(self, of: Callable[[Any], object], change: Change[Any]) -> None:
        if _seen(of, change.before) != _seen(of, change.after):
            self._on_change()


def native_parts(
    held: KubernetesObjects, conversion: ServiceConversion, domain: str, objects: Objects, settings: MeshSettings
) -> Parts:
    """Configuration with what a cluster tells beside it: its services, and what stands for its Ingresses."""
    services = conversion.convert(held)
    configured, told = with_ingresses(objects, services, held.ingresses.values(), held.ingress_classes, domain)
    preferred = distributions(held.namespaces.values())
    return Parts(configured, settings, services, told, preferred, conversion.workloads(held))


def _seen(of: Callable[[Any], object], item: Any) -> object:
    return None if item is None else of(item)


def _all(item: Any) -> object:
    return item


def _stated(item: kube.Ingress | kube.IngressClass) -> object:
    """All but the status, which others write."""
    return item.spec, item.metadata.annotations


def _of_pod(pod: kube.Pod) -> object:
    meta, spec = pod.metadata, pod.spec
    called = pod.status.pod_ip, takes_calls(pod)
    return meta.labels, meta.owner_references, spec.service_account_name, spec.node_name, called


def _labels(node: kube.Node) -> object:
    return node.metadata.labels


def _distribution(namespace: kube.Namespace) -> object:
    return namespace.metadata.annotations.get(ANNOTATION)


_READY = (kube.StateCondition("Ready", "True"),)


def _lean_pod(pod: kube.Pod) -> kube.Pod:
    """A pod without what is not read: a cluster has many."""
    meta = pod.metadata
    return kube.Pod(
        metadata=kube.ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            uid=meta.uid,
            resource_version=meta.resource_version,
            labels=meta.labels,
            owner_references=meta.owner_references,
            deletion_timestamp=meta.deletion_timestamp,
        ),
        spec=kube.PodSpec(service_account_name=pod.spec.service_account_name, node_name=pod.spec.node_name),
        status=kube.PodStatus(pod_ip=pod.status.pod_ip, conditions=_READY if takes_calls(pod) else ()),
    )
