"""What pages of other origins may do (rules HR20 and HR21 as Istio 1.4 has them)."""

from __future__ import annotations

from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.cors import METHODS, check_age, origin_name
from flotilla_galley.validation.of_1_4.primitives import header_names
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import CorsPolicy


def check_cors(policy: CorsPolicy, report: Report) -> None:
    """Each origin counts by itself; 1.4 forgot what was wrong with those before one that has a port."""
    for where, text in report.each("allowOrigin", policy.allow_origin):
        where.wrong("" if text == "*" else origin_name(text))
    for where, method in report.each("allowMethods", policy.allow_methods):
        where.wrong("" if method in METHODS and method != "*" else f"{method!r} is no HTTP method")
    header_names(report.at("allowHeaders"), policy.allow_headers)
    header_names(report.at("exposeHeaders"), policy.expose_headers)
    check_age(policy, report)
