"""One Check under way, and how the answers of many handlers become one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flotilla_mixer.dispatch.outputs import Outputs
from flotilla_mixer.kit.results import DEFAULT, UNOPPOSED, CheckResult
from flotilla_shared.model.objects import ObjectKey

Decide = Callable[[CheckResult | str], None]


class Decision:
    """It ends when the last handler has answered. `decide` hears the end, once: a result, or the text of a failure."""

    __slots__ = ("_answers", "_decide", "_failure", "_waiting", "outputs")

    def __init__(self, decide: Decide, outputs: Outputs) -> None:
        """`outputs` is filled with what handlers give beside their answers."""
        self._decide = decide
        self.outputs = outputs
        self._answers: list[tuple[str, CheckResult]] = []
        self._failure = ""
        self._waiting = 1  # of the dispatcher itself, until it has asked everybody

    def expect(self) -> None:
        self._waiting += 1

    def take(self, handler: str, outcome: CheckResult | str) -> None:
        """`handler` is the name that callers read."""
        if isinstance(outcome, str):
            self._failure = self._failure or outcome
        else:
            self._answers.append((handler, outcome))
        self.done()

    def take_output(self, handler: str, source: tuple[ObjectKey, str], outcome: CheckResult | str) -> None:
        """As `take`, of an instance whose template has outputs; `source` is the handler and the instance."""
        if isinstance(outcome, CheckResult) and outcome.outputs:
            self.outputs.setdefault(source, outcome.outputs)
        self.take(handler, outcome)

    def fail(self, text: str) -> None:
        self._failure = self._failure or text

    def done(self) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._decide(self._failure or combine(self._answers))


def combine(answers: Iterable[tuple[str, CheckResult]]) -> CheckResult:
    """One result of many, in the order in which they came (mixer.md 7.2).

    The first that is no default is taken whole, later ones only shorten its validity and may turn it into a denial;
    the message has those of all denials, and only the first of them may give the response itself.
    """
    total, direct = DEFAULT, None
    messages: list[str] = []
    for handler, result in answers:
        if not result.ok:
            direct = direct if messages else result.direct
            messages.append(f"{handler}:{result.message}")
        if result == DEFAULT:
            continue
        if total == DEFAULT:
            total = result
            continue
        total = CheckResult(
            total.code or result.code,
            "",
            min(total.valid_seconds, result.valid_seconds),
            min(total.valid_uses, result.valid_uses),
        )
    if total == DEFAULT:
        return UNOPPOSED
    return CheckResult(total.code, ", ".join(messages), total.valid_seconds, total.valid_uses, direct=direct)
