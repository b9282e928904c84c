"""Where something runs, and the labels that say so without anybody having written them.

Istio gives every endpoint and every proxy these labels, so that subsets and `failoverPriority` may ask for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from flotilla_pilot.model.frozen import EMPTY, FrozenMap

REGION = "topology.kubernetes.io/region"
ZONE = "topology.kubernetes.io/zone"
SUBZONE = "topology.istio.io/subzone"
NETWORK = "topology.istio.io/network"
CLUSTER = "topology.istio.io/cluster"
NODE = "kubernetes.io/hostname"
TOPOLOGY = frozenset((REGION, ZONE, SUBZONE, NETWORK, CLUSTER, NODE))
LOCALITY_LABELS = ("topology.istio.io/locality", "istio-locality")
"""Labels that hold a whole locality, `.` or `/` between its parts."""

_PARTS = {REGION: 0, ZONE: 1, SUBZONE: 2}
Parts = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a proxy calls from: its locality; its node, and those of its labels, that somebody asks for.

    `network` is told where networks have gateways, and is empty for what reaches everything.
    """

    locality: str = ""
    node: str = ""
    labels: FrozenMap = EMPTY
    network: str = ""


ANYWHERE = Place()


class Located(Protocol):
    """What has a place: an endpoint."""

    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def locality(self) -> str: ...
    @property
    def network(self) -> str: ...
    @property
    def node(self) -> str: ...


@lru_cache(4096)
def parts(locality: str) -> Parts:
    """Region, zone and subzone of `region/zone/subzone`; empty where it says nothing."""
    region, zone, subzone = (*locality.split("/", 2), "", "")[:3]
    return region, zone, subzone


def label_of(item: Located, name: str, cluster: str) -> str:
    """The label `name` of `item`, which is in `cluster`, whether it was written or follows from its place.

    What follows from the place counts before what was written, but for the network. Empty where there is none.
    """
    written = item.labels.get(name, "")
    if name not in TOPOLOGY:
        return written
    if name in _PARTS:
        return parts(item.locality)[_PARTS[name]] or written
    if name == NETWORK:
        return written or item.network
    return (item.node if name == NODE else cluster) or written


def stated_locality(labels: Mapping[str, str]) -> str:
    """The locality that a label states; empty without one."""
    stated = next((labels[name] for name in LOCALITY_LABELS if labels.get(name)), "")
    return stated if "/" in stated else stated.replace(".", "/")
