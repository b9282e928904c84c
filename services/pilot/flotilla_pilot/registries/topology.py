"""Where a pod runs: region, zone and subzone."""

from collections.abc import Mapping

from flotilla_pilot.model.place import REGION, SUBZONE, ZONE, stated_locality
from flotilla_shared.runtime.kube.objects import Node, Pod

_REGION = (REGION, "failure-domain.beta.kubernetes.io/region")
_ZONE = (ZONE, "failure-domain.beta.kubernetes.io/zone")
_SUBZONE = (SUBZONE,)


def locality(pod: Pod | None, node: Node | None) -> str:
    """`region/zone/subzone` as far as it is known: what a label of the pod says (`.` for `/`), else the node's labels."""
    if pod is not None and (stated := stated_locality(pod.metadata.labels)):
        return stated
    if node is None:
        return ""
    labels = node.metadata.labels
    return "/".join(_first(labels, names) for names in (_REGION, _ZONE, _SUBZONE)).rstrip("/")


def _first(labels: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")
