"""PeerAuthentication (rules PA of Istio's validation)."""

from __future__ import annotations

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.policy_targets import workload_selector
from flotilla_protos.istio.security.v1beta1.peer_authentication_pb2 import PeerAuthentication


def validate(spec: PeerAuthentication, report: Report, namespace: str) -> None:
    workload_selector(spec, report)
    if not spec.port_level_mtls:
        return
    where = report.at("portLevelMtls")
    if not spec.selector.match_labels:
        where.wrong("ports need a selector: they are ports of a workload")
    for number in sorted(spec.port_level_mtls):
        where.at("", str(number)).wrong(checks.port(number))
