"""Services that do not agree on a port of the same pods."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import at, number, numbered, pairs, text
from flotilla_galley.analysis.kinds import DEPLOYMENTS, NAMESPACES, SERVICES
from flotilla_galley.analysis.membership import deployment_in_mesh
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_galley.analysis.selectors import services_of
from flotilla_shared.model.labels import selects

_MANAGED = "gateway.istio.io/managed"
_WAYPOINT = "istio.io-mesh-controller"


@dataclass(frozen=True, slots=True)
class _Port:
    service: str
    port: int
    target: str
    protocol: str


def look(deployment: Resource, view: View) -> Iterator[Message]:
    if deployment.labels.get(_MANAGED) == _WAYPOINT or not deployment_in_mesh(deployment, view):
        return
    ports = list(_ports(deployment, view))
    for number_, same in _grouped({each: each.port for each in ports}).items():
        if len({each.protocol for each in same}) > 1:
            services = _services(same)
            name = "DeploymentAssociatedToMultipleServices"
            yield tell(name, deployment, "metadata.name", deployment=deployment.name, port=number_, services=services)
    for target, same in _grouped({each: each.target for each in ports}).items():
        if len({each.port for each in same}) > 1:
            yield _conflict(deployment, str(target), same)


def _conflict(deployment: Resource, target: str, same: list[_Port]) -> Message:
    return tell(
        "DeploymentConflictingPorts",
        deployment,
        "metadata.name",
        deployment=deployment.name,
        services=_services(same),
        target=target,
        ports=", ".join(map(str, sorted({each.port for each in same}))),
    )


def _ports(deployment: Resource, view: View) -> Iterator[_Port]:
    """The ports of all Services that select its pods."""
    labels = pairs(deployment.value, "spec", "template", "metadata", "labels")
    for service in services_of(view, deployment.namespace):
        selector = pairs(service.value, "spec", "selector")
        if selector and selects(selector, labels):
            for _, port in numbered(service.value, "spec", "ports"):
                value, protocol = number(port, "port"), text(port, "protocol") or "TCP"
                yield _Port(service.full_name, value, str(at(port, "targetPort") or value), protocol)


def _grouped(keys: dict[_Port, int] | dict[_Port, str]) -> dict[int | str, list[_Port]]:
    found: dict[int | str, list[_Port]] = defaultdict(list)
    for port, key in keys.items():
        found[key].append(port)
    return found


def _services(ports: list[_Port]) -> str:
    return ", ".join(sorted({each.service for each in ports}))


ANALYZER = Analyzer(
    "deployment.MultiServiceAnalyzer",
    "whether the Services of a Deployment agree on its ports",
    (DEPLOYMENTS, NAMESPACES, SERVICES),
    {DEPLOYMENTS: look},
)
