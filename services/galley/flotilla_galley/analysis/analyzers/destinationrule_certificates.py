"""DestinationRules that ask for TLS and verify nobody."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import ClientTLSSettings
from flotilla_shared.model.kinds import DESTINATION_RULES

_ASKS = (ClientTLSSettings.SIMPLE, ClientTLSSettings.MUTUAL)


def look(rule: Resource, view: View) -> Iterator[Message]:
    """Of the whole destination, and of single ports."""
    policy = rule.spec.traffic_policy
    if _trusts_anybody(policy.tls, rule):
        name, told = "NoServerCertificateVerificationDestinationLevel", _parameters(rule, policy.tls)
        yield tell(name, rule, "spec.trafficPolicy.tls", **told)  # the names stand in _parameters
    for index, port in enumerate(policy.port_level_settings):
        if _trusts_anybody(port.tls, rule):
            name, told = "NoServerCertificateVerificationPortLevel", _parameters(rule, port.tls)
            field = f"spec.trafficPolicy.portLevelSettings[{index}].tls"
            yield tell(name, rule, field, port=port.port.number, **told)


def _parameters(rule: Resource, tls: ClientTLSSettings) -> dict[str, str]:
    mode = ClientTLSSettings.TLSmode.Name(tls.mode)
    return {"name": rule.name, "namespace": rule.namespace, "mode": mode, "host": rule.spec.host}


def _trusts_anybody(tls: ClientTLSSettings, rule: Resource) -> bool:
    """A Secret may hold the authority too, and counts for rules of a gateway or workload of its own."""
    by_secret = tls.credential_name and rule.spec.HasField("workload_selector")
    return tls.mode in _ASKS and not tls.ca_certificates and not by_secret


ANALYZER = Analyzer(
    "destinationrule.CaCertificateAnalyzer",
    "whether servers are verified where TLS is asked for",
    (DESTINATION_RULES,),
    {DESTINATION_RULES: look},
)
