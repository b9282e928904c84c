"""DestinationRule (rules DR1-DR5, DR15 and DR16 of Istio's validation, today's set)."""

from __future__ import annotations

from typing import Any

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.client_tls import client_tls
from flotilla_galley.validation.connection_pool import connection_pool
from flotilla_galley.validation.load_balancer import load_balancer
from flotilla_galley.validation.outlier_detection import outlier_detection
from flotilla_galley.validation.workload_entry import check_address
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import (
    DestinationRule,
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


def validate(spec: DestinationRule, report: Report, namespace: str) -> None:
    report.check(checks.wildcard_domain, "host", spec.host)
    if spec.HasField("traffic_policy"):
        traffic_policy(spec.traffic_policy, report.at("trafficPolicy"), namespace)
    seen: set[str] = set()
    for where, subset in report.each("subsets", spec.subsets):
        where.check(checks.dns_label, "name", subset.name)
        if subset.name in seen:
            where.at("name").wrong(f"subset {subset.name!r} is defined twice", "duplicate")
        seen.add(subset.name)
        checks.labels(where.at("labels"), subset.labels)
        if subset.HasField("traffic_policy"):
            traffic_policy(subset.traffic_policy, where.at("trafficPolicy"), namespace)
    if spec.HasField("workload_selector"):
        _selector(spec, report, namespace)
    checks.export_to(report, spec.export_to, namespace)


def _selector(spec: DestinationRule, report: Report, namespace: str) -> None:
    """DR4 and DR5: a rule of some workloads alone is of their namespace alone."""
    if not spec.workload_selector.match_labels:
        report.at("workloadSelector").warn("it has no labels and selects every workload; leave it out, or name labels")
    checks.selector(report.at("workloadSelector").at("matchLabels"), spec.workload_selector.match_labels)
    if len(spec.export_to) > 1 or any(name not in (".", namespace) for name in spec.export_to):
        report.at("exportTo").wrong("beside workloadSelector it can be '.' alone")


def traffic_policy(policy: TrafficPolicy, report: Report, namespace: str) -> None:
    """DR2"""
    if not any(is_set(policy, field) for field in POLICY_FIELDS.values() if field in policy.DESCRIPTOR.fields_by_name):
        report.wrong("it is empty; give it loadBalancer, connectionPool, outlierDetection or tls, or remove it")
    _settings(policy, report, namespace)
    _tunnel(policy, report)
    for where, port in report.each("portLevelSettings", policy.port_level_settings):
        if not port.HasField("port"):
            where.at("port").wrong("it is missing; say which port the settings are for")
        else:
            where.at("port").check(checks.port, "number", port.port.number)
        if not any(is_set(port, field) for field in POLICY_FIELDS.values() if field in port.DESCRIPTOR.fields_by_name):
            where.wrong("it sets nothing for the port; give it loadBalancer, connectionPool, outlierDetection or tls")
        _settings(port, where, namespace)


def is_set(message: Any, field: str) -> bool:
    value = getattr(message, field)
    return bool(value) if message.DESCRIPTOR.fields_by_name[field].is_repeated else bool(message.HasField(field))


def _settings(policy: Any, report: Report, namespace: str) -> None:
    """What a policy and its settings for a port have in common."""
    if policy.HasField("outlier_detection"):
        outlier_detection(policy.outlier_detection, report.at("outlierDetection"))
    if policy.HasField("connection_pool"):
        connection_pool(policy.connection_pool, report.at("connectionPool"))
    if policy.HasField("load_balancer"):
        load_balancer(policy.load_balancer, report.at("loadBalancer"), outlier=policy.HasField("outlier_detection"))
    if policy.HasField("tls"):
        client_tls(policy.tls, report.at("tls"), namespace)


def _tunnel(policy: TrafficPolicy, report: Report) -> None:
    """DR16"""
    if not policy.HasField("tunnel"):
        return
    tunnel, where = policy.tunnel, report.at("tunnel")
    if policy.HasField("proxy_protocol"):
        where.wrong("it excludes proxyProtocol; keep one of them", "conflict")
    if tunnel.protocol not in ("", "CONNECT", "POST"):
        where.at("protocol").wrong(f"{tunnel.protocol!r} is neither CONNECT nor POST")
    check_address(tunnel.target_host, where.at("targetHost"))
    where.check(checks.port, "targetPort", tunnel.target_port)
