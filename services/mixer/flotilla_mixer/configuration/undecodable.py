"""Objects that came and cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.problems import ProblemLog

Collections = Mapping[str, Mapping[ObjectKey, ConfigObject]]


@dataclass(frozen=True, slots=True)
class Undecodable:
    """In the place of a spec; `text` says what is wrong with it, and names the object."""

    text: str


def readable(collections: Collections, problems: ProblemLog) -> Collections:
    """The collections without what cannot be read, which is told."""
    bad = [item for found in collections.values() for item in found.values() if isinstance(item.spec, Undecodable)]
    for item in bad:
        problems.error(item.key, "undecodable", "spec", f"{item.spec.text}; nothing of it can be read.")
    touched = {item.key.collection for item in bad}
    return {
        name: {key: item for key, item in found.items() if not isinstance(item.spec, Undecodable)}
        if name in touched
        else found
        for name, found in collections.items()
    }
