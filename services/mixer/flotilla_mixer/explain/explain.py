"""Checks and reports played, and told."""

from __future__ import annotations

import asyncio
from typing import Any

from google.protobuf.message import EncodeError

from flotilla_mixer.attributes.dictionary import Dictionary
from flotilla_mixer.attributes.encode import encode
from flotilla_mixer.attributes.namespace import identity_namespace
from flotilla_mixer.attributes.request import RequestBag
from flotilla_mixer.attributes.typed import typed_bag
from flotilla_mixer.dispatch import check, quota, report
from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_mixer.explain.plain import plain_bag
from flotilla_mixer.explain.question import Question, QuestionError
from flotilla_mixer.explain.recording import Record, RecordedFailures, check_result, recorded_table, said
from flotilla_mixer.explain.rules import judged_rules
from flotilla_mixer.kit.results import DEFAULT, CheckResult, QuotaResult, RouteDirective
from flotilla_mixer.metrics import MixerMetrics
from flotilla_shared.runtime.metrics import ServiceMetrics

NO_WORDS = Dictionary(())
SECONDS = 10.0  # that handlers have to answer
ASKED, NOT_SENT = frozenset(("check", "generate")), frozenset(("generate",))
NOT_CONSUMED = "Quotas were not asked: that would use them up. --consume asks."


async def explain_check(table: DispatchTable, question: Question) -> dict[str, Any]:
    """What a Check with these attributes is answered, and why. Handlers are asked as ever, and nothing is counted;
    quotas are asked only where the question says `consume`. Raises QuestionError for attributes that cannot be sent.
    """
    play = _Play(table, question, ASKED | ({"quota"} if question.consume else set()))
    decided: asyncio.Future[CheckResult | str] = asyncio.get_running_loop().create_future()
    asked = check.Question(identity_namespace, play.bag, _once(decided))
    table.call_opens()
    try:
        check.CheckDispatcher(play.failures).dispatch(play.table, [asked])
        outcome = await _in_time(decided)
        found = play.told()
        found["referenced"] = referenced(play.bag)
        found |= _result(outcome) | {"combined": _combined(play.record.asked, outcome)}
        if isinstance(outcome, CheckResult) and outcome.ok:
            found |= await _quotas(play, question)
    finally:
        table.call_ends()
    return found


async def explain_report(table: DispatchTable, question: Question) -> dict[str, Any]:
    """What would be reported to whom. Handlers get it only where the question says `send`. Raises QuestionError."""
    play = _Play(table, question, NOT_SENT | ({"report"} if question.send else set()))
    bag = typed_bag(dict(question.attributes), table.declared.types)
    reported: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
    table.call_opens()
    try:
        dispatcher = report.ReportDispatcher(play.failures)
        dispatcher.dispatch(play.table, [bag], identity_namespace, _once(reported))
        wrong = await _in_time(reported)
    finally:
        table.call_ends()
    found = play.told() | {"sent": question.send}
    return found | ({"errors": wrong if isinstance(wrong, list) else [wrong]} if wrong else {})


class _Play:
    """A table, a bag and a record for one question."""

    def __init__(self, table: DispatchTable, question: Question, really: frozenset[str] | set[str]) -> None:
        self.record = Record()
        self.table = recorded_table(table, self.record, frozenset(really))
        self.failures = RecordedFailures(MixerMetrics(ServiceMetrics("explanation")), self.record)
        self.bag = self._request(question)
        self._question = question
        self._original = table

    def _request(self, question: Question) -> RequestBag:
        """The bag as a client sends it, so that what is looked at is remembered."""
        try:
            message = encode(question.attributes, NO_WORDS, 0)
        except (EncodeError, UnicodeEncodeError, ValueError, TypeError, KeyError) as error:
            raise QuestionError(f"the attributes cannot be sent: {error}.") from error
        return RequestBag(message, NO_WORDS, self.table.declared)

    def told(self) -> dict[str, Any]:
        """The part that checks and reports have in common."""
        content = {**self.bag.generated, **self._question.attributes}
        generated = {name: each for name, each in self.bag.generated.items() if name not in self._question.attributes}
        bag = typed_bag(dict(content), self.table.declared.types)
        namespace = identity_namespace(bag)
        found: dict[str, Any] = {
            "configuration": self.table.configuration.version,
            "namespace": namespace,
            "attributes": plain_bag(self._question.attributes),
            "rules": judged_rules(self._original, namespace, bag),
            "asked": self.record.asked,
        }
        if generated:
            found["generated"] = plain_bag(generated)
        if self.record.failed:
            found["failed"] = self.record.failed
        return found


def _result(outcome: CheckResult | str) -> dict[str, Any]:
    if isinstance(outcome, str):
        return {"result": {"status": "INTERNAL", "code": 13, "error": outcome}}
    found: dict[str, Any] = {"result": check_result(outcome)}
    headers = _headers(outcome.directive)
    return found | ({"headers": headers} if headers else {})


def _combined(asked: list[dict[str, Any]], outcome: CheckResult | str) -> str:
    """How the answers became one, in a sentence."""
    if isinstance(outcome, str):
        return "One failure fails the whole Check, whatever the others said; a proxy then does as its fail policy says."
    answers = [each for each in asked if "code" in each.get("said", ())]
    opinions = [each for each in answers if each["said"] != check_result(DEFAULT)]
    denied = [each["handler"] for each in opinions if each["said"]["code"]]
    if not opinions:
        return "Nobody had an opinion, so the call may pass: such an answer is valid for 60 s and 10000 uses."
    validity = "its validity counts" if len(opinions) == 1 else "the shortest validity counts"
    if not denied:
        return f"{_number(len(opinions))} asked, none denied: the call may pass; {validity}."
    return (
        f"{_number(len(opinions))} asked, denied by {', '.join(denied)}: the first denial gives the code; {validity}."
    )


def _number(count: int) -> str:
    return "One was" if count == 1 else f"{count} were"


def _headers(directive: RouteDirective) -> dict[str, Any]:
    both = {"request": directive.request, "response": directive.response}
    return {
        side: [{"operation": each.operation, "name": each.name, "value": each.value} for each in operations]
        for side, operations in both.items()
        if operations
    }


async def _quotas(play: _Play, question: Question) -> dict[str, Any]:
    """Those that were asked for by name, and what QuotaSpecs charge a call through Envoy."""
    found: dict[str, Any] = {}
    charges = play.table.configuration.quotas.charges({**play.bag.generated, **question.attributes})
    if charges:
        found["charged"] = charges
    wanted = dict(question.quotas) or charges
    if not wanted:
        return found
    dispatcher, answers = quota.QuotaDispatcher(play.failures), {}
    for name, amount in wanted.items():
        before = len(play.record.asked)
        granted: asyncio.Future[QuotaResult] = asyncio.get_running_loop().create_future()
        play.bag.begin_quota()
        rules = play.table.of(identity_namespace(play.bag))
        dispatcher.dispatch(rules, play.bag, quota.Wanted(name, amount, True, ""), _once(granted))
        answer = await _in_time(granted)
        asked = play.record.asked[before:]
        del play.record.asked[before:]
        answers[name] = {"amount": amount, "asked": asked, "referenced": referenced(play.bag)}
        if question.consume or not asked:
            answers[name]["result"] = said(answer)
        if not asked:
            answers[name]["note"] = "no rule that holds limits it, so all of it is granted"
    found["quotas"] = answers
    held_back = not question.consume and any(each["asked"] for each in answers.values())
    return found | ({"note": NOT_CONSUMED} if held_back else {})


def referenced(bag: RequestBag) -> list[dict[str, str]]:
    """What was looked at so far."""
    return [
        {"name": name, "condition": "EXACT" if there else "ABSENCE"} | ({"map_key": key} if key else {})
        for (name, key), there in sorted(bag.asked.items())
    ]


def _once(future: asyncio.Future[Any]) -> Any:
    def decide(outcome: Any) -> None:
        if not future.done():
            future.set_result(outcome)

    return decide


async def _in_time(future: asyncio.Future[Any]) -> Any:
    try:
        return await asyncio.wait_for(future, SECONDS)
    except TimeoutError:
        return f"a handler has not answered within {SECONDS:.0f} s"
