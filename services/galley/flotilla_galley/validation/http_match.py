"""What an http route matches (HR7-HR9)."""

from __future__ import annotations

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.gateway_names import gateway_names
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import HTTPMatchRequest, StringMatch


def check_match(match: HTTPMatchRequest, report: Report) -> None:
    for field in ("scheme", "method", "authority"):
        if match.HasField(field):
            check_string(getattr(match, field), report.at(field))
    if match.HasField("uri"):
        check_string(match.uri, report.at("uri"), empty_prefix=True)
    for field, headers in (("headers", match.headers), ("withoutHeaders", match.without_headers)):
        for name, wanted in sorted(headers.items()) if headers else ():
            where = report.at(field, name)
            where.wrong(checks.header_name(name, pseudo=True))
            check_string(wanted, where, star=field == "withoutHeaders")
    for name, wanted in sorted(match.query_params.items()) if match.query_params else ():
        check_string(wanted, report.at("queryParams", name))
    if match.port:
        report.check(checks.port, "port", match.port)
    if match.source_namespace:
        report.check(checks.dns_label, "sourceNamespace", match.source_namespace)
    checks.labels(report.at("sourceLabels"), match.source_labels)
    gateway_names(report, match.gateways)


def check_string(wanted: StringMatch, report: Report, *, empty_prefix: bool = False, star: bool = False) -> None:
    """A StringMatch; `star`: the expression `*` is taken as "any"."""
    kind = wanted.WhichOneof("match_type")
    if kind == "prefix" and not wanted.prefix and not empty_prefix:
        report.at("prefix").wrong("the prefix is empty; leave the match out to match everything")
    if kind == "regex" and not (star and wanted.regex == "*"):
        report.check(checks.regex, "regex", wanted.regex)
