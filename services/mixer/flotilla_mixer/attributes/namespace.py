"""Whose rules hold for a bag."""

from __future__ import annotations

from collections.abc import Mapping

Bag = Mapping[str, object]


def identity_namespace(bag: Bag) -> str:
    """Whose rules hold (mixer.md 4.3): the namespace of the end that speaks, or none but the default ones.

    Never raises, for it is asked amid a batch: what is of another type than declared names no namespace.
    """
    try:
        found = _namespace_of_speaker(bag)
    except TypeError:
        return ""
    return found if isinstance(found, str) else ""


def _namespace_of_speaker(bag: Bag) -> object:
    """Raises TypeError where what it reads is of another type than declared."""
    kind = bag.get("context.reporter.kind")
    if kind is None or kind == "inbound":
        return bag.get("destination.namespace")
    return bag.get("source.namespace") if kind == "outbound" else None
