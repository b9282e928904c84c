"""AuthorizationPolicy (rules AP1 and AP3 to AP5 as Istio 1.4 has them): the selector and `when`, and no more."""

from __future__ import annotations

import difflib

from flotilla_galley.validation.authorization_when import bracketed, value_rule
from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.security.v1beta1.authorization_policy_pb2 import AuthorizationPolicy, Condition
from flotilla_shared.model.authorization.attributes import CLAIMS, EXPERIMENTAL, HEADERS

PLAIN = (
    "source.ip",
    "source.namespace",
    "source.user",
    "source.principal",
    "request.auth.principal",
    "request.auth.audiences",
    "request.auth.presenter",
    "destination.ip",
    "destination.port",
    "connection.sni",
)


def validate(spec: AuthorizationPolicy, report: Report, namespace: str) -> None:
    for key, value in sorted(spec.selector.match_labels.items()):
        if not key or not value:
            report.at("selector").at("matchLabels", key).wrong("a label needs a name and a value")
    for place, rule in report.each("rules", spec.rules):
        for where, when in place.each("when", rule.when):
            _condition(when, where)


def _condition(when: Condition, report: Report) -> None:
    if not when.key:
        report.at("key").wrong("it is missing, such as request.headers[version] or source.ip")
        return
    report.check(_key, "key", when.key)
    if not when.values:
        report.at("values").wrong("there is none; say what the key must have")
    rule = value_rule(when.key)
    for where, value in report.each("values", when.values):
        where.wrong(rule(value))


def _key(key: str) -> str:
    """AP4 and AP5"""
    if key.startswith((HEADERS, CLAIMS)):
        return bracketed(key)
    if key in PLAIN or key.startswith(EXPERIMENTAL):
        return ""
    near = difflib.get_close_matches(key, PLAIN, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {HEADERS}[...], {CLAIMS}[...], {', '.join(PLAIN)}"
    return f"{key!r} is no attribute of Istio 1.4; {hint}"
