"""What pages of other origins may do (rules HR20 and HR21 of Istio's validation)."""

from __future__ import annotations

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.http_match import check_string
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import CorsPolicy

METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"])


def check_cors(policy: CorsPolicy, report: Report) -> None:
    for where, origin in report.each("allowOrigins", policy.allow_origins):
        check_string(origin, where)
        if origin.WhichOneof("match_type") in (None, "exact") and not origin.exact:
            where.wrong("it is empty; say exact, prefix or regex")
    for where, text in report.each("allowOrigin", policy.allow_origin):
        where.wrong("" if text == "*" else origin_name(text))
    for where, method in report.each("allowMethods", policy.allow_methods):
        where.wrong("" if method in METHODS else f"{method!r} is no HTTP method")
    for field, names in (("allowHeaders", policy.allow_headers), ("exposeHeaders", policy.expose_headers)):
        for where, name in report.each(field, names):
            where.wrong("" if name == "*" else checks.header_name(name))
    check_age(policy, report)


def check_age(policy: CorsPolicy, report: Report) -> None:
    if policy.HasField("max_age"):
        report.check(checks.duration, "maxAge", policy.max_age)
        if policy.max_age.nanos:
            report.at("maxAge").wrong("only whole seconds are possible")


def origin_name(text: str) -> str:
    """`[http[s]://]host[:port]`"""
    host = text.removeprefix("https://").removeprefix("http://")
    name, colon, number = host.partition(":")
    if colon and checks.port(checks.digits(number)):
        return f"{text!r} has no port from 1 to 65535 after the colon"
    return checks.fqdn(name)
