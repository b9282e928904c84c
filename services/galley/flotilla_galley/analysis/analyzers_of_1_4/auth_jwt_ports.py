"""Policies that ask for a JWT on ports whose name says no HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import at, number, numbered, text
from flotilla_galley.analysis.kinds import SERVICES
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_shared.model.hosts import short_names
from flotilla_shared.model.kinds import POLICIES
from flotilla_shared.model.protocols import protocol_of_port_name


def look(policy: Resource, view: View) -> Iterator[Message]:
    """Told of the policy, once for each such port of the services that it targets."""
    if not any(origin.HasField("jwt") for origin in policy.spec.origins):
        return
    for target in policy.spec.targets:
        service = view.get(SERVICES, *_place(target.name, policy.namespace))
        for port in _ports(service, target.ports) if service is not None else ():
            yield tell("JwtFailureDueToInvalidServicePortPrefix", policy, "spec.targets", **_shown(port))


def _place(name: str, namespace: str) -> tuple[str, str]:
    """(namespace, name) of a service by its short or full name."""
    short = short_names(name)
    if short:
        name, _, namespace = short[1].partition(".")
    return namespace, name


def _ports(service: Resource, wanted: Any) -> Iterator[Mapping[str, Any]]:
    """The ports that are meant (all, where none is named) and whose calls are not known to be HTTP."""
    numbers = {each.number for each in wanted if each.number}
    names = {each.name for each in wanted if each.name}
    for _, port in numbered(service.value, "spec", "ports"):
        meant = not (numbers or names) or number(port, "port") in numbers or text(port, "name") in names
        if meant and not protocol_of_port_name(text(port, "name")).is_http:
            yield port


def _shown(port: Mapping[str, Any]) -> dict[str, str]:
    protocol, target = text(port, "protocol") or "TCP", at(port, "targetPort") or number(port, "port")
    return {"port": str(number(port, "port")), "name": text(port, "name"), "protocol": protocol, "target": str(target)}


ANALYZER = Analyzer(
    "auth.JwtAnalyzer",
    "whether JWTs are asked for on ports of HTTP",
    (POLICIES, SERVICES),
    {POLICIES: look},
)
