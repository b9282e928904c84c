"""Gateways that VirtualServices name: are they there, and do they serve the hosts."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import mappings, text
from flotilla_galley.analysis.gateway_references import GatewayReference, gateways_of
from flotilla_galley.analysis.kinds import KUBERNETES_GATEWAYS
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_shared.model.hosts import matches
from flotilla_shared.model.kinds import GATEWAYS, VIRTUAL_SERVICES


def today(virtual_service: Resource, view: View) -> Iterator[Message]:
    for reference in gateways_of(virtual_service):
        if reference.generated:
            name, written = virtual_service.full_name, reference.written
            yield tell("ReferencedInternalGateway", virtual_service, reference.field, name=name, gateway=written)
            continue
        gateway = view.get(GATEWAYS, reference.namespace, reference.name)
        kubernetes = view.get(KUBERNETES_GATEWAYS, reference.namespace, reference.name)
        if gateway is None and kubernetes is None:
            yield _missing(virtual_service, reference)
        served = _hosts(gateway, virtual_service.namespace) if gateway is not None else _listened(kubernetes)
        if not any(matches(host, own) for host in served for own in virtual_service.spec.hosts):
            yield _unserved(virtual_service, reference)


def of_1_4(virtual_service: Resource, view: View) -> Iterator[Message]:
    for reference in gateways_of(virtual_service):
        if view.get(GATEWAYS, reference.namespace, reference.name) is None:
            yield _missing(virtual_service, reference)


def _missing(virtual_service: Resource, reference: GatewayReference) -> Message:
    name = reference.written
    return tell("ReferencedResourceNotFound", virtual_service, reference.field, what="gateway", name=name)


def _unserved(virtual_service: Resource, reference: GatewayReference) -> Message:
    hosts = ", ".join(virtual_service.spec.hosts)
    return tell(
        "VirtualServiceHostNotFoundInGateway",
        virtual_service,
        reference.field,
        gateway=reference.full_name,
        hosts=hosts,
        name=virtual_service.full_name,
    )


def _hosts(gateway: Resource, namespace: str) -> Iterator[str]:
    """The hosts that a Gateway serves for VirtualServices of a namespace."""
    for server in gateway.spec.servers:
        for written in server.hosts:
            scope, slash, host = written.rpartition("/")
            allowed = gateway.namespace if scope == "." else scope
            if not slash or allowed in ("*", namespace):
                yield host


def _listened(gateway: Resource | None) -> Iterator[str]:
    """The hosts of the listeners of a Kubernetes Gateway; one without a hostname takes all."""
    for listener in mappings(gateway.value, "spec", "listeners") if gateway is not None else ():
        yield text(listener, "hostname") or "*"


_NAME = "virtualservice.GatewayAnalyzer"
_ABOUT = "whether each Gateway that a VirtualService names is there and serves its hosts"
ANALYZER = Analyzer(_NAME, _ABOUT, (VIRTUAL_SERVICES, GATEWAYS, KUBERNETES_GATEWAYS), {VIRTUAL_SERVICES: today})
ANALYZER_OF_1_4 = Analyzer(_NAME, _ABOUT, (VIRTUAL_SERVICES, GATEWAYS), {VIRTUAL_SERVICES: of_1_4})
