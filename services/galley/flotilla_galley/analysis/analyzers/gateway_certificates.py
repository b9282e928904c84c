"""Gateways that present the same certificate from the same pods."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_protos.istio.networking.v1alpha3.gateway_pb2 import ServerTLSSettings
from flotilla_shared.model.kinds import GATEWAYS
from flotilla_shared.model.labels import selects


def look(gateway: Resource, view: View) -> Iterator[Message]:
    """Others whose pods are among this one's."""
    presenters = view.once(_presenters)
    others = {each for certificate in _certificates(gateway) for each in presenters[certificate] if each is not gateway}
    for other in sorted(others, key=lambda each: each.key):
        if selects(gateway.spec.selector, other.spec.selector):
            objects = f"{gateway.full_name}, {other.full_name}"
            yield tell("GatewayDuplicateCertificate", gateway, "metadata.name", gateways=objects)


def _presenters(view: View) -> dict[tuple[str, ...], list[Resource]]:
    found: dict[tuple[str, ...], list[Resource]] = defaultdict(list)
    for gateway in view.all(GATEWAYS):
        for certificate in _certificates(gateway):
            found[certificate].append(gateway)
    return found


def _certificates(gateway: Resource) -> Iterator[tuple[str, ...]]:
    """What tells each of its certificates from others; none for servers that present none of their own."""
    for server in gateway.spec.servers:
        if server.HasField("tls") and (found := _certificate(server.tls)):
            yield found


def _certificate(tls: ServerTLSSettings) -> tuple[str, ...]:
    if tls.credential_name:
        return (tls.credential_name,)
    return (tls.server_certificate, tls.private_key) if tls.server_certificate and tls.private_key else ()


ANALYZER = Analyzer(
    "gateway.CertificateAnalyzer",
    "whether two Gateways present the same certificate",
    (GATEWAYS,),
    {GATEWAYS: look},
)
