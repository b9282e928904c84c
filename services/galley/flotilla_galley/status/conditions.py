"""The status of a custom resource: Istio's IstioStatus, from Galley's verdict and what Pilot and Mixer report. Pure.

| condition | true | false |
|---|---|---|
| PassedValidation | what is written is distributed | nothing is, or the version before |
| Accepted | Pilot and Mixer take it as it is | one of them cannot use all of it |
| Reconciled | every proxy that is concerned has it | some have not yet, or have rejected it |

Conditions of other types are their writers' and stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flotilla_galley.analysis.message import Message
from flotilla_galley.snapshot.ledger import Entry, State
from flotilla_shared.model.objects import Problem

Status = dict[str, Any]
Reports = Mapping[str, Mapping[str, Any]]

PASSED, ACCEPTED, RECONCILED = "PassedValidation", "Accepted", "Reconciled"
OWN = (PASSED, ACCEPTED, RECONCILED)
MESSAGE_CHARACTERS = 1024
SHOWN_MESSAGES = 20
# Istio's codes for what its validation finds: SchemaValidationError and SchemaWarning.
_MESSAGES = {"error": ("IST0106", "SchemaValidationError", "ERROR"), "warning": ("IST0133", "SchemaWarning", "WARNING")}
_DOCUMENTATION = "https://istio.io/latest/docs/reference/config/analysis/{}/"


def next_status(
    existing: Status, entry: Entry, generation: int, reports: Reports, now: str, analysis: Iterable[Message] = ()
) -> Status | None:
    """The status that an object must have, or None where it has it; `now` is RFC 3339, `analysis` what analyzers say of it.

    Where no service reports on the object, what the last report said of this generation stays.
    """
    made = [_passed(entry), *_reported(entry, reports)]
    known = _by_type(existing)
    own = [each | {"observedGeneration": generation} for each in (*made, *_still_true(known, made, generation))]
    others = [each for each in _list(existing) if each.get("type") not in OWN]
    conditions = [*others, *(_timed(each, known, now) for each in own)]
    messages = [*map(_message, entry.problems), *map(_of_analysis, analysis)][:SHOWN_MESSAGES]
    status = {name: value for name, value in existing.items() if name != "validationMessages"}
    status |= {"conditions": conditions, "observedGeneration": generation}
    status |= {"validationMessages": messages} if messages else {}
    return None if status == existing else status


def patch_of(existing: Status, status: Status) -> Status:
    """The merge patch from one status to the other."""
    changed = {name: value for name, value in status.items() if existing.get(name) != value}
    return changed | {name: None for name in existing if name not in status}


def _passed(entry: Entry) -> Status:
    if entry.state is State.PUBLISHED:
        warned = _joined(entry.problems)
        return _condition(PASSED, True, "ValidWithWarnings" if warned else "Valid", warned)
    errors = [problem for problem in entry.problems if problem.severity == "error"]
    if entry.state is State.LAST_GOOD:
        return _condition(PASSED, False, "LastGood", f"{_joined(errors)}; the version before stays distributed")
    return _condition(PASSED, False, "Invalid", f"{_joined(errors)}; nothing of it is distributed")


def _reported(entry: Entry, reports: Reports) -> Iterable[Status]:
    """What those say who speak of the version that is distributed."""
    version = entry.item.version if entry.item is not None else ""
    current = {service: each for service, each in reports.items() if version and each["version"] == version}
    if current:
        yield _accepted(current)
    if (pilot := current.get("pilot")) is not None:
        yield _reconciled(pilot)
    elif "pilot" in reports:
        yield _condition(RECONCILED, False, "Waiting", "Pilot has not taken this version yet")


def _accepted(reports: Reports) -> Status:
    refusals = [
        f"{service}: {each['field']}: {each['text']}" if each["field"] else f"{service}: {each['text']}"
        for service, report in reports.items()
        for each in report["problems"]
    ]
    if all(report["accepted"] for report in reports.values()):
        return _condition(ACCEPTED, True, "AcceptedWithProblems" if refusals else "Accepted", "; ".join(refusals))
    return _condition(ACCEPTED, False, "Refused", "; ".join(refusals))


def _reconciled(pilot: Mapping[str, Any]) -> Status:
    concerned, acknowledged = pilot["proxies_concerned"], pilot["proxies_acknowledged"]
    message = f"{acknowledged}/{concerned} proxies up to date."
    if rejected := pilot["proxies_rejected"]:
        return _condition(RECONCILED, False, "Rejected", f"{message} {rejected} rejected it.")
    done = acknowledged >= concerned
    return _condition(RECONCILED, done, "UpToDate" if done else "Waiting", message)


def _still_true(known: Mapping[str, Status], made: list[Status], generation: int) -> Iterable[Status]:
    types = {each["type"] for each in made}
    for name in (ACCEPTED, RECONCILED):
        before = known.get(name)
        if name not in types and before is not None and before.get("observedGeneration") == generation:
            yield before


def _condition(type_: str, holds: bool, reason: str, message: str) -> Status:
    text = message if len(message) <= MESSAGE_CHARACTERS else f"{message[: MESSAGE_CHARACTERS - 3]}..."
    return {"type": type_, "status": "True" if holds else "False", "reason": reason, "message": text}


def _timed(condition: Status, known: Mapping[str, Status], now: str) -> Status:
    before = known.get(condition["type"], {})
    same = before.get("status") == condition["status"]
    return condition | {"lastTransitionTime": before.get("lastTransitionTime", now) if same else now}


def _joined(problems: Iterable[Problem]) -> str:
    return "; ".join(_line(problem) for problem in problems)


def _line(problem: Problem) -> str:
    return f"{problem.field}: {problem.text}" if problem.field else problem.text


def _message(problem: Problem) -> Status:
    code, name, level = _MESSAGES[problem.severity]
    return _shown(code, name, level, _line(problem))


def _of_analysis(message: Message) -> Status:
    text = f"{message.field}: {message.text}" if message.field else message.text
    return _shown(message.code, message.type.name, message.level.name, text)


def _shown(code: str, name: str, level: str, text: str) -> Status:
    return {
        "type": {"code": code, "name": name},
        "level": level,
        "message": text[:MESSAGE_CHARACTERS],
        "documentationUrl": _DOCUMENTATION.format(code.lower()),
    }


def _list(status: Status) -> list[Status]:
    found = status.get("conditions")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _by_type(status: Status) -> dict[str, Status]:
    return {str(each.get("type")): each for each in _list(status)}
