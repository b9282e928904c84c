"""Names of rules, handlers and instances, and how they refer to one another (mixer.md 4.2)."""

from __future__ import annotations

from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ObjectKey

HANDLER, INSTANCE, RULE = "handler", "instance", "rule"
_KINDS = {kinds.HANDLERS: HANDLER, kinds.INSTANCES: INSTANCE, kinds.RULES: RULE}


def full_name(key: ObjectKey) -> str:
    """`name.kind.namespace`, as adapters and metrics know it."""
    return f"{key.name}.{_KINDS[key.collection]}.{key.namespace}"


def display_name(key: ObjectKey) -> str:
    """`name.namespace`, as callers read it in the message of a denial."""
    return f"{key.name}.{key.namespace}"


def resolve(collection: str, reference: str, namespace: str) -> ObjectKey | None:
    """The object that a rule in `namespace` means; None for a reference of no known form.

    `a` and `a.handler` are in the rule's namespace, `a.b` is `a` in namespace b, `a.handler.b` is the full name.
    """
    parts = reference.split(".")
    if not all(parts):
        return None
    if len(parts) == 1:
        return ObjectKey(collection, namespace, parts[0])
    if len(parts) == 2 and parts[1] == _KINDS[collection]:
        return ObjectKey(collection, namespace, parts[0])
    if len(parts) == 2:
        return ObjectKey(collection, parts[1], parts[0])
    if len(parts) == 3 and parts[1] == _KINDS[collection]:
        return ObjectKey(collection, parts[2], parts[0])
    return None
