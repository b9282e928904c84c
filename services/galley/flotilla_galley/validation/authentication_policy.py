"""Policy and MeshPolicy (rules AN2 to AN4 of Istio 1.4's validation); what they may be called stands in object_names."""

from __future__ import annotations

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.request_authentication import EMPTY, key_address
from flotilla_protos.istio.authentication.v1alpha1.policy_pb2 import Jwt, Policy, TargetSelector


def validate(spec: Policy, report: Report, namespace: str) -> None:
    for where, target in report.each("targets", spec.targets):
        _target(target, where)
    issuers: set[str] = set()
    for where, peer in report.each("peers", spec.peers):
        if peer.HasField("jwt"):
            _jwt(peer.jwt, where.at("jwt"), issuers)
    for where, origin in report.each("origins", spec.origins):
        if origin.HasField("jwt"):
            _jwt(origin.jwt, where.at("jwt"), issuers)
        else:
            where.at("jwt").wrong("it is missing; an origin is known by its token")


def _target(target: TargetSelector, report: Report) -> None:
    """AN2"""
    report.check(checks.dns_label, "name", target.name)
    for where, port in report.each("ports", target.ports):
        if port.name:
            where.check(checks.dns_label, "name", port.name)
        elif port.number:
            where.check(checks.port, "number", port.number)
        else:
            where.wrong("it names no port; give its number or its name")


def _jwt(jwt: Jwt, report: Report, issuers: set[str]) -> None:
    """AN3 and AN4; `issuers` are those of the policy so far."""
    if not jwt.issuer:
        report.at("issuer").wrong("it is missing; say whose tokens are taken")
    elif jwt.issuer in issuers:
        report.at("issuer").wrong(f"{jwt.issuer!r} is there twice; keep one of them", "duplicate")
    issuers.add(jwt.issuer)
    for field, values in (("audiences", jwt.audiences), ("jwtHeaders", jwt.jwt_headers), ("jwtParams", jwt.jwt_params)):
        for where, value in report.each(field, values):
            where.wrong("" if value else EMPTY)
    if jwt.jwks_uri:
        report.check(key_address, "jwksUri", jwt.jwks_uri)
