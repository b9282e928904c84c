"""Endpoints that fail are left out for a while (rule DR6 of Istio's validation)."""

from __future__ import annotations

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import OutlierDetection


def outlier_detection(outlier: OutlierDetection, report: Report) -> None:
    """DR6"""
    check_ejection(outlier, report)
    if outlier.consecutive_errors:
        report.at("consecutiveErrors").warn("it is out of date; write consecutiveGatewayErrors or consecutive5xxErrors")
    if outlier.consecutive_local_origin_failures.value and not outlier.split_external_local_origin_errors:
        report.at("consecutiveLocalOriginFailures").wrong("it needs splitExternalLocalOriginErrors: true")


def check_ejection(outlier: OutlierDetection, report: Report) -> None:
    """How long, how often and how many: what the rule has always been."""
    for field, name in (("baseEjectionTime", "base_ejection_time"), ("interval", "interval")):
        if outlier.HasField(name):
            report.check(checks.duration, field, getattr(outlier, name))
    for field, value in (
        ("maxEjectionPercent", outlier.max_ejection_percent),
        ("minHealthPercent", outlier.min_health_percent),
    ):
        if not 0 <= value <= 100:
            report.at(field).wrong(f"{value} is outside of 0 to 100")
