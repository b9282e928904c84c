"""From EndpointSlices and Pods to the endpoints of a service."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b

from flotilla_pilot.model.frozen import EMPTY, FrozenMap
from flotilla_pilot.model.place import NETWORK
from flotilla_pilot.model.registry import TLS_MODE_LABEL, is_ip
from flotilla_pilot.model.services import ENDPOINT_SLICES, TLS_DISABLED, TLS_ISTIO, Endpoint, Health
from flotilla_pilot.registries.objects import Name
from flotilla_pilot.registries.topology import locality
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.model.owners import Owner, workload_owner
from flotilla_shared.runtime.kube import objects as kube

_DEFAULT_ACCOUNT = "default"


@dataclass(frozen=True, slots=True)
class SliceEndpoints:
    """The endpoints of one EndpointSlice: those that take calls, and those that are there without.

    `waiting` counts endpoints whose pod is not known yet: whether they speak mutual TLS, and as whom, is in the pod.
    """

    ready: tuple[Endpoint, ...]
    unready: tuple[Endpoint, ...]
    waiting: int


def slice_endpoints(
    each: kube.EndpointSlice, pods: Mapping[Name, kube.Pod], nodes: Mapping[Name, kube.Node], *, not_ready_too: bool
) -> SliceEndpoints:
    """The endpoints of a slice. `not_ready_too`: the service publishes addresses of pods that are not ready.

    One that is about to end takes no new calls: proxies let those that go on come to their end.
    """
    ports = tuple(sorted((port.name or "", port.port or 0) for port in each.ports or () if _is_tcp(port)))
    ready: list[Endpoint] = []
    unready: list[Endpoint] = []
    waiting = 0
    for item in each.endpoints or ():
        pod = _pod(item, pods)
        if not item.addresses or not is_ip(item.addresses[0]):
            continue
        if pod is None and item.target_ref is not None and item.target_ref.kind == "Pod":
            waiting += 1
            continue
        node = nodes.get(("", item.node_name or ""))
        found = _endpoint(item, pod, node, ports, each.metadata.namespace)
        found = replace(found, health=_health(item.conditions, not_ready_too))
        (ready if found.health is Health.HEALTHY else unready).append(found)
    version = _version(ready, unready)
    key = ObjectKey(ENDPOINT_SLICES, each.metadata.namespace, each.metadata.name)
    return SliceEndpoints(_referring(ready, key, version), _referring(unready, key, version), waiting)


def _is_tcp(port: kube.EndpointPort) -> bool:
    return (port.protocol or "TCP") == "TCP"


def _pod(item: kube.Endpoint, pods: Mapping[Name, kube.Pod]) -> kube.Pod | None:
    target = item.target_ref
    return pods.get((target.namespace, target.name)) if target is not None and target.kind == "Pod" else None


def _health(conditions: kube.EndpointConditions, not_ready_too: bool) -> Health:
    """Unknown readiness is readiness (EndpointSlice's own rule)."""
    if not_ready_too:
        return Health.HEALTHY
    if conditions.terminating:
        return Health.TERMINATING
    return Health.UNHEALTHY if conditions.ready is False else Health.HEALTHY


def _endpoint(
    item: kube.Endpoint,
    pod: kube.Pod | None,
    node: kube.Node | None,
    ports: tuple[tuple[str, int], ...],
    namespace: str,
) -> Endpoint:
    address = item.addresses[0]
    if pod is None:
        return Endpoint(
            address,
            namespace=namespace,
            ports=ports,
            locality=locality(None, node),
            node=item.node_name or "",
            stated_ports_only=True,
        )
    found = pod_endpoint(address, pod, node)
    return replace(found, ports=ports, node=item.node_name or "", stated_ports_only=True)


def pod_endpoint(address: str, pod: kube.Pod, node: kube.Node | None) -> Endpoint:
    """The pod as it is at `address`, whatever leads to it."""
    labels = pod.metadata.labels
    return Endpoint(
        address=address,
        name=_workload(pod),
        namespace=pod.metadata.namespace,
        labels=FrozenMap(labels) if labels else EMPTY,
        service_account=pod.spec.service_account_name or _DEFAULT_ACCOUNT,
        tls_mode=TLS_ISTIO if labels.get(TLS_MODE_LABEL) == TLS_ISTIO else TLS_DISABLED,
        network=labels.get(NETWORK, ""),
        locality=locality(pod, node),
        node=pod.spec.node_name,
    )


def _workload(pod: kube.Pod) -> str:
    owner = next((each for each in pod.metadata.owner_references if each.controller), None)
    controller = Owner(owner.api_version, owner.kind, owner.name) if owner is not None else None
    return workload_owner(pod.metadata.name, pod.metadata.labels, controller).name


def _version(ready: Iterable[Endpoint], unready: Iterable[Endpoint]) -> str:
    return blake2b(repr((tuple(ready), tuple(unready))).encode(), digest_size=6).hexdigest()


def _referring(found: Iterable[Endpoint], key: ObjectKey, version: str) -> tuple[Endpoint, ...]:
    """Each with the slice that it is from, at the version of what was made of it."""
    return tuple(replace(each, references=((key, version),)) for each in found)
