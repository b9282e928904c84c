"""Names of rules, handlers and instances, and how they refer to one another (mixer.md 4.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flotilla_shared.model import kinds
from flotilla_shared.model.legacy_kinds import LEGACY_COLLECTIONS
from flotilla_shared.model.objects import ObjectKey

HANDLER, INSTANCE, RULE, TEMPLATE, ADAPTER = "handler", "instance", "rule", "template", "adapter"
_KINDS = {
    kinds.HANDLERS: HANDLER,
    kinds.INSTANCES: INSTANCE,
    kinds.RULES: RULE,
    kinds.TEMPLATES: TEMPLATE,
    kinds.ADAPTERS: ADAPTER,
}


def full_name(key: ObjectKey) -> str:
    """`name.kind.namespace`, as adapters and metrics know it."""
    kind = _KINDS.get(key.collection) or LEGACY_COLLECTIONS[key.collection]
    return f"{key.name}.{kind}.{key.namespace}"


def display_name(key: ObjectKey) -> str:
    """`name.namespace`, as callers read it in the message of a denial; of legacy kinds the full name."""
    return full_name(key) if key.collection in LEGACY_COLLECTIONS else f"{key.name}.{key.namespace}"


def by_full_name(keys: Iterable[ObjectKey]) -> Mapping[str, ObjectKey]:
    """What `resolve` looks names up in."""
    return {full_name(key): key for key in keys}


def resolve(known: Mapping[str, ObjectKey], kind: str, reference: str, namespace: str) -> ObjectKey | None:
    """The object that a rule in `namespace` means, of those that are `known` by their full names; None: there is none.

    `kind` is today's. `a` is `a.kind.namespace`; `a.b` is `a.b.namespace` (b a kind, as legacy references have it)
    or else `a.kind.b`; what has more parts is a full name.
    """
    first, *rest = reference.split(".")
    if not rest:
        return known.get(f"{first}.{kind}.{namespace}")
    if len(rest) == 1:
        return known.get(f"{reference}.{namespace}") or known.get(f"{first}.{kind}.{rest[0]}")
    return known.get(reference)
