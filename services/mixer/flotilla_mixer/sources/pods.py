"""From a Pod or a Service, as the API server has it, to what Mixer looks up."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from flotilla_mixer.attributes.services import Service, cluster_service
from flotilla_mixer.attributes.workloads import DEFAULT_ACCOUNT, Workload, WorkloadFacts
from flotilla_shared.model.owners import Owner, workload_owner
from flotilla_shared.runtime.kube import objects as kube


class PodSpec(kube.KubeStruct, frozen=True):
    service_account_name: str = ""
    host_network: bool = False
    containers: tuple[kube.Container, ...] = ()


class PodStatus(kube.KubeStruct, frozen=True):
    phase: str = ""
    host_ip: str = msgspec.field(default="", name="hostIP")
    pod_ip: str = msgspec.field(default="", name="podIP")
    pod_ips: tuple[kube.PodIP, ...] = msgspec.field(default=(), name="podIPs")


class Pod(kube.KubeStruct, frozen=True):
    """What is read of a Pod, and no more: there may be many thousands."""

    metadata: kube.ObjectMeta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


# Its containers have ended, and the cluster gives its address to the next Pod.
ENDED = ("Succeeded", "Failed")


def pod_workload(pod: Pod, trust_domain: str) -> Workload | None:
    """The workload of a Pod, or None for one that has ended. One that has no address yet is at none."""
    if pod.status.phase in ENDED:
        return None
    meta, spec = pod.metadata, pod.spec
    owner = workload_owner(meta.name, meta.labels, _controller(meta))
    facts = WorkloadFacts(
        name=meta.name,
        namespace=meta.namespace,
        addresses=_addresses(pod.status),
        account=spec.service_account_name or DEFAULT_ACCOUNT,
        labels=meta.labels,
        owner=owner.uri(meta.namespace),
        workload=owner.name,
        containers=_containers(spec),
        since=None if spec.host_network else _created(meta),
        shared=spec.host_network,
        host=pod.status.host_ip,
    )
    return Workload(facts, trust_domain)


def service_of(service: kube.Service, domain: str) -> Service:
    """A Service of the cluster. One without a selector selects nobody."""
    return cluster_service(service.metadata.name, service.metadata.namespace, domain, service.spec.selector)


def _controller(meta: kube.ObjectMeta) -> Owner | None:
    for each in meta.owner_references:
        if each.controller:
            return Owner(each.api_version, each.kind, each.name)
    return None


def _addresses(status: PodStatus) -> tuple[str, ...]:
    """Each address once; the first is the one that older clusters tell alone."""
    found = dict.fromkeys((status.pod_ip, *(each.ip for each in status.pod_ips)))
    return tuple(address for address in found if address)


def _containers(spec: PodSpec) -> Mapping[int, str]:
    """Which container a call to a port is for: the first that declares it, as 1.4's kubernetesenv has it."""
    found: dict[int, str] = {}
    for container in spec.containers:
        for port in container.ports:
            found.setdefault(port.container_port, container.name)
    return found


def _created(meta: kube.ObjectMeta) -> float:
    return meta.creation_timestamp.timestamp() if meta.creation_timestamp else 0.0
