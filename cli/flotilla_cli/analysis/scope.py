"""Which messages are shown: those about the namespace that was asked for, at or above a level."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flotilla_galley.analysis.catalogue import Level
from flotilla_galley.analysis.kinds import NAMESPACES
from flotilla_galley.analysis.message import Message
from flotilla_galley.analysis.resource import Resource


@dataclass(frozen=True, slots=True)
class Scope:
    """`namespace` limits what is said of the cluster's objects ("": all), and of files' too if `files` is set."""

    namespace: str
    files: bool = False

    def holds(self, message: Message) -> bool:
        """What has no namespace is always said, but a Namespace is its own."""
        about = message.resource
        if about is None or not self.namespace or (about.file and not self.files):
            return True
        place = _namespace(about)
        return not place or place == self.namespace


def _namespace(resource: Resource) -> str:
    return resource.name if resource.key.collection == NAMESPACES else resource.namespace


def at_least(messages: Iterable[Message], level: str) -> list[Message]:
    """Those of a level, by its word, and the worse ones."""
    least = Level[level.upper()]
    return [each for each in messages if each.level.at_least(least)]
