"""Fields that Istio 1.4 was to lose."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import at, numbered
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_shared.model.kinds import ENVOY_FILTERS, SERVICE_ROLE_BINDINGS, VIRTUAL_SERVICES

# Field of an http route -> what to write instead.
_ROUTE_FIELDS = {
    "appendHeaders": "headers.request.add",
    "appendRequestHeaders": "headers.request.add",
    "removeRequestHeaders": "headers.request.remove",
    "appendResponseHeaders": "headers.response.add",
    "removeResponseHeaders": "headers.response.remove",
    "websocketUpgrade": "nothing, for upgrades are possible everywhere",
}
_FILTER_FIELDS = {"workloadLabels": "workloadSelector", "filters": "configPatches"}


def virtual_service(resource: Resource, view: View) -> Iterator[Message]:
    for index, route in numbered(resource.written_spec, "http"):
        for name, instead in _ROUTE_FIELDS.items():
            if route.get(name):
                yield _replaced(resource, f"spec.http[{index}].{name}", instead)
        if at(route, "fault", "delay", "percent"):
            yield _replaced(resource, f"spec.http[{index}].fault.delay.percent", "fault.delay.percentage")


def envoy_filter(resource: Resource, view: View) -> Iterator[Message]:
    for name, instead in _FILTER_FIELDS.items():
        if resource.written_spec.get(name):
            yield _replaced(resource, f"spec.{name}", instead)


def binding(resource: Resource, view: View) -> Iterator[Message]:
    for index, subject in numbered(resource.written_spec, "subjects"):
        if subject.get("group"):
            yield _replaced(resource, f"spec.subjects[{index}].group", "groups")


def _replaced(resource: Resource, field: str, instead: str) -> Message:
    return tell("Deprecated", resource, field, detail=f"{field}; write {instead}")


ANALYZER = Analyzer(
    "deprecation.DeprecationAnalyzer",
    "whether fields are used that are on their way out",
    (VIRTUAL_SERVICES, ENVOY_FILTERS, SERVICE_ROLE_BINDINGS),
    {VIRTUAL_SERVICES: virtual_service, ENVOY_FILTERS: envoy_filter, SERVICE_ROLE_BINDINGS: binding},
)
