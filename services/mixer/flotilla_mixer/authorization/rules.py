"""A rule as a function of a call, and the attributes that it asks about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from flotilla_mixer.authorization.call import AskedCall
from flotilla_mixer.authorization.clauses import Predicate, clause_test
from flotilla_shared.model.authorization.policy import Clauses, Rule

REMEMBERED = 10_000  # rules


@lru_cache(maxsize=REMEMBERED)
def rule_test(rule: Rule) -> Predicate:
    """The rule, compiled; one that is still the same after a change of the configuration is not compiled anew. Raises
    ValueError for a value that an attribute cannot have.
    """
    return _all(
        [
            each
            for each in (_either(rule.sources), _either(rule.operations), _every(rule.conditions))
            if each is not None
        ]
    )


def _either(alternatives: Iterable[Clauses]) -> Predicate | None:
    """One of them; None where one asks nothing."""
    tests = [_every(clauses) for clauses in alternatives]
    found = [test for test in tests if test is not None]
    if len(found) < len(tests):
        return None
    return found[0] if len(found) == 1 else lambda call: any(test(call) for test in found)


def _every(clauses: Clauses) -> Predicate | None:
    return _all([clause_test(each) for each in clauses]) if clauses else None


def _all(tests: Sequence[Predicate]) -> Predicate:
    if not tests:
        return _always
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda call: first(call) and second(call)
    return lambda call: all(test(call) for test in tests)


def _always(call: AskedCall) -> bool:
    return True


@lru_cache(maxsize=REMEMBERED)
def asked_of(rule: Rule) -> frozenset[str]:
    """The names of the attributes that the rule asks about; those of filters with their key."""
    clauses = (clause for found in (*rule.sources, *rule.operations, rule.conditions) for clause in found)
    return frozenset(
        str(clause.attribute) if clause.attribute.name.startswith("experimental.") else clause.attribute.name
        for clause in clauses
    )
