"""AuthorizationPolicy in the normal form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flotilla_protos.istio.security.v1beta1.authorization_policy_pb2 import AuthorizationPolicy
from flotilla_shared.model.authorization import attributes as of
from flotilla_shared.model.authorization.attributes import Attribute, attribute_of
from flotilla_shared.model.authorization.policy import Action, Clause, Clauses, Policy, Rule, Target
from flotilla_shared.model.authorization.trust_domains import with_aliases
from flotilla_shared.model.objects import ConfigObject

DRY_RUN = "istio.io/dry-run"
_ACTIONS: Mapping[int, Action] = {
    AuthorizationPolicy.ALLOW: "ALLOW",
    AuthorizationPolicy.DENY: "DENY",
    AuthorizationPolicy.AUDIT: "AUDIT",
    AuthorizationPolicy.CUSTOM: "CUSTOM",
}
_SOURCE = {
    "principals": of.SOURCE_PRINCIPAL,
    "request_principals": of.REQUEST_PRINCIPAL,
    "namespaces": of.SOURCE_NAMESPACE,
    "service_accounts": of.SOURCE_ACCOUNT,
    "trust_domains": of.SOURCE_TRUST_DOMAIN,
    "ip_blocks": of.SOURCE_IP,
    "remote_ip_blocks": of.REMOTE_IP,
}
_OPERATION = {"hosts": of.HOST, "methods": of.METHOD, "paths": of.PATH, "ports": of.DESTINATION_PORT}


def policy_of(item: ConfigObject, trust_domains: Sequence[str]) -> Policy:
    """The policy of an AuthorizationPolicy. `trust_domains` are the mesh's own and its aliases.

    Raises ValueError, with the field first, for a condition that no policy of a valid object has.
    """
    spec = item.spec
    reader = _Reader(item.key.namespace, trust_domains)
    refs = [*spec.targetRefs, *([spec.targetRef] if spec.HasField("targetRef") else [])]
    return Policy(
        key=item.key,
        action=_ACTIONS.get(spec.action, "CUSTOM"),
        rules=tuple(reader.rule(number, rule) for number, rule in enumerate(spec.rules)),
        selector=dict(spec.selector.match_labels),
        targets=tuple(Target(each.group, each.kind, each.name) for each in refs),
        dry_run=item.annotations.get(DRY_RUN, "").lower() == "true",
        provider=spec.provider.name,
    )


class _Reader:
    """Reads the rules of one object."""

    def __init__(self, namespace: str, trust_domains: Sequence[str]) -> None:
        self._namespace = namespace
        self._trust_domains = trust_domains

    def rule(self, number: int, rule: Any) -> Rule:
        sources = tuple(self._listed(each.source, _SOURCE) for each in getattr(rule, "from"))
        operations = tuple(self._listed(each.operation, _OPERATION) for each in rule.to)
        return Rule(number, sources or ((),), operations or ((),), tuple(self._conditions(number, rule.when)))

    def _listed(self, message: Any, names: Mapping[str, str]) -> Clauses:
        found = (
            self._clause(Attribute(name), getattr(message, field), getattr(message, f"not_{field}"))
            for field, name in names.items()
        )
        return tuple(clause for clause in found if clause.values or clause.not_values)

    def _conditions(self, number: int, conditions: Any) -> Iterator[Clause]:
        for place, each in enumerate(conditions):
            try:
                attribute = attribute_of(each.key)
            except ValueError as error:
                raise ValueError(f"spec.rules[{number}].when[{place}].key: {error}") from error
            yield self._clause(attribute, each.values, each.not_values)

    def _clause(self, attribute: Attribute, values: Sequence[str], not_values: Sequence[str]) -> Clause:
        return Clause(attribute, self._values(attribute, values), self._values(attribute, not_values))

    def _values(self, attribute: Attribute, values: Sequence[str]) -> tuple[str, ...]:
        if attribute.name == of.SOURCE_PRINCIPAL:
            return with_aliases(values, self._trust_domains)
        if attribute.name == of.SOURCE_ACCOUNT:
            return tuple(each if "/" in each else f"{self._namespace}/{each}" for each in values)
        return tuple(values)
