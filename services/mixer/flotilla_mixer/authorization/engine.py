"""All policies of a mesh, compiled, and what they say of a call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from flotilla_mixer.authorization.call import AskedCall
from flotilla_mixer.authorization.clauses import Predicate
from flotilla_mixer.authorization.rules import asked_of, rule_test
from flotilla_shared.model.authorization.attributes import DESTINATION_LABELS
from flotilla_shared.model.authorization.policy import Action, Policy, Rule
from flotilla_shared.model.authorization.selection import PolicySelection
from flotilla_shared.model.kinds import by_collection
from flotilla_shared.model.objects import ObjectKey

NOTHING_ASKED: frozenset[str] = frozenset()
LABELS = frozenset((DESTINATION_LABELS,))
KNOWN_WORKLOADS = 10_000  # distinct pairs of namespace and labels whose policies are remembered


class Decisive(NamedTuple):
    """A rule that holds for a call."""

    policy: ObjectKey
    rule: int
    action: Action

    def __str__(self) -> str:
        return f"{kind_of(self.policy)} {self.policy.full_name} rule {self.rule}"


def kind_of(key: ObjectKey) -> str:
    """The kind of an object that says who may call what."""
    found = by_collection(key.collection)
    return found.kind if found is not None else key.collection


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a call may be made. `by` is the rule that says so: None where no rule decides, and `text` says why then.

    `audits` are the rules of action AUDIT that hold for it. `dry_run` is the verdict that there would be if policies
    that are only tried out counted, where that is another.
    """

    allowed: bool
    text: str
    by: Decisive | None = None
    audits: tuple[Decisive, ...] = ()
    dry_run: Verdict | None = None


NO_POLICY = Verdict(True, "allowed: no AuthorizationPolicy is for this workload")
NOBODY_DENIES = Verdict(True, "allowed: no AuthorizationPolicy denies it, and none says what is allowed")


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A rule, and what becomes of a call for which it holds."""

    decisive: Decisive
    test: Predicate
    verdict: Verdict
    asked: frozenset[str]


@dataclass(frozen=True, slots=True)
class _CompiledPolicy:
    """A policy's rules for calls that are HTTP, and for those that are not."""

    policy: Policy
    http: tuple[_Compiled, ...]
    tcp: tuple[_Compiled, ...]

    def rules(self, *, http: bool) -> tuple[_Compiled, ...]:
        return self.http if http else self.tcp


def compile_policy(policy: Policy) -> _CompiledPolicy:
    """Raises ValueError for a value that an attribute cannot have."""
    http = {rule: _compiled(policy, rule) for rule in policy.rules}
    tcp = [(rule, rule.on_tcp(policy.action)) for rule in policy.rules]
    return _CompiledPolicy(
        policy,
        tuple(http.values()),
        tuple(http[rule] if found is rule else _compiled(policy, found) for rule, found in tcp if found is not None),
    )


def _compiled(policy: Policy, rule: Rule) -> _Compiled:
    decisive = Decisive(policy.key, rule.number, policy.action)
    return _Compiled(decisive, rule_test(rule), _verdict(decisive, policy.provider), asked_of(rule))


def _verdict(decisive: Decisive, provider: str) -> Verdict:
    match decisive.action:
        case "ALLOW":
            return Verdict(True, f"allowed by {decisive}", decisive)
        case "CUSTOM":
            text = f"denied: {decisive} leaves it to the provider {provider!r}, which Mixer cannot ask"
            return Verdict(False, text, decisive)
    return Verdict(False, f"denied by {decisive}", decisive)


class _Chain:
    """What is asked, in this order, of calls that are HTTP or of those that are not."""

    def __init__(self, policies: Sequence[_CompiledPolicy], nothing: Verdict, *, http: bool) -> None:
        rules: dict[Action, list[_Compiled]] = {}
        for each in policies:
            rules.setdefault(each.policy.action, []).extend(each.rules(http=http))
        self._denying: tuple[_Compiled, ...] = (*rules.get("CUSTOM", ()), *rules.get("DENY", ()))
        self._allowing: tuple[_Compiled, ...] = tuple(rules.get("ALLOW", ()))
        self._audits = tuple(rules.get("AUDIT", ()))
        self._otherwise = _otherwise([each.policy for each in policies], nothing)
        self.asked = frozenset(name for found in rules.values() for each in found for name in each.asked)

    def decide(self, call: AskedCall) -> Verdict:
        for each in self._denying:
            if each.test(call):
                return each.verdict
        for each in self._allowing:
            if each.test(call):
                return each.verdict
        return self._otherwise

    def audited(self, call: AskedCall) -> tuple[Decisive, ...]:
        return tuple(each.decisive for each in self._audits if each.test(call))


def _chains(policies: Sequence[_CompiledPolicy], nothing: Verdict) -> tuple[_Chain, _Chain]:
    return _Chain(policies, nothing, http=True), _Chain(policies, nothing, http=False)


def _otherwise(policies: Sequence[Policy], nothing: Verdict) -> Verdict:
    """What holds where no rule does; `nothing`, where there is no policy at all."""
    allowing = [each.key for each in policies if each.action == "ALLOW"]
    if allowing:
        listed = ", ".join(each.full_name for each in allowing[:3]) + (" and others" if len(allowing) > 3 else "")
        return Verdict(False, f"denied: no rule of {kind_of(allowing[0])} {listed} allows it")
    return NOBODY_DENIES if policies else nothing


class WorkloadPolicies:
    """What holds for the workloads of one namespace with the same labels. Immutable."""

    def __init__(self, policies: Sequence[_CompiledPolicy], nothing: Verdict, asked: frozenset[str]) -> None:
        self.policies = tuple(each.policy for each in policies)
        in_force = [each for each in policies if not each.policy.dry_run]
        self._http, self._tcp = _chains(in_force, nothing)
        self._asked = asked | self._http.asked, asked | self._tcp.asked
        self._tried = _chains(policies, nothing) if len(in_force) < len(policies) else None

    def asked(self, *, http: bool) -> frozenset[str]:
        """The attributes that verdicts on such calls rest on, and with them which policies hold."""
        return self._asked[0 if http else 1]

    def decide(self, call: AskedCall) -> Verdict:
        """CUSTOM and DENY come first, then ALLOW; where some policy allows, what none allows is denied."""
        chain = self._http if call.is_http else self._tcp
        verdict = chain.decide(call)
        audits = chain.audited(call)
        if audits:
            verdict = replace(verdict, audits=audits)
        if self._tried is not None:
            tried = self._tried[0 if call.is_http else 1].decide(call)
            if tried.allowed != verdict.allowed:
                verdict = replace(verdict, dry_run=tried)
        return verdict


class PolicyEngine:
    """The policies of a whole mesh. Immutable, but for what it remembers of workloads that it was asked about.

    `nothing` is the verdict where no policy is for the called workload. Raises ValueError for a policy whose values an
    attribute cannot have.
    """

    def __init__(
        self,
        policies: Iterable[Policy] = (),
        root_namespace: str = "istio-system",
        nothing: Verdict = NO_POLICY,
    ) -> None:
        self._nothing = nothing
        self._compiled = {each.key: compile_policy(each) for each in policies}
        self._selection = PolicySelection((each.policy for each in self._compiled.values()), root_namespace)
        self._known: dict[tuple[str, frozenset[tuple[str, str]]], WorkloadPolicies] = {}
        self._shared: dict[tuple[frozenset[str], tuple[ObjectKey, ...]], WorkloadPolicies] = {}

    def __len__(self) -> int:
        return len(self._compiled)

    def of(self, namespace: str, labels: Mapping[str, str]) -> WorkloadPolicies:
        """The policies of a workload. Workloads for which the same policies are there share them."""
        workload = namespace, frozenset(labels.items())
        found = self._known.get(workload)
        if found is None:
            if len(self._known) >= KNOWN_WORKLOADS:
                self._known.clear()
                self._shared.clear()
            keys = tuple(each.key for each in self._selection.of(namespace, labels))
            asked = LABELS if self._selection.asks_labels(namespace) else NOTHING_ASKED
            same = asked, keys
            found = self._shared.get(same) or WorkloadPolicies(
                [self._compiled[key] for key in keys], self._nothing, asked
            )
            self._known[workload] = self._shared[same] = found
        return found

    def asked(self, call: AskedCall) -> frozenset[str]:
        """The names of the attributes that the verdict on a call rests on."""
        return self.of(call.namespace, call.labels).asked(http=call.is_http)

    def decide(self, call: AskedCall) -> Verdict:
        """The verdict on a call."""
        return self.of(call.namespace, call.labels).decide(call)
