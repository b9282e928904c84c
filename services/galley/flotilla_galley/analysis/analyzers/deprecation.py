"""Fields and definitions that are on their way out, in today's Istio."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import at as field_at
from flotilla_galley.analysis.fields import numbered, text
from flotilla_galley.analysis.kinds import CRDS
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_shared.model.kinds import SIDECARS, VIRTUAL_SERVICES

_REMOVED = frozenset({"ClusterRbacConfig", "RbacConfig", "ServiceRole", "ServiceRoleBinding"})


def virtual_service(resource: Resource, view: View) -> Iterator[Message]:
    for index, route in numbered(resource.written_spec, "http"):
        if field_at(route, "fault", "delay", "percent"):
            detail = "fault.delay.percent of an http route; write fault.delay.percentage"
            yield tell("Deprecated", resource, f"spec.http[{index}].fault.delay.percent", detail=detail)


def sidecar(resource: Resource, view: View) -> Iterator[Message]:
    if field_at(resource.written_spec, "outboundTrafficPolicy", "egressProxy") is not None:
        detail = "outboundTrafficPolicy.egressProxy is ignored; remove it"
        yield tell("Deprecated", resource, "spec.outboundTrafficPolicy.egressProxy", detail=detail)


def definition(resource: Resource, view: View) -> Iterator[Message]:
    kind = text(resource.value, "spec", "names", "kind")
    if text(resource.value, "spec", "group") == "rbac.istio.io" and kind in _REMOVED:
        detail = f"kind {kind} of rbac.istio.io is removed from Istio; write AuthorizationPolicies"
        yield tell("Deprecated", resource, "spec.names.kind", detail=detail)


ANALYZER = Analyzer(
    "deprecation.DeprecationAnalyzer",
    "whether fields and kinds are used that are on their way out",
    (VIRTUAL_SERVICES, SIDECARS, CRDS),
    {VIRTUAL_SERVICES: virtual_service, SIDECARS: sidecar, CRDS: definition},
)
