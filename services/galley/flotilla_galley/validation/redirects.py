"""Redirects and rewrites (rules HR12 and HR13 of Istio's validation)."""

from __future__ import annotations

from collections.abc import Iterable

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import HTTPMatchRequest, HTTPRedirect, HTTPRewrite


def check_redirect(redirect: HTTPRedirect, report: Report, matches: Iterable[HTTPMatchRequest] = ()) -> None:
    """`matches`: those of the route."""
    target = redirect.uri or redirect.prefix_rewrite or redirect.authority or redirect.scheme
    if not (target or redirect.WhichOneof("redirect_port")):
        report.wrong("it changes nothing; give it uri, prefixRewrite, authority, scheme, port or derivePort")
    if redirect.uri and redirect.prefix_rewrite:
        report.at("prefixRewrite").wrong("it excludes uri; keep one of them", "conflict")
    if redirect.prefix_rewrite and any(match.uri.WhichOneof("match_type") not in (None, "prefix") for match in matches):
        report.at("prefixRewrite").wrong("it replaces a prefix, so every match of uri must be by prefix")
    check_code(redirect, report)
    if redirect.scheme not in ("", "http", "https"):
        report.at("scheme").wrong(f"{redirect.scheme!r} is neither http nor https")
    if redirect.HasField("port"):
        report.check(checks.port, "port", redirect.port)


def check_code(redirect: HTTPRedirect, report: Report) -> None:
    if redirect.redirect_code and not 300 <= redirect.redirect_code <= 399:
        report.at("redirectCode").wrong(f"{redirect.redirect_code} is outside of 300 to 399")


def check_rewrite(rewrite: HTTPRewrite, report: Report) -> None:
    pattern = rewrite.HasField("uri_regex_rewrite")
    if not (rewrite.uri or rewrite.authority or pattern):
        report.wrong("it changes nothing; give it uri, authority or uriRegexRewrite")
    if rewrite.uri and pattern:
        report.wrong("uri and uriRegexRewrite exclude each other; keep one of them", "conflict")
    if pattern:
        report.at("uriRegexRewrite").check(checks.regex, "match", rewrite.uri_regex_rewrite.match)
        if not rewrite.uri_regex_rewrite.rewrite:
            report.at("uriRegexRewrite").at("rewrite").wrong("it is missing")
