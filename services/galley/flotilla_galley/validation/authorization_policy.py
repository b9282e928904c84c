"""AuthorizationPolicy (rules AP of Istio's validation)."""

from __future__ import annotations

from collections.abc import Iterable

from flotilla_galley.validation import checks
from flotilla_galley.validation.authorization_paths import path_template
from flotilla_galley.validation.authorization_when import condition, port_text
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.policy_targets import targets
from flotilla_protos.istio.security.v1beta1.authorization_policy_pb2 import (
    AuthorizationPolicy,
    Operation,
    Rule,
    Source,
)

# AP6: what an external authorizer is asked must be known before the caller's identity is.
NOT_IN_CUSTOM = ("namespaces", "service_accounts", "trust_domains", "principals", "request_principals")
MAX_SERVICE_ACCOUNTS = 16
MAX_SERVICE_ACCOUNT = 320
_L4_SOURCE = ("principals", "namespaces", "service_accounts", "trust_domains", "ip_blocks")


def validate(spec: AuthorizationPolicy, report: Report, namespace: str) -> None:
    targets(spec, report)
    custom = spec.action == AuthorizationPolicy.CUSTOM
    if custom and not spec.provider.name:
        report.at("provider").at("name").wrong("it is missing; CUSTOM asks a provider of the mesh configuration")
    if not custom and spec.HasField("provider"):
        report.at("provider").wrong("only a policy with action CUSTOM has one; remove it")
    if spec.action in (AuthorizationPolicy.CUSTOM, AuthorizationPolicy.DENY) and not spec.rules:
        action = AuthorizationPolicy.Action.Name(spec.action)
        report.at("rules").wrong(f"{action} without rules never matches; add an empty rule {{}} to match every call")
    for where, rule in report.each("rules", spec.rules):
        _rule(rule, where, custom=custom)
    if spec.action == AuthorizationPolicy.DENY and _http_alone(spec.rules):
        report.at("rules").warn(
            "a DENY rule of HTTP attributes alone denies all traffic of TCP ports; name ports in each operation"
        )


def _rule(rule: Rule, report: Report, *, custom: bool) -> None:
    for where, each in report.each("from", getattr(rule, "from")):
        if not each.HasField("source"):
            where.at("source").wrong("it is missing; say where calls come from, or leave the item out")
        else:
            _source(each.source, where.at("source"), custom=custom)
    for where, to in report.each("to", rule.to):
        if not to.HasField("operation"):
            where.at("operation").wrong("it is missing; say what is called, or leave the item out")
        else:
            _operation(to.operation, where.at("operation"))
    for where, each_when in report.each("when", rule.when):
        condition(each_when, where, custom=custom)


def _source(source: Source, report: Report, *, custom: bool) -> None:
    if not source.ListFields():
        report.wrong("it is empty; name principals, namespaces, ipBlocks or another field")
    _lists(source, report)
    for field in ("ip_blocks", "remote_ip_blocks", "not_ip_blocks", "not_remote_ip_blocks"):
        for where, block in report.each(_json(field), getattr(source, field)):
            where.wrong(checks.cidr(block))
    if custom:
        for field in (name for plain in NOT_IN_CUSTOM for name in (plain, f"not_{plain}")):
            if getattr(source, field):
                report.at(_json(field)).wrong("a policy with action CUSTOM cannot ask for the caller's identity")
    for field in ("service_accounts", "not_service_accounts"):
        _service_accounts(source, field, report)
    for field in ("trust_domains", "not_trust_domains"):
        for where, name in report.each(_json(field), getattr(source, field)):
            where.wrong(_trust_domain(name))


def _service_accounts(source: Source, field: str, report: Report) -> None:
    """AP10"""
    names = getattr(source, field)
    if not names:
        return
    where = report.at(_json(field))
    if source.namespaces or source.not_namespaces or source.principals or source.not_principals:
        where.wrong("it excludes namespaces and principals; keep one of them", "conflict")
    if len(names) > MAX_SERVICE_ACCOUNTS:
        where.wrong(f"there are {len(names)}; up to {MAX_SERVICE_ACCOUNTS} are possible")
    for place, name in report.each(_json(field), names):
        if len(name) > MAX_SERVICE_ACCOUNT:
            place.wrong(f"the name is longer than {MAX_SERVICE_ACCOUNT} characters")
        elif "*" in name:
            place.wrong("a star is no wildcard here; name the service account")
        elif name.count("/") > 1 or any(not part for part in name.split("/")):
            place.wrong(f"{name!r} is neither account nor namespace/account")


def _trust_domain(name: str) -> str:
    """AP11"""
    if "/" in name:
        return f"{name!r} has a slash; a trust domain is a name such as cluster.local"
    if name.count("*") > 1 or ("*" in name and not name.startswith("*") and not name.endswith("*")):
        return f"{name!r}: one star is possible, at the beginning or the end"
    return ""


def _operation(operation: Operation, report: Report) -> None:
    if not operation.ListFields():
        report.wrong("it is empty; name hosts, ports, methods or paths")
    _lists(operation, report)
    for field in ("ports", "not_ports"):
        for where, text in report.each(_json(field), getattr(operation, field)):
            where.wrong(port_text(text))
    for field in ("paths", "not_paths"):
        for where, path in report.each(_json(field), getattr(operation, field)):
            where.wrong(path_template(path))


def _lists(message: Source | Operation, report: Report) -> None:
    """AP8"""
    for field, values in message.ListFields():
        for where, value in report.each(field.json_name, values):
            if not value:
                where.wrong("the value is empty; write one or remove it")


def _http_alone(rules: Iterable[Rule]) -> bool:
    """AP13: whether the rules name what is called without a port, or callers by tokens alone."""
    sources = [each.source for rule in rules for each in getattr(rule, "from")]
    operations = [to.operation for rule in rules for to in rule.to]
    if operations:
        return not any(operation.ports or operation.not_ports for operation in operations)
    layer_4 = [name for plain in _L4_SOURCE for name in (plain, f"not_{plain}")]
    return bool(sources) and not any(getattr(source, name) for source in sources for name in layer_4)


def _json(field: str) -> str:
    first, *rest = field.split("_")
    return first + "".join(word.capitalize() for word in rest)
