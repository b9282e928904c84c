"""RequestAuthentication (rule RA1 of Istio's validation)."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.key_sets import key_set, private_keys
from flotilla_galley.validation.policy_targets import targets
from flotilla_protos.istio.security.v1beta1.request_authentication_pb2 import JWTRule, RequestAuthentication

_OUTPUT_HEADER = re.compile(r"[-_A-Za-z0-9]+\Z")
EMPTY = "it is empty; write it or remove it"


def validate(spec: RequestAuthentication, report: Report, namespace: str) -> None:
    targets(spec, report)
    for where, rule in report.each("jwtRules", spec.jwt_rules):
        _rule(rule, where)


def _rule(rule: JWTRule, report: Report) -> None:
    if not rule.issuer and not rule.jwks_uri:
        report.at("issuer").wrong("issuer and jwksUri are both missing; at least one says whose tokens are taken")
    _keys(rule, report)
    for field, values in (
        ("audiences", rule.audiences),
        ("fromParams", rule.from_params),
        ("fromCookies", rule.from_cookies),
        ("spaceDelimitedClaims", rule.space_delimited_claims),
    ):
        for where, value in report.each(field, values):
            where.wrong("" if value else EMPTY)
    for where, header in report.each("fromHeaders", rule.from_headers):
        where.at("name").wrong("" if header.name else "it is missing; name the header that holds the token")
    for where, output in report.each("outputClaimToHeaders", rule.output_claim_to_headers):
        if not output.header or not output.claim:
            where.wrong("header and claim must both be named")
        elif not _OUTPUT_HEADER.match(output.header):
            where.at("header").wrong(f"{output.header!r} is no header name; letters, digits, dashes and underscores")
    if rule.HasField("timeout"):
        report.check(checks.duration, "timeout", rule.timeout)


def _keys(rule: JWTRule, report: Report) -> None:
    if rule.jwks_uri:
        report.check(key_address, "jwksUri", rule.jwks_uri)
    if rule.jwks and rule.jwks_uri:
        report.at("jwks").warn("it excludes jwksUri; keep one of them", "conflict")
    if rule.jwks:
        report.check(key_set, "jwks", rule.jwks)
        for index in private_keys(rule.jwks):
            report.at("jwks").warn(f"key {index} holds its private part; only public keys are needed, remove it")


def key_address(uri: str) -> str:
    """An address that keys are fetched from: http or https, and a port that is a number."""
    if uri != uri.lstrip():
        return f"{uri!r} begins with a space; remove it"
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError as error:
        return f"{uri!r} is no address: {error}"
    if parts.scheme not in ("http", "https"):
        return f"{uri!r} must begin with http:// or https://"
    return "" if parts.hostname else f"{uri!r} names no host"
