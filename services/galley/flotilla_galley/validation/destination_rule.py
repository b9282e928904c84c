"""DestinationRule (rules DR1-DR8, DR13, DR15 of Istio's validation, today's set)."""

from __future__ import annotations

from typing import Any

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import (
    ClientTLSSettings,
    ConnectionPoolSettings,
    DestinationRule,
    LoadBalancerSettings,
    OutlierDetection,
    TrafficPolicy,
)

POLICY_FIELDS = {
    "loadBalancer": "load_balancer",
    "connectionPool": "connection_pool",
    "outlierDetection": "outlier_detection",
    "tls": "tls",
    "portLevelSettings": "port_level_settings",
    "tunnel": "tunnel",
    "proxyProtocol": "proxy_protocol",
    "retryBudget": "retry_budget",
}
HTTP_LIMITS = ("http1MaxPendingRequests", "http2MaxRequests", "maxRequestsPerConnection", "maxRetries")


def validate(spec: DestinationRule, report: Report, namespace: str) -> None:
    report.check(checks.wildcard_domain, "host", spec.host)
    if spec.HasField("traffic_policy"):
        _policy(spec.traffic_policy, report.at("trafficPolicy"))
    seen: set[str] = set()
    for where, subset in report.each("subsets", spec.subsets):
        where.check(checks.dns_label, "name", subset.name)
        if subset.name in seen:
            where.at("name").wrong(f"subset {subset.name!r} is defined twice", "duplicate")
        seen.add(subset.name)
        checks.labels(where.at("labels"), subset.labels)
        if subset.HasField("traffic_policy"):
            _policy(subset.traffic_policy, where.at("trafficPolicy"))
    checks.selector(report.at("workloadSelector").at("matchLabels"), spec.workload_selector.match_labels)
    checks.export_to(report, spec.export_to, namespace)


def _policy(policy: TrafficPolicy, report: Report) -> None:
    """DR2"""
    if not any(_set(policy, field) for field in POLICY_FIELDS.values() if field in policy.DESCRIPTOR.fields_by_name):
        report.wrong("it is empty; give it loadBalancer, connectionPool, outlierDetection or tls, or remove it")
    _settings(policy, report)
    for where, port in report.each("portLevelSettings", policy.port_level_settings):
        if not port.HasField("port"):
            where.at("port").wrong("it is missing; say which port the settings are for")
        else:
            where.at("port").check(checks.port, "number", port.port.number)
        if not any(_set(port, field) for field in POLICY_FIELDS.values() if field in port.DESCRIPTOR.fields_by_name):
            where.wrong("it sets nothing for the port; give it loadBalancer, connectionPool, outlierDetection or tls")
        _settings(port, where)


def _set(message: Any, field: str) -> bool:
    value = getattr(message, field)
    return bool(value) if message.DESCRIPTOR.fields_by_name[field].is_repeated else bool(message.HasField(field))


def _settings(policy: Any, report: Report) -> None:
    """What a policy and its settings for a port have in common."""
    if policy.HasField("outlier_detection"):
        _outlier(policy.outlier_detection, report.at("outlierDetection"))
    if policy.HasField("connection_pool"):
        _pool(policy.connection_pool, report.at("connectionPool"))
    if policy.HasField("load_balancer"):
        _load_balancer(policy.load_balancer, report.at("loadBalancer"))
    if policy.HasField("tls"):
        _tls(policy.tls, report.at("tls"))


def _outlier(outlier: OutlierDetection, report: Report) -> None:
    """DR6"""
    for field, name in (("baseEjectionTime", "base_ejection_time"), ("interval", "interval")):
        if outlier.HasField(name):
            report.check(checks.duration, field, getattr(outlier, name))
    for field, value in (
        ("maxEjectionPercent", outlier.max_ejection_percent),
        ("minHealthPercent", outlier.min_health_percent),
    ):
        if not 0 <= value <= 100:
            report.at(field).wrong(f"{value} is outside of 0 to 100")


def _pool(pool: ConnectionPoolSettings, report: Report) -> None:
    """DR7"""
    if not (pool.HasField("http") or pool.HasField("tcp")):
        report.wrong("it has neither http nor tcp")
    http = pool.http
    numbers = (
        http.http1_max_pending_requests,
        http.http2_max_requests,
        http.max_requests_per_connection,
        http.max_retries,
    )
    for field, value in zip(HTTP_LIMITS, numbers, strict=True):
        if value < 0:
            report.at("http").at(field).wrong(f"{value} is below 0")
    if http.HasField("idle_timeout"):
        report.at("http").check(checks.duration, "idleTimeout", http.idle_timeout)
    if pool.tcp.max_connections < 0:
        report.at("tcp").at("maxConnections").wrong(f"{pool.tcp.max_connections} is below 0")
    if pool.tcp.HasField("connect_timeout"):
        report.at("tcp").check(checks.duration, "connectTimeout", pool.tcp.connect_timeout)


def _load_balancer(balancer: LoadBalancerSettings, report: Report) -> None:
    """DR9"""
    if balancer.WhichOneof("lb_policy") != "consistent_hash":
        return
    hash_policy = balancer.consistent_hash
    if hash_policy.WhichOneof("hash_key") == "http_cookie" and not hash_policy.http_cookie.name:
        report.at("consistentHash").at("httpCookie").at("name").wrong("it is missing")


def _tls(tls: ClientTLSSettings, report: Report) -> None:
    """DR13"""
    if tls.mode == ClientTLSSettings.MUTUAL and not tls.credential_name:
        for field, value in (("clientCertificate", tls.client_certificate), ("privateKey", tls.private_key)):
            if not value:
                report.at(field).wrong("mode MUTUAL needs it (or credentialName)")
    if tls.credential_name and (tls.client_certificate or tls.private_key or tls.ca_certificates):
        report.at("credentialName").wrong("it excludes clientCertificate, privateKey and caCertificates", "conflict")
