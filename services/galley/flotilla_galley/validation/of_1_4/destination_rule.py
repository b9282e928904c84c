"""DestinationRule (rules DR1 to DR15 as Istio 1.4 has them)."""

from __future__ import annotations

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.connection_pool import connection_pool
from flotilla_galley.validation.of_1_4.primitives import export_to
from flotilla_galley.validation.outlier_detection import check_ejection
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import (
    ClientTLSSettings,
    DestinationRule,
    LoadBalancerSettings,
    OutlierDetection,
    TrafficPolicy,
)

Policy = TrafficPolicy | TrafficPolicy.PortTrafficPolicy
EMPTY = "it sets nothing; give it loadBalancer, connectionPool, outlierDetection or tls, or remove it"


def validate(spec: DestinationRule, report: Report, namespace: str) -> None:
    report.check(checks.wildcard_domain, "host", spec.host)
    if spec.HasField("traffic_policy"):
        traffic_policy(spec.traffic_policy, report.at("trafficPolicy"))
    for where, subset in report.each("subsets", spec.subsets):
        where.check(checks.dns_label, "name", subset.name)
        checks.labels(where.at("labels"), subset.labels)
        if subset.HasField("traffic_policy"):
            traffic_policy(subset.traffic_policy, where.at("trafficPolicy"))
    export_to(report, spec.export_to)


def traffic_policy(policy: TrafficPolicy, report: Report) -> None:
    """DR2 and DR15"""
    report.wrong("" if policy.port_level_settings or _sets_anything(policy) else EMPTY)
    _settings(policy, report)
    for where, port in report.each("portLevelSettings", policy.port_level_settings):
        if not port.HasField("port"):
            where.at("port").wrong("it is missing; say which port the settings are for")
        where.wrong("" if _sets_anything(port) else EMPTY)
        _settings(port, where)


def _sets_anything(policy: Policy) -> bool:
    return any(policy.HasField(name) for name in ("load_balancer", "connection_pool", "outlier_detection", "tls"))


def _settings(policy: Policy, report: Report) -> None:
    if policy.HasField("outlier_detection"):
        outlier_detection(policy.outlier_detection, report.at("outlierDetection"))
    if policy.HasField("connection_pool"):
        connection_pool(policy.connection_pool, report.at("connectionPool"), keepalive=False)
    if policy.HasField("load_balancer"):
        load_balancer(policy.load_balancer, report.at("loadBalancer"))
    if policy.HasField("tls"):
        client_tls(policy.tls, report.at("tls"))


def client_tls(tls: ClientTLSSettings, report: Report) -> None:
    """DR13"""
    if tls.mode == ClientTLSSettings.MUTUAL:
        for field, value in (("clientCertificate", tls.client_certificate), ("privateKey", tls.private_key)):
            report.at(field).wrong("" if value else "it is missing; mode MUTUAL needs the path of a file")


def outlier_detection(outlier: OutlierDetection, report: Report) -> None:
    """DR6"""
    check_ejection(outlier, report)
    if outlier.consecutive_errors < 0:
        report.at("consecutiveErrors").wrong(f"{outlier.consecutive_errors} is below 0")


def load_balancer(balancer: LoadBalancerSettings, report: Report) -> None:
    """DR9"""
    if balancer.consistent_hash.WhichOneof("hash_key") != "http_cookie":
        return
    cookie, where = balancer.consistent_hash.http_cookie, report.at("consistentHash").at("httpCookie")
    if not cookie.name:
        where.at("name").wrong("it is missing")
    if not cookie.HasField("ttl"):
        where.at("ttl").wrong("it is missing; write 0s for a cookie of the session")
