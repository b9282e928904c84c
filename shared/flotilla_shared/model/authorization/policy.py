"""The normal form: a policy is rules, a rule is lists of clauses, and a clause asks one thing of a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from flotilla_shared.model.authorization.attributes import HTTP_ONLY, Attribute
from flotilla_shared.model.objects import ObjectKey

Action = Literal["ALLOW", "DENY", "AUDIT", "CUSTOM"]


@dataclass(frozen=True, slots=True)
class Clause:
    """Holds for a call whose attribute is one of `values`, if there are any, and none of `not_values`.

    Values are exact, `prefix*`, `*suffix` or `*` (whatever is there); addresses and networks for addresses.
    """

    attribute: Attribute
    values: tuple[str, ...] = ()
    not_values: tuple[str, ...] = ()

    @property
    def http_only(self) -> bool:
        return self.attribute.name in HTTP_ONLY


Clauses = tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """Holds where all clauses of one of `sources` do, all of one of `operations`, and all of `conditions`.

    Neither list is empty: who asks nothing has one alternative without clauses. `number` is its place in the object,
    from 0.
    """

    number: int
    sources: tuple[Clauses, ...] = ((),)
    operations: tuple[Clauses, ...] = ((),)
    conditions: Clauses = ()

    def on_tcp(self, action: Action) -> Rule | None:
        """The rule as it is for a connection that is not HTTP, as Istio has it (pilot.md 2.12).

        What only HTTP has cannot be asked: under ALLOW and CUSTOM the rule then holds never, and is None; under DENY
        and AUDIT the clause is left out, which makes the rule wider.
        """
        lists = (*self.sources, *self.operations, self.conditions)
        if not any(clause.http_only for clauses in lists for clause in clauses):
            return self
        if action in ("ALLOW", "CUSTOM"):
            return None
        return Rule(
            self.number,
            tuple(map(_without_http, self.sources)),
            tuple(map(_without_http, self.operations)),
            _without_http(self.conditions),
        )


def _without_http(clauses: Clauses) -> Clauses:
    return tuple(clause for clause in clauses if not clause.http_only)


@dataclass(frozen=True, slots=True)
class Target:
    """What a policy names instead of workloads: the object whose proxies it is for."""

    group: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Policy:
    """One object's say. `selector` is of workloads in its namespace, or in all of them from the root namespace.

    `dry_run`: it is worked out and told, and does nothing. `provider` is whom CUSTOM asks.
    """

    key: ObjectKey
    action: Action
    rules: tuple[Rule, ...]
    selector: Mapping[str, str] = field(default_factory=dict)
    targets: tuple[Target, ...] = ()
    dry_run: bool = False
    provider: str = ""
