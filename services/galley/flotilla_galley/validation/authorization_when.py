"""`when` of an AuthorizationPolicy: keys, and what their values may be (rules AP3 to AP6 of Istio's validation)."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.security.v1beta1.authorization_policy_pb2 import Condition
from flotilla_shared.model.authorization.attributes import ADDRESSES, CLAIMS, EXPERIMENTAL, HEADERS, PLAIN

# AP6: what identifies the caller.
_IDENTITY = ("source.namespace", "source.serviceAccount", "source.trustDomain", "source.principal", "request.auth.")


def condition(when: Condition, report: Report, *, custom: bool) -> None:
    """One condition; `custom`: of a policy whose action is CUSTOM."""
    if not when.key:
        report.at("key").wrong("it is missing, such as request.headers[version] or source.ip")
        return
    report.at("key").wrong(_key(when.key))
    if custom and when.key.startswith(_IDENTITY):
        report.at("key").wrong("a policy with action CUSTOM cannot ask for the caller's identity")
    if not when.values and not when.not_values:
        report.at("values").wrong("there is none; say what the key must have (values) or must not (notValues)")
    rule = value_rule(when.key)
    for field, values in (("values", when.values), ("notValues", when.not_values)):
        for where, value in report.each(field, values):
            where.wrong(rule(value) if value else "the value is empty; write one or remove it")


def _key(key: str) -> str:
    for name in (HEADERS, CLAIMS):
        if key.startswith(name):
            return bracketed(key, name)
    if key.startswith(EXPERIMENTAL):
        return bracketed(key)
    if key in PLAIN:
        return ""
    near = difflib.get_close_matches(key, PLAIN, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {HEADERS}[...], {CLAIMS}[...], {', '.join(PLAIN)}"
    return f"{key!r} is no attribute; {hint}"


def bracketed(key: str, name: str = "") -> str:
    """A key of a map: `name[key]`, with something in the brackets."""
    before, found, inner = key.partition("[")
    if found and inner.endswith("]") and len(inner) > 1 and (not name or before == name):
        return ""
    return f"{key!r} must be of the form {name or 'name'}[key]"


def value_rule(key: str) -> Callable[[str], str]:
    """The rule of a key's values."""
    if key in ADDRESSES:
        return checks.cidr
    return port_text if key == "destination.port" else _any


def port_text(text: str) -> str:
    """A port written as text, 0 to 65535."""
    if 0 <= checks.digits(text) <= 65535:
        return ""
    return f"{text!r} is no port; write a number up to 65535"


def _any(text: str) -> str:
    return ""
