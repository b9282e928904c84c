"""Pods as workloads that a ServiceEntry may select, whether a Service leads to them or not."""

from dataclasses import replace
from hashlib import blake2b

from flotilla_pilot.model.registry import is_ip
from flotilla_pilot.model.services import PODS, Endpoint
from flotilla_pilot.registries.endpoints import pod_endpoint
from flotilla_pilot.registries.objects import KubernetesObjects, Name
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.runtime.kube import objects as kube

_Made = tuple[kube.Pod, kube.Node | None, Endpoint]


class PodWorkloads:
    """The pods that take calls; one that did not change is the identical value each time. One thread at a time."""

    def __init__(self) -> None:
        self._made: dict[Name, _Made] = {}

    def convert(self, objects: KubernetesObjects) -> tuple[Endpoint, ...]:
        """In no order: most meshes never look at them."""
        made: dict[Name, _Made] = {}
        for name, pod in objects.pods.items():
            if takes_calls(pod):
                node = objects.nodes.get(("", pod.spec.node_name))
                before = self._made.get(name)
                same = before is not None and before[0] is pod and before[1] is node
                made[name] = before if same and before is not None else (pod, node, _endpoint(pod, node))
        self._made = made
        return tuple(endpoint for _, _, endpoint in made.values())


def takes_calls(pod: kube.Pod) -> bool:
    """Whether it is ready, and not about to end."""
    ready = any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions)
    return ready and pod.metadata.deletion_timestamp is None and is_ip(pod.status.pod_ip)


def _endpoint(pod: kube.Pod, node: kube.Node | None) -> Endpoint:
    found = pod_endpoint(pod.status.pod_ip, pod, node)
    version = blake2b(repr(found).encode(), digest_size=6).hexdigest()
    key = ObjectKey(PODS, pod.metadata.namespace, pod.metadata.name)
    return replace(found, references=((key, version),))
