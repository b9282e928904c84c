"""1.4's ServiceRoles and ServiceRoleBindings in the normal form: each binding is a policy that allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flotilla_protos.istio.rbac.v1alpha1.rbac_pb2 import PERMISSIVE
from flotilla_shared.model.authorization import attributes as of
from flotilla_shared.model.authorization.attributes import Attribute, attribute_of
from flotilla_shared.model.authorization.policy import Clause, Clauses, Policy, Rule
from flotilla_shared.model.authorization.trust_domains import with_aliases
from flotilla_shared.model.kinds import SERVICE_ROLES
from flotilla_shared.model.objects import ConfigObject, ObjectKey

Roles = Mapping[ObjectKey, ConfigObject]
ANYBODY = "*"
GROUPS = Attribute(of.CLAIMS, ("groups",))
_ACCESS = {"hosts": of.HOST, "paths": of.PATH, "methods": of.METHOD, "ports": of.DESTINATION_PORT}
_SUBJECT = {"namespaces": of.SOURCE_NAMESPACE, "ips": of.SOURCE_IP}


def role_of(binding: ConfigObject, root_namespace: str) -> ObjectKey | None:
    """The role that a binding names; None where it says by itself what may be done. `/name` is one of the root
    namespace.
    """
    spec = binding.spec
    name = spec.roleRef.name or spec.role
    if not name:
        return None
    if name.startswith("/"):
        return ObjectKey(SERVICE_ROLES, root_namespace, name[1:])
    return ObjectKey(SERVICE_ROLES, binding.key.namespace, name)


def policy_of_binding(binding: ConfigObject, roles: Roles, root_namespace: str, trust_domains: Sequence[str]) -> Policy:
    """The policy of a binding; its rules are those of its role, by number. A role that is not there has none.

    Raises ValueError for a constraint or a property that cannot be asked about.
    """
    spec, key = binding.spec, role_of(binding, root_namespace)
    role = roles.get(key) if key is not None else None
    listed = spec.actions if key is None else role.spec.rules if role is not None else ()
    sources = tuple(tuple(_subject(each, trust_domains)) for each in spec.subjects)
    rules = tuple(
        Rule(number, sources, (_access(each),))
        for number, each in enumerate(listed)
        if sources and (each.services or key is None)  # a rule of a role that names no service is of none
    )
    return Policy(binding.key, "ALLOW", rules, dry_run=spec.mode == PERMISSIVE)


def _access(rule: Any) -> Clauses:
    clauses = [Clause(Attribute(of.SERVICE), tuple(rule.services))] if rule.services else []
    for field, name in _ACCESS.items():
        values, unwanted = (tuple(map(str, getattr(rule, each))) for each in (field, f"not_{field}"))
        if (values and ANYBODY not in values) or unwanted:
            clauses.append(Clause(Attribute(name), () if ANYBODY in values else values, unwanted))
    clauses += [Clause(attribute_of(each.key), tuple(each.values)) for each in rule.constraints]
    return tuple(clauses)


def _subject(subject: Any, trust_domains: Sequence[str]) -> Iterator[Clause]:
    if subject.user and subject.user != ANYBODY:
        yield _callers([subject.user], (), trust_domains)
    if subject.names or subject.not_names:
        yield _callers(subject.names, subject.not_names, trust_domains)
    for field, name in _SUBJECT.items():
        values, unwanted = getattr(subject, field), getattr(subject, f"not_{field}")
        if values or unwanted:
            yield Clause(Attribute(name), tuple(values), tuple(unwanted))
    groups = [*subject.groups, *([subject.group] if subject.group else [])]
    if groups or subject.not_groups:
        yield Clause(GROUPS, tuple(groups), tuple(subject.not_groups))
    for key, value in sorted(subject.properties.items()):
        attribute = attribute_of(key)
        is_principal = attribute.name == of.SOURCE_PRINCIPAL
        yield Clause(attribute, with_aliases([value], trust_domains) if is_principal else (value,))


def _callers(values: Sequence[str], unwanted: Sequence[str], trust_domains: Sequence[str]) -> Clause:
    name = Attribute(of.SOURCE_PRINCIPAL)
    return Clause(name, with_aliases(values, trust_domains), with_aliases(unwanted, trust_domains))
