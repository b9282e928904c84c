"""A handler of the template `authorization` that asks the mesh's own policies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from flotilla_mixer.authorization.call import AskedCall
from flotilla_mixer.authorization.engine import Verdict
from flotilla_mixer.kit.adapter import CheckCall, Environment, Judge
from flotilla_mixer.kit.asked import CallReader
from flotilla_mixer.kit.results import OK, CheckResult
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_shared.runtime.logs import get_logger

PERMISSION_DENIED = 7

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Validity:
    """How long, in seconds, and how often a client may use an answer again."""

    seconds: float
    uses: int


class JudgingHandler:
    """Answers PERMISSION_DENIED for what the judge denies, with the policy and the rule in the message.

    `permissive`: everything passes; what would have been is counted and told. An instance that leaves out what a policy
    asks about does not make the policy weaker: its calls are denied.
    """

    def __init__(
        self,
        instances: Iterable[InstanceSpec],
        judge: Callable[[], Judge],
        environment: Environment,
        validity: Validity,
        *,
        permissive: bool = False,
    ) -> None:
        self._readers = {each.name: CallReader(each) for each in instances}
        self._judge = judge
        self._environment = environment
        self._validity = validity
        self._permissive = permissive

    def check(self, calls: Sequence[CheckCall]) -> None:
        judge = self._judge()
        for call in calls:
            try:
                verdict = self._verdict(judge, call)
            except ValueError as error:
                call.fail(f"the row does not fit the instance {call.instance.name}: {error}")
            else:
                call.answer(self._result(verdict))

    def close(self) -> None:
        pass

    def _verdict(self, judge: Judge, call: CheckCall) -> Verdict:
        reader = self._readers.get(call.instance.name) or self._read(call.instance)
        asked = reader.read(call.row)
        lacking = judge.asked(asked) - reader.provided
        if lacking:
            return self._lacking(call.instance.name, min(lacking))
        if not asked.namespace:
            return Verdict(False, "denied: it is not known in which namespace the called workload is")
        verdict = judge.decide(asked)
        self._tell(verdict, asked)
        return verdict

    def _read(self, spec: InstanceSpec) -> CallReader:
        return self._readers.setdefault(spec.name, CallReader(spec))

    def _lacking(self, instance: str, attribute: str) -> Verdict:
        text = f"policies ask about {attribute}, which the instance {instance} does not give"
        self._environment.complain("instance", text)
        return Verdict(False, f"denied: {text}")

    def _tell(self, verdict: Verdict, asked: AskedCall) -> None:
        self._environment.decided("allowed" if verdict.allowed else "denied", str(verdict.by or ""))
        if verdict.dry_run is not None:
            outcome = "dry run: allowed" if verdict.dry_run.allowed else "dry run: denied"
            self._environment.decided(outcome, str(verdict.dry_run.by or ""))
        for each in verdict.audits:
            self._environment.decided("audited", str(each))
            _log.info(
                "a call is audited",
                policy=each.policy.full_name,
                rule=each.rule,
                allowed=verdict.allowed,
                source=asked.principal,
                service=asked.service,
                namespace=asked.namespace,
                method=asked.method or "",
                path=(asked.path or "").partition("?")[0],
            )

    def _result(self, verdict: Verdict) -> CheckResult:
        """The reason is told of what passes too: explanations of a Check show it."""
        code, text = (OK, verdict.text) if verdict.allowed else (PERMISSION_DENIED, verdict.text)
        if code and self._permissive:
            code, text = OK, f"passes, since the handler is permissive; {verdict.text}"
        return CheckResult(code, text, self._validity.seconds, self._validity.uses)
