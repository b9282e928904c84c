"""Explanations as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

CHECKS, REPORTS = (
    frozenset(("check", "quota", "attribute generator", "headers")),
    frozenset(("report", "attribute generator")),
)


def check_text(found: Mapping[str, Any], *, explain: bool) -> str:
    """The verdict, what goes with it, and (`explain`) all that led to it."""
    lines = [*_verdict(found["result"])]
    for side, operations in found.get("headers", {}).items():
        lines += [f"  header of the {side}: {each['operation']} {each['name']} {each['value']}" for each in operations]
    if explain:
        lines += ["", f"how it came about: {found['combined']}", *_common(found)]
    lines += _quotas(found)
    if found.get("note"):
        lines += ["", found["note"]]
    lines += ["", "attributes that the answer rests on:", *_referenced(found["referenced"])]
    return "\n".join(lines)


def report_text(found: Mapping[str, Any]) -> str:
    sent = "sent to the handlers:" if found["sent"] else "would be sent to the handlers (--send really sends it):"
    lines = [sent if found["asked"] else "nothing is reported of this.", *_asked(found["asked"])]
    lines += [f"  error: {each}" for each in found.get("errors", ())]
    return "\n".join([*lines, *_rules(found, REPORTS), *_generated(found)])


def _common(found: Mapping[str, Any]) -> Iterator[str]:
    yield from _rules(found, CHECKS)
    yield from _generated(found)
    yield ""
    yield "handlers that were asked:" if found["asked"] else "no handler was asked."
    yield from _asked(found["asked"])
    for each in found.get("failed", ()):
        yield f"  failed: {each.get('instance') or each.get('handler')}: {each['error']}"


def _rules(found: Mapping[str, Any], concerned: frozenset[str]) -> Iterator[str]:
    """Those that do what is asked about, and those that do nothing at all."""
    yield ""
    yield f"rules (of namespace {found['namespace'] or '-'} and the default one; configuration {found['configuration']}):"
    shown = [rule for rule in found["rules"] if not rule["does"] or not concerned.isdisjoint(rule["does"])]
    for rule in shown:
        yield from _rule(rule)
    others = len(found["rules"]) - len(shown)
    if others or not shown:
        yield f"  {others or 'none'}{' that do other things' if others else ''}"


def _rule(rule: Mapping[str, Any]) -> Iterator[str]:
    yield f"  {rule['rule']}  {'holds' if rule['holds'] else 'does not hold'}"
    yield f"      match  {rule['match']}" + (f"  ({rule['language']})" if "language" in rule else "")
    if rule.get("error"):
        yield f"      cannot be judged: {rule['error']}"
    for part in rule.get("because", ()):
        yield f"      {part['expression']}  is  {_part(part)}"
    if not rule["does"]:
        yield "      does nothing: no action of it works"
    yield from (f"      problem: {each}" for each in rule.get("problems", ()))
    for action in rule.get("actions", ()):
        missing = " (which could not be built)" if action.get("not_built") else ""
        yield f"      to {action['handler']}{missing}: {', '.join(action['instances'])}"
    if rule.get("samples"):
        yield "      reports a part only, by its sampling; here it is played as if it took all"
    if "headers" in rule["does"]:
        yield "      changes headers of what may pass"


def _part(part: Mapping[str, Any]) -> str:
    if part.get("absent"):
        return "absent"
    return f"an error: {part['error']}" if "error" in part else _value(part["value"])


def _generated(found: Mapping[str, Any]) -> Iterator[str]:
    if found.get("generated"):
        yield ""
        yield "attributes that adapters added:"
        yield from (f"  {name} = {_value(value)}" for name, value in found["generated"].items())


def _asked(asked: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for each in asked:
        yield f"  {each['handler']} ({each['adapter']})  {each['instance']}  ({each['template']})"
        yield from (f"      {name} = {_value(value)}" for name, value in _flat(each["values"]))
        if "said" in each:
            yield f"      said  {_said(each['said'])}"


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}[{key}]", each) for key, each in value.items())
        else:
            yield name, value


def _said(said: Mapping[str, Any]) -> str:
    if "error" in said:
        return f"error: {said['error']}"
    if "status" in said and "valid_uses" in said:
        text = f"{said['status']} {said.get('message', '')}".rstrip()
        return f"{text}, valid for {said['valid_seconds']:g} s and {said['valid_uses']} uses"
    return "; ".join(f"{name} = {_value(value)}" for name, value in said.items()) or "nothing"


def _verdict(result: Mapping[str, Any]) -> Iterator[str]:
    yield f"{result['status']} {result.get('message') or result.get('error') or ''}".rstrip()
    if "valid_uses" in result:
        yield f"  valid for {result['valid_seconds']:g} s and {result['valid_uses']} uses"
    if "response" in result:
        yield f"  the response is given: {json.dumps(result['response'])}"


def _quotas(found: Mapping[str, Any]) -> Iterator[str]:
    if found.get("charged"):
        yield ""
        yield f"QuotaSpecs charge this call: {', '.join(f'{name} {each}' for name, each in found['charged'].items())}"
    for name, each in found.get("quotas", {}).items():
        yield ""
        result = each.get("result")
        granted = f"granted {result['granted']} for {result['valid_seconds']:g} s" if result else "not asked"
        status = (
            f" ({result['status']} {result.get('message', '')})".replace(" )", ")")
            if result and "status" in result
            else ""
        )
        yield f"quota {name}, {each['amount']}: {granted}{status}"
        if each.get("note"):
            yield f"  {each['note']}"
        yield from _asked(each["asked"])


def _referenced(referenced: Sequence[Mapping[str, str]]) -> Iterator[str]:
    for each in referenced:
        key = f'["{each["map_key"]}"]' if "map_key" in each else ""
        yield f"  {each['condition'].lower():<8} {each['name']}{key}"
    if not referenced:
        yield "  none"


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
