"""Which quotas a call uses up: QuotaSpecs, bound to services by QuotaSpecBindings (mixer.md 8.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import re2  # type: ignore[import-untyped]

from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.problems import ProblemLog
from flotilla_shared.model.static_attributes import HOST, NAME, NAMESPACE

Bag = Mapping[str, object]
Test = Callable[[str], bool]
ANY = "*"
PATTERNS = re2.Options()
PATTERNS.log_errors = False


@dataclass(frozen=True, slots=True, eq=False)
class QuotaRule:
    """What a call uses: `charges` are (quota, amount). Without `matches` every call does; else one whose clauses all
    hold.
    """

    matches: tuple[Mapping[str, Test], ...]
    charges: tuple[tuple[str, int], ...]

    def holds(self, bag: Bag) -> bool:
        """Only texts can be asked about; an attribute that is missing does not fit."""
        return not self.matches or any(
            all(isinstance(value := bag.get(name), str) and test(value) for name, test in clauses.items())
            for clauses in self.matches
        )


@dataclass(frozen=True, slots=True)
class Bound:
    """A service of a binding: a host, or a name in a namespace; `*` is every service."""

    host: str
    name: str
    namespace: str

    def concerns(self, bag: Bag) -> bool:
        if self.host:
            return self.host in (ANY, bag.get(HOST))
        return self.name == bag.get(NAME) and self.namespace == bag.get(NAMESPACE)


@dataclass(frozen=True, slots=True)
class QuotaPlan:
    """All bindings with their rules, in the order of their names."""

    bindings: tuple[tuple[tuple[Bound, ...], tuple[QuotaRule, ...]], ...] = ()

    def charges(self, bag: Bag) -> dict[str, int]:
        """What a call uses of each quota; charges of one quota add up."""
        found: dict[str, int] = {}
        for services, rules in self.bindings:
            if any(each.concerns(bag) for each in services):
                for rule in rules:
                    if rule.holds(bag):
                        for quota, amount in rule.charges:
                            found[quota] = found.get(quota, 0) + amount
        return found


def quota_plan(
    specs: Mapping[ObjectKey, ConfigObject], bindings: Mapping[ObjectKey, ConfigObject], problems: ProblemLog
) -> QuotaPlan:
    """The plan of these objects. A rule or a reference that is wrong is left out and told."""
    rules = {key: tuple(_rules(specs[key], problems)) for key in sorted(specs)}
    found = []
    for key in sorted(bindings):
        item = bindings[key]
        named = [
            each for number, each in enumerate(item.spec.quota_specs) if _known(item, number, each, rules, problems)
        ]
        chosen = tuple(rule for each in named for rule in rules[_key(item, each)])
        services = tuple(Bound(each.service, each.name, each.namespace or key.namespace) for each in item.spec.services)
        if chosen and services:
            found.append((services, chosen))
    return QuotaPlan(tuple(found))


def _key(binding: ConfigObject, reference: Any) -> ObjectKey:
    return ObjectKey(kinds.QUOTA_SPECS, reference.namespace or binding.key.namespace, reference.name)


def _known(binding: ConfigObject, number: int, reference: Any, rules: Mapping[ObjectKey, Any], log: ProblemLog) -> bool:
    key = _key(binding, reference)
    if key not in rules:
        text = f"there is no QuotaSpec {key.namespace}/{key.name}; it is left out."
        log.error(binding.key, "no-quota-spec", f"spec.quotaSpecs[{number}]", text)
    return key in rules


def _rules(item: ConfigObject, problems: ProblemLog) -> Iterable[QuotaRule]:
    for number, rule in enumerate(item.spec.rules):
        try:
            matches = tuple({name: _test(each) for name, each in match.clause.items()} for match in rule.match)
        except re2.error as error:
            text = f"a pattern of it is none ({error}); the rule has no effect."
            problems.error(item.key, "bad-match", f"spec.rules[{number}].match", text)
            continue
        yield QuotaRule(matches, tuple((each.quota, max(1, each.charge)) for each in rule.quotas))


def _test(wanted: Any) -> Test:
    """Raises re2.error."""
    match wanted.WhichOneof("match_type"):
        case "prefix":
            prefix = wanted.prefix
            return lambda value: value.startswith(prefix)
        case "regex":
            pattern = re2.compile(wanted.regex, PATTERNS)
            return lambda value: bool(pattern.fullmatch(value))
    exact = wanted.exact
    return lambda value: value == exact
