"""ServiceRoles of services that are not in their namespace."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import DOMAIN, Analyzer, View
from flotilla_galley.analysis.kinds import SERVICES
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_shared.model.hosts import resolve_short_name
from flotilla_shared.model.kinds import SERVICE_ROLES


def look(role: Resource, view: View) -> Iterator[Message]:
    own = [
        f"{each.name}.{each.namespace}.svc.{DOMAIN}" for each in view.all(SERVICES) if each.namespace == role.namespace
    ]
    for index, rule in enumerate(role.spec.rules):
        for place, written in enumerate(rule.services):
            if not _fits(written, own, role.namespace):
                field = f"spec.rules[{index}].services[{place}]"
                yield tell("ReferencedResourceNotFound", role, field, what="service", name=written)


def _fits(written: str, own: list[str], namespace: str) -> bool:
    """A star alone means all there are, even none; one at an end, or a leading dot, stands for any text."""
    if written == "*":
        return True
    if written.endswith("*"):
        return any(each.startswith(written[:-1]) for each in own)
    if written.startswith(("*", ".")):
        return any(each.endswith(written.removeprefix("*")) for each in own)
    return resolve_short_name(written, namespace, DOMAIN) in own


ANALYZER = Analyzer(
    "auth.ServiceRoleServicesAnalyzer",
    "whether the services of each ServiceRole are in its namespace",
    (SERVICE_ROLES, SERVICES),
    {SERVICE_ROLES: look},
)
