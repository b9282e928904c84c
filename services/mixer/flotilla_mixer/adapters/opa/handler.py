"""A handler whose calls a policy in Rego decides."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from flotilla_mixer.adapters.opa.asking import Answer, Policy
from flotilla_mixer.adapters.opa.document import input_of
from flotilla_mixer.kit.adapter import CheckCall, Environment
from flotilla_mixer.kit.environment import HandlerClosed
from flotilla_mixer.kit.results import DEFAULT, CheckResult

PERMISSION_DENIED = 7
REJECTED = "opa: request was rejected"
MOST_WAITING = 1000
BATCH = 100


class OpaHandler:
    """Asks in batches: what comes while a batch is under way is the next. `fail_close` is for what the policy does not
    decide; else that passes, as in 1.4.
    """

    def __init__(self, policy: Policy, fail_close: bool, environment: Environment) -> None:
        self._policy = policy
        self._fail_close = fail_close
        self._environment = environment
        self._waiting: deque[tuple[CheckCall, dict[str, Any]]] = deque()
        self._asking = False

    def check(self, calls: Sequence[CheckCall]) -> None:
        for call in calls:
            try:
                document = input_of(call.instance, call.row)
            except ValueError as error:
                call.fail(f"the row does not fit the instance {call.instance.name}: {error}")
                continue
            if len(self._waiting) >= MOST_WAITING:
                self._answer(call, f"{MOST_WAITING} calls wait for the policy already")
            else:
                self._waiting.append((call, document))
        if self._waiting and not self._asking:
            self._begin()

    def _begin(self) -> None:
        self._asking = True
        try:
            self._environment.work(self._ask(), "ask the policy")
        except HandlerClosed as error:
            self._asking = False
            self._give_up(str(error))

    async def _ask(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                await self._one_batch(batch)
        finally:
            self._asking = False
            self._give_up("the handler is closed")

    async def _one_batch(self, batch: Sequence[tuple[CheckCall, dict[str, Any]]]) -> None:
        try:
            answers: Sequence[Answer] = await self._policy.ask([document for _, document in batch])
        except HandlerClosed as error:
            answers = [str(error)] * len(batch)
        except BaseException:
            for call, _ in batch:
                call.fail("the handler is closed")
            raise
        for (call, _), answer in zip(batch, answers, strict=True):
            self._answer(call, answer)

    def _answer(self, call: CheckCall, answer: Answer) -> None:
        if answer is True:
            call.answer(DEFAULT)
        elif answer is False:
            call.answer(CheckResult(PERMISSION_DENIED, REJECTED))
        else:
            self._environment.complain("policy", "a policy in Rego does not decide", error=answer)
            call.answer(CheckResult(PERMISSION_DENIED, f"{REJECTED}. err: {answer}") if self._fail_close else DEFAULT)

    def _give_up(self, text: str) -> None:
        while self._waiting:
            self._waiting.popleft()[0].fail(text)

    async def close(self) -> None:
        await self._policy.close()


class ClosedHandler:
    """Denies everything: of parameters that are wrong, where `fail_close` asks for that."""

    def check(self, calls: Sequence[CheckCall]) -> None:
        for call in calls:
            call.answer(CheckResult(PERMISSION_DENIED, REJECTED))

    def close(self) -> None:
        pass
