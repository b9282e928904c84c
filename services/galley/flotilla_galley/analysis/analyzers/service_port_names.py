"""Ports of Services that do not say what they speak."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import at, number, numbered, text
from flotilla_galley.analysis.kinds import SERVICES
from flotilla_galley.analysis.membership import SYSTEM_NAMESPACES, of_control_plane
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_shared.model.protocols import Protocol, protocol_of_service_port


def look(service: Resource, view: View) -> Iterator[Message]:
    if service.namespace in SYSTEM_NAMESPACES or of_control_plane(service):
        return
    external = text(service.value, "spec", "type") == "ExternalName"
    for index, port in numbered(service.value, "spec", "ports"):
        name, field, value = text(port, "name"), f"spec.ports[{index}]", number(port, "port")
        protocol = protocol_of_service_port(name, text(port, "appProtocol"), value)
        unknown = protocol is Protocol.UNSUPPORTED and text(port, "protocol") != "UDP"
        if external and (unknown or name == "tcp"):
            yield tell("ExternalNameServiceTypeInvalidPortName", service, field)
        elif unknown:
            target = at(port, "targetPort") or value
            yield tell("PortNameIsNotUnderNamingConvention", service, field, name=name, port=value, target=target)


ANALYZER = Analyzer(
    "service.PortNameAnalyzer",
    "whether the ports of Services say what they speak",
    (SERVICES,),
    {SERVICES: look},
)
