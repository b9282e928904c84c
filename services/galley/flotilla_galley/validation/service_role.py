"""ServiceRole: what callers may do (rule SR1 of Istio 1.4's validation)."""

from __future__ import annotations

from collections.abc import Sequence

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.rbac.v1alpha1.rbac_pb2 import AccessRule, ServiceRole

PORT = "destination.port"


def validate(spec: ServiceRole, report: Report, namespace: str) -> None:
    access_rules(spec.rules, "rules", report)


def access_rules(rules: Sequence[AccessRule], field: str, report: Report) -> None:
    """The rules of a role, or those that a binding holds itself."""
    if not rules:
        report.at(field).wrong("there is none; say what is allowed")
    for where, rule in report.each(field, rules):
        _rule(rule, where)


def _rule(rule: AccessRule, report: Report) -> None:
    for plain, negated in (("methods", "notMethods"), ("ports", "notPorts")):
        if getattr(rule, plain) and getattr(rule, f"not_{plain}"):
            report.at(negated).wrong(f"it excludes {plain}; keep one of them", "conflict")
    for field, ports in (("ports", rule.ports), ("notPorts", rule.not_ports)):
        for where, port in report.each(field, ports):
            where.wrong(checks.port(port))
    for where, constraint in report.each("constraints", rule.constraints):
        if not constraint.key:
            where.at("key").wrong("it is missing, such as destination.labels[version]")
        if not constraint.values:
            where.at("values").wrong("there is none; say what the key may have")
        if constraint.key == PORT and (rule.ports or rule.not_ports):
            where.at("key").wrong("ports and notPorts say it already; keep one of them", "conflict")
