"""One http route of a VirtualService (rules HR1 to HR21 as Istio 1.4 has them)."""

from __future__ import annotations

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.gateway_names import gateway_names
from flotilla_galley.validation.of_1_4.cors import check_cors
from flotilla_galley.validation.of_1_4.destinations import check_targets, destination
from flotilla_galley.validation.of_1_4.faults import check_fault
from flotilla_galley.validation.of_1_4.headers import check_headers
from flotilla_galley.validation.of_1_4.primitives import header_name
from flotilla_galley.validation.redirects import check_code
from flotilla_galley.validation.retries import RETRY_ON, check_retries
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import (
    HTTPMatchRequest,
    HTTPRedirect,
    HTTPRewrite,
    HTTPRoute,
)

LATER_WORDS = frozenset(
    ("reset-before-request", "retriable-headers", "envoy-ratelimited", "http3-post-connect-failure")
)
WORDS = RETRY_ON - LATER_WORDS


def validate(route: HTTPRoute, report: Report) -> None:
    _actions(route, report)
    for where, match in report.each("match", route.match):
        _match(match, where)
    check_headers(route, report)
    for where, target in report.each("route", route.route):
        check_headers(target, where)
    check_targets(route.route, report)
    if route.HasField("redirect"):
        check_redirect(route.redirect, report.at("redirect"))
    if route.HasField("rewrite"):
        check_rewrite(route.rewrite, report.at("rewrite"))
    if route.HasField("timeout"):
        report.check(checks.duration, "timeout", route.timeout)
    if route.HasField("retries"):
        check_retries(route.retries, report.at("retries"), WORDS)
    if route.HasField("fault"):
        check_fault(route.fault, report.at("fault"))
    if route.HasField("cors_policy"):
        check_cors(route.cors_policy, report.at("corsPolicy"))
    if route.HasField("mirror"):
        destination(route.mirror, report.at("mirror"))
    if route.mirror_percent.value > 100:
        report.at("mirrorPercent").wrong(f"{route.mirror_percent.value} is above 100")


def _actions(route: HTTPRoute, report: Report) -> None:
    """HR1 and HR2"""
    if not route.HasField("redirect"):
        report.wrong("" if route.route else "it leads nowhere; give it route or redirect", "no-route")
        return
    for field, given in (
        ("route", bool(route.route)),
        ("fault", route.HasField("fault")),
        ("rewrite", route.HasField("rewrite")),
        ("websocketUpgrade", route.websocket_upgrade),
    ):
        if given:
            report.at(field).wrong("it has no effect beside redirect; remove one of them", "conflict")


def _match(match: HTTPMatchRequest, report: Report) -> None:
    """HR7; what strings are matched with is not looked at."""
    for name in sorted(match.headers):
        report.at("headers", name).wrong(header_name(name))
    if match.port:
        report.check(checks.port, "port", match.port)
    checks.labels(report.at("sourceLabels"), match.source_labels)
    gateway_names(report, match.gateways)


def check_redirect(redirect: HTTPRedirect, report: Report) -> None:
    """HR12"""
    if not (redirect.uri or redirect.authority):
        report.wrong("it changes nothing; give it uri or authority")
    check_code(redirect, report)


def check_rewrite(rewrite: HTTPRewrite, report: Report) -> None:
    """HR13"""
    if not (rewrite.uri or rewrite.authority):
        report.wrong("it changes nothing; give it uri or authority")
