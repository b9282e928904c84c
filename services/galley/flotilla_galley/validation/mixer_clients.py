"""QuotaSpec, HTTPAPISpec and their bindings (rules MX1 to MX5 of Istio 1.4's validation)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.mixer.v1.attributes_pb2 import Attributes
from flotilla_protos.istio.mixer.v1.config.client.api_spec_pb2 import HTTPAPISpec, HTTPAPISpecBinding
from flotilla_protos.istio.mixer.v1.config.client.quota_pb2 import QuotaSpec, QuotaSpecBinding
from flotilla_protos.istio.mixer.v1.config.client.service_pb2 import IstioService

EMPTY = "it is empty"


def quota_spec(spec: QuotaSpec, report: Report, namespace: str) -> None:
    """MX5"""
    if not spec.rules:
        report.at("rules").wrong("there is none; a QuotaSpec needs a rule")
    for where, rule in report.each("rules", spec.rules):
        for place, match in where.each("match", rule.match):
            _clauses(match.clause, place)
        if not rule.quotas:
            where.at("quotas").wrong("there is none; a rule needs a quota")
        for place, quota in where.each("quotas", rule.quotas):
            if not quota.quota:
                place.at("quota").wrong("it is missing; name a quota")
            if quota.charge <= 0:
                place.at("charge").wrong(f"{quota.charge} is charged; it must be at least 1")


def _clauses(clause: Any, report: Report) -> None:
    for attribute, matcher in sorted(clause.items()):
        where = report.at("clause", attribute)
        kind = matcher.WhichOneof("match_type")
        if kind is None:
            where.warn("it holds nothing and matches nothing; say exact, prefix or regex")
        elif not getattr(matcher, kind):
            where.at(kind).wrong(EMPTY)


def quota_spec_binding(spec: QuotaSpecBinding, report: Report, namespace: str) -> None:
    """MX4"""
    _binding(spec.services, "quotaSpecs", spec.quota_specs, report)


def http_api_spec_binding(spec: HTTPAPISpecBinding, report: Report, namespace: str) -> None:
    """MX4"""
    _binding(spec.services, "apiSpecs", spec.api_specs, report)


def _binding(services: Iterable[IstioService], field: str, specs: Any, report: Report) -> None:
    if not services:
        report.at("services").wrong("there is none; say which services it is for")
    for where, service in report.each("services", services):
        check_service(service, where)
    if not specs:
        report.at(field).wrong("there is none; say what is bound to the services")
    for where, reference in report.each(field, specs):
        if not reference.name:
            where.at("name").wrong("it is missing")
        if reference.namespace:
            where.check(checks.dns_label, "namespace", reference.namespace)


def check_service(service: IstioService, report: Report) -> None:
    """MX1"""
    if bool(service.name) == bool(service.service):
        report.wrong("say either name or service")
    if service.service and (service.namespace or service.domain):
        report.wrong("with service there is neither namespace nor domain: it is the whole host name")
    rules: tuple[tuple[Callable[[str], str], str, str], ...] = (
        (checks.dns_label, "name", service.name),
        (checks.dns_label, "namespace", service.namespace),
        (checks.fqdn, "domain", service.domain),
    )
    for rule, field, value in rules:
        if value:
            report.check(rule, field, value)
    checks.labels(report.at("labels"), service.labels)


def http_api_spec(spec: HTTPAPISpec, report: Report, namespace: str) -> None:
    """MX2, without 1.4's slip: a spec needs no attributes of its own, and those of patterns are looked at."""
    if not spec.patterns:
        report.at("patterns").wrong("there is none; an HTTPAPISpec needs a pattern")
    check_attributes(spec.attributes, report.at("attributes"))
    for where, pattern in report.each("patterns", spec.patterns):
        check_attributes(pattern.attributes, where.at("attributes"))
        if not pattern.http_method:
            where.at("httpMethod").wrong("it is missing, such as GET")
        kind = pattern.WhichOneof("pattern")
        if kind is None:
            where.warn("it matches nothing; say uriTemplate or regex")
        elif not getattr(pattern, kind):
            where.at("uriTemplate" if kind == "uri_template" else kind).wrong(EMPTY)
    for where, key in report.each("apiKeys", spec.api_keys):
        kind = key.WhichOneof("key")
        if kind is None:
            where.warn("it names no key; say query, header or cookie")
        elif not getattr(key, kind):
            where.at(kind).wrong(EMPTY)


def check_attributes(attributes: Attributes, report: Report) -> None:
    """MX3"""
    for name, value in sorted(attributes.attributes.items()):
        kind = value.WhichOneof("value")
        if kind is None:
            report.at("attributes", name).wrong("it has no value")
        elif kind in ("string_value", "bytes_value") and not getattr(value, kind):
            report.at("attributes", name).wrong(EMPTY)
        elif kind == "string_map_value":
            report.at("attributes", name).wrong("" if value.string_map_value.entries else EMPTY)
        elif kind == "duration_value":
            report.at("attributes", name).wrong(checks.duration(value.duration_value))
