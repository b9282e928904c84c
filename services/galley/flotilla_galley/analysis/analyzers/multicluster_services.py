"""Services that are not the same in all clusters of the mesh."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import at, mappings, text
from flotilla_galley.analysis.kinds import SERVICES
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource, ResourceKey

LOCAL = "this one"
_PORT_FIELDS = ("name", "port", "protocol", "targetPort", "appProtocol")
ByCluster = dict[str, Resource]


def whole(view: View) -> Iterator[Message]:
    """Told of the Service of this cluster, or else of the first one. Without other clusters there is nothing to say."""
    for key, services in sorted(_services(view).items()):
        first = next(iter(services.values()))
        different = {cluster: list(_differences(first, each)) for cluster, each in services.items()}
        reasons = sorted({reason for found in different.values() for reason in found})
        if reasons:
            clusters = ", ".join([next(iter(services)), *(name for name, found in different.items() if found)])
            yield _told(first, key, clusters, "; ".join(reasons))


def _told(service: Resource, key: ResourceKey, clusters: str, differences: str) -> Message:
    return tell(
        "MultiClusterInconsistentService",
        service,
        "spec",
        service=key.name,
        namespace=key.namespace,
        clusters=clusters,
        differences=differences,
    )


def _services(view: View) -> dict[ResourceKey, ByCluster]:
    remote = view.remote(SERVICES)
    found: dict[ResourceKey, ByCluster] = {}
    for cluster, services in ((LOCAL, view.all(SERVICES)), *remote.items()) if remote else ():
        for each in services:
            found.setdefault(each.key, {})[cluster] = each
    return found


def _differences(one: Resource, other: Resource) -> Iterator[str]:
    if _headless(one) != _headless(other):
        yield "it is headless in some clusters alone"
    if _type(one) != _type(other):
        yield "its type differs"
    if _ports(one) != _ports(other):
        yield "its ports differ"


def _headless(service: Resource) -> bool:
    return text(service.value, "spec", "clusterIP") == "None"


def _type(service: Resource) -> str:
    return text(service.value, "spec", "type") or "ClusterIP"


def _ports(service: Resource) -> list[tuple[str, ...]]:
    """The ports of nodes are given by each cluster, and do not count."""
    ports = mappings(service.value, "spec", "ports")
    return sorted(tuple(_shown(port, name) for name in _PORT_FIELDS) for port in ports)


def _shown(port: Any, name: str) -> str:
    value = at(port, name)
    if value is None and name == "targetPort":
        value = at(port, "port")
    return str(value or ("TCP" if name == "protocol" else ""))


ANALYZER = Analyzer(
    "services.MultiClusterServiceAnalyzer",
    "whether Services are the same in all clusters (--remote-contexts)",
    (SERVICES,),
    whole=whole,
)
