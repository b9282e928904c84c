"""Policies as filters of Envoy, the way that Istio compiles them: what Mixer's own verdicts are held against.

`test_authorization_compiled.py` holds this against what Istio's compiler wrote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flotilla_shared.model.authorization import attributes as of
from flotilla_shared.model.authorization.policy import Action, Clause, Clauses, Policy, Rule

Json = dict[str, Any]
HTTP = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"
NETWORK = "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC"
TEMPLATE = "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
JWT = "envoy.filters.http.jwt_authn"
ANY: Json = {"any": True}
NEVER: Json = {"permissions": [{"notRule": ANY}], "principals": [{"notId": ANY}]}
SPIFFE = "spiffe://"
_ACTIONS: Mapping[Action, str] = {"DENY": "DENY", "AUDIT": "LOG"}


def rules_of(policies: Iterable[Policy], action: Action, *, http: bool) -> Json | None:
    """The `rules` of one filter; None where no policy has this action."""
    chosen = [each for each in policies if each.action == action and not each.dry_run]
    if not chosen:
        return None
    compiled = {}
    for policy in chosen:
        for rule in policy.rules:
            found = rule if http else rule.on_tcp(action)
            if found is not None:
                name = f"ns[{policy.key.namespace}]-policy[{policy.key.name}]-rule[{rule.number}]"
                compiled[name] = _policy(found)
        if not policy.rules:
            compiled[f"ns[{policy.key.namespace}]-policy[{policy.key.name}]-rule[0]"] = NEVER
    rules: Json = {"policies": compiled} if compiled else {}
    return rules | ({"action": _ACTIONS[action]} if action in _ACTIONS else {})


def _policy(rule: Rule) -> Json:
    of_caller = tuple(each for each in rule.conditions if _is_principal(each))
    of_call = tuple(each for each in rule.conditions if not _is_principal(each))
    return {
        "permissions": [_all(each, of_call, _permission, "Rule") for each in rule.operations],
        "principals": [_all(each, of_caller, _principal, "Id") for each in rule.sources],
    }


def _is_principal(clause: Clause) -> bool:
    return clause.attribute.name.startswith(("source.", "remote.", "request."))


def _all(first: Clauses, then: Clauses, one: Callable[[Clause, str], Json], word: str) -> Json:
    found: list[Json] = []
    for clause in (*first, *then):
        if clause.values:
            found.append(_either(clause, clause.values, one, word))
        if clause.not_values:
            found.append({f"not{word}": _either(clause, clause.not_values, one, word)})
    return {f"and{word}s": {_list(word): found or [ANY]}}


def _list(word: str) -> str:
    return f"{word.lower()}s"


def _either(clause: Clause, values: Sequence[str], one: Callable[[Clause, str], Json], word: str) -> Json:
    name = clause.attribute.name
    if name in _LISTED or name.startswith(of.EXPERIMENTAL):
        return _metadata(clause, values)
    return {f"or{word}s": {_list(word): [one(clause, each) for each in values]}}


def text(value: str, **more: bool) -> Json:
    """A StringMatcher."""
    if value == "*":
        return _regex(".+") | more
    if value.startswith("*"):
        return {"suffix": value[1:], **more}
    return {"prefix": value[:-1], **more} if value.endswith("*") else {"exact": value, **more}


def _regex(pattern: str) -> Json:
    return {"safeRegex": {"regex": pattern}}


def _header(name: str, value: str, **more: bool) -> Json:
    found: Json = {"presentMatch": True} if value == "*" else {"stringMatch": text(value, **more)}
    return {"header": {"name": name, **found}}


def _permission(clause: Clause, value: str) -> Json:
    match clause.attribute.name:
        case of.HOST:
            return _header(":authority", value, ignoreCase=True)
        case of.METHOD:
            return _header(":method", value)
        case of.PATH:
            return _path(value)
        case of.DESTINATION_PORT:
            return {"destinationPort": int(value)}
        case of.DESTINATION_IP:
            return {"destinationIp": network(value)}
        case of.SNI:
            return {"requestedServerName": text(value)}
    raise ValueError(clause)


def _path(value: str) -> Json:
    if "{*}" in value or "{**}" in value:
        template = value.replace("{*}", "*").replace("{**}", "**")
        return {"uriTemplate": {"name": "uri-template", "typedConfig": {"@type": TEMPLATE, "pathTemplate": template}}}
    return {"urlPath": {"path": text(value)}}


def network(value: str) -> Json:
    """A CidrRange."""
    address, _, length = value.partition("/")
    return {"addressPrefix": address, "prefixLen": int(length or (128 if ":" in address else 32))}


def _principal(clause: Clause, value: str) -> Json:
    match clause.attribute.name:
        case of.SOURCE_PRINCIPAL:
            return _caller(_principal_match(value))
        case of.SOURCE_NAMESPACE:
            return _caller(_regex(f".*/ns/{'.*'.join(map(_quoted, value.split('*')))}/.*"))
        case of.SOURCE_ACCOUNT:
            namespace, _, account = value.partition("/")
            return _caller(_regex(f"{SPIFFE}.+/ns/{_quoted(namespace)}/(.+/|)sa/{_quoted(account)}(/.+)?"))
        case of.SOURCE_TRUST_DOMAIN:
            return _caller(_trust_domain(value))
        case of.SOURCE_IP:
            return {"directRemoteIp": network(value)}
        case of.REMOTE_IP:
            return {"remoteIp": network(value)}
        case of.HEADERS:
            return _header(clause.attribute.path[0], value)
        case of.REQUEST_PRINCIPAL:
            issuer, subject = _issuer_and_subject(value)
            return {"andIds": {"ids": [_claim(("iss",), text(issuer)), _claim(("sub",), text(subject))]}}
    raise ValueError(clause)


def _principal_match(value: str) -> Json:
    if value == "*":
        return _regex(".+")
    if value.startswith("*"):
        return _regex(f"{SPIFFE}.*{_quoted(value[1:])}")
    return text(SPIFFE + value)


def _trust_domain(value: str) -> Json:
    if value == "*":
        return {"prefix": SPIFFE}
    if "*" in value:
        return _regex(f"{SPIFFE}{'[^/]*'.join(map(_quoted, value.split('*')))}/.*")
    return {"prefix": f"{SPIFFE}{value}/"}


def _quoted(value: str) -> str:
    """As Go's regexp.QuoteMeta does: a dash stays as it is."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", value)


def _caller(match: Json) -> Json:
    return {"authenticated": {"principalName": match}}


def _issuer_and_subject(value: str) -> tuple[str, str]:
    issuer, slash, subject = value.rpartition("/")
    if slash or value == "*":
        return issuer or "*", subject
    if value.startswith("*"):
        return "*", value
    return value, "*" if value.endswith("*") else ""


def _claim(path: Iterable[str], value: Json) -> Json:
    keys = [{"key": "payload"}, *({"key": each} for each in path)]
    return {"metadata": {"filter": JWT, "path": keys, "value": {"stringMatch": value}}}


_LISTED: Mapping[str, Sequence[str]] = {of.AUDIENCES: ("aud",), of.PRESENTER: ("azp",), of.CLAIMS: ()}


def _metadata(clause: Clause, values: Sequence[str]) -> Json:
    """A claim, which may be a list, or what a filter has left."""
    name, path = clause.attribute
    matches: list[Json] = [{"stringMatch": text(each)} for each in values]
    if name.startswith(of.EXPERIMENTAL):
        value = _or(matches)
        where, keys = name.removeprefix("experimental."), list(path)
    else:
        value = {"orMatch": {"valueMatchers": [{"listMatch": {"oneOf": _or(matches)}}, _or(matches)]}}
        where, keys = JWT, ["payload", *(_LISTED[name] or path)]
    return {"metadata": {"filter": where, "path": [{"key": each} for each in keys], "value": value}}


def _or(matches: list[Json]) -> Json:
    return matches[0] if len(matches) == 1 else {"orMatch": {"valueMatchers": matches}}
