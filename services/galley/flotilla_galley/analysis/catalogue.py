"""The catalogue of message types, from messages.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.resources import files
from string import Formatter

import yaml


class Level(Enum):
    """How bad it is; `wire` is Istio's number, the lower the worse."""

    ERROR = ("Error", 3)
    WARNING = ("Warning", 8)
    INFO = ("Info", 12)

    @property
    def word(self) -> str:
        return self.value[0]

    @property
    def wire(self) -> int:
        return self.value[1]

    def at_least(self, other: Level) -> bool:
        """Whether it is as bad as the other, or worse."""
        return self.wire <= other.wire


@dataclass(frozen=True, slots=True)
class MessageType:
    """`text` has its parameters in braces. `means` and `mend` are what the page about the code says; `mend` is a hint, too.
    `untold` is a sentence of a type that no analyzer tells: who does, or why nobody.

    Types of Istio 1.4 that today's Istio has otherwise share the code and have a name of their own.
    """

    code: str
    name: str
    level: Level
    text: str
    means: str = ""
    mend: str = ""
    untold: str = ""
    only_1_4: bool = False

    @property
    def parameters(self) -> frozenset[str]:
        return frozenset(name for _, name, _, _ in Formatter().parse(self.text) if name)


@cache
def catalogue() -> Mapping[str, MessageType]:
    """Every type by its name, in the order of codes."""
    content = (files(__package__) / "messages.yaml").read_text(encoding="utf-8")
    found = [
        MessageType(**{**each, "level": Level[each["level"].upper()]})
        for each in yaml.load(content, Loader=yaml.CSafeLoader)  # the safe loader of C
    ]
    return {each.name: each for each in sorted(found, key=lambda each: (each.code, each.only_1_4))}
