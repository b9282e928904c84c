"""What its owner does not want to hear of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from flotilla_galley.analysis.message import Message

ANNOTATION = "galley.istio.io/analyze-suppress"
ALL = "*"


@dataclass(frozen=True, slots=True)
class Suppression:
    """Messages of a code about objects whose `Kind namespace/name` is `origin`, in which `*` stands for any text."""

    code: str
    origin: str

    @classmethod
    def parse(cls, text: str) -> Suppression:
        """`IST0102=Namespace foo`. Raises ValueError."""
        code, equals, origin = text.partition("=")
        if not equals or not code.strip() or not origin.strip():
            raise ValueError(f'{text!r} is not of the form CODE=KIND NAMESPACE/NAME, such as "IST0102=Namespace foo"')
        return cls(code.strip(), origin.strip())

    def covers(self, message: Message) -> bool:
        pattern = ".*".join(map(re.escape, self.origin.split("*")))
        return self.code in (message.code, ALL) and re.fullmatch(pattern, message.origin, re.DOTALL) is not None


def suppressed(message: Message, suppressions: Iterable[Suppression]) -> bool:
    """Whether the object's own annotation or one of these says to be silent about a message."""
    if message.resource is not None:
        codes = {each.strip() for each in message.resource.annotations.get(ANNOTATION, "").split(",")}
        if ALL in codes or message.code in codes:
            return True
    return any(each.covers(message) for each in suppressions)
