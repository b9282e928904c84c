"""What runs at an address: labels, locality and identity of the pods behind Services."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flotilla_galley.transforms.kubernetes import Node, Pod
from flotilla_shared.model.spiffe import spiffe_id

# The first of each that a node has counts: 1.4 knew the older alone.
REGIONS = ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region")
ZONES = ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone")
RUNNING = ("Pending", "Running")


@dataclass(frozen=True, slots=True)
class Workload:
    """`locality` is `region/zone`, or empty; `identity` the SPIFFE id of its account."""

    labels: Mapping[str, str]
    locality: str
    identity: str


class Workloads:
    """Pods that are pending or running and have an address, by that address."""

    def __init__(self, pods: Iterable[Pod], nodes: Iterable[Node], trust_domain: str) -> None:
        self.trust_domain = trust_domain
        self._localities = {node.origin.name: locality_of(node.origin.labels) for node in nodes}
        self._pods = {pod.ip: pod for pod in pods if pod.ip and pod.phase in RUNNING}

    def behind(self, address: str) -> tuple[Pod | None, str]:
        """What `at` is made of, beside the trust domain: the pod, and its locality."""
        pod = self._pods.get(address)
        return pod, self._localities.get(pod.node, "") if pod is not None else ""

    def at(self, address: str) -> Workload | None:
        pod, locality = self.behind(address)
        if pod is None:
            return None
        identity = spiffe_id(self.trust_domain, pod.origin.namespace, pod.account or "default")
        return Workload(pod.origin.labels, locality, identity)


def locality_of(labels: Mapping[str, str]) -> str:
    """`region/zone` of a node."""
    region, zone = (next((labels[name] for name in names if name in labels), "") for names in (REGIONS, ZONES))
    return f"{region}/{zone}" if region or zone else ""
