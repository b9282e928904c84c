"""Routes that go by the claims of a JWT, where nobody verifies tokens."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.gateway_references import gateways_of
from flotilla_galley.analysis.kinds import PODS
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_galley.analysis.selectors import pods_selected
from flotilla_shared.model.kinds import GATEWAYS, MESH_CONFIG, REQUEST_AUTHENTICATIONS, VIRTUAL_SERVICES
from flotilla_shared.model.labels import selects

CLAIM = "@request.auth.claims"


def look(virtual_service: Resource, view: View) -> Iterator[Message]:
    key, field = next(_claims(virtual_service), ("", ""))
    for reference in gateways_of(virtual_service) if key else ():
        gateway = view.get(GATEWAYS, reference.namespace, reference.name)
        for pod in pods_selected(view, gateway.spec.selector) if gateway is not None else ():
            if not _verifies(pod, view):
                name, full = "JwtClaimBasedRoutingWithoutRequestAuthN", reference.full_name
                yield tell(name, virtual_service, field, key=key, gateway=full, pod=pod.name)


def _claims(virtual_service: Resource) -> Iterator[tuple[str, str]]:
    """The first such (header, field) of each match."""
    for index, route in enumerate(virtual_service.spec.http):
        for place, match in enumerate(route.match):
            for name, headers in (("headers", match.headers), ("withoutHeaders", match.without_headers)):
                for key in sorted(headers):
                    if key.startswith(CLAIM):
                        yield key, f"spec.http[{index}].match[{place}].{name}"


def _verifies(pod: Resource, view: View) -> bool:
    return any(
        selects(each.spec.selector.match_labels, pod.labels)
        for each in view.all(REQUEST_AUTHENTICATIONS)
        if each.namespace in (pod.namespace, view.root_namespace)
    )


ANALYZER = Analyzer(
    "virtualservice.JWTClaimRouteAnalyzer",
    "whether gateways verify the tokens that routes go by",
    (VIRTUAL_SERVICES, REQUEST_AUTHENTICATIONS, GATEWAYS, PODS, MESH_CONFIG),
    {VIRTUAL_SERVICES: look},
)
