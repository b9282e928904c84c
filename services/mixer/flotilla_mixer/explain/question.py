"""What is asked of an explanation: attributes, quotas, and what may really happen. As JSON, for the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flotilla_mixer.offline.typed_values import typed, value_of

MOST_ATTRIBUTES = 10_000


class QuestionError(ValueError):
    """What was sent is no question; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Question:
    """`attributes` are taken as they are given. `consume`: quotas are asked for and used up. `send`: reports go to their
    handlers.
    """

    attributes: Mapping[str, object] = field(default_factory=dict)
    quotas: Mapping[str, int] = field(default_factory=dict)
    consume: bool = False
    send: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "attributes": {name: typed(value) for name, value in self.attributes.items()},
            "quotas": dict(self.quotas),
            "consume": self.consume,
            "send": self.send,
        }


def read_question(given: object) -> Question:
    """Raises QuestionError."""
    if not isinstance(given, Mapping):
        raise QuestionError("a question is an object with attributes, quotas, consume and send.")
    unknown = sorted(given.keys() - {"attributes", "quotas", "consume", "send"})
    if unknown:
        raise QuestionError(f"a question has no {unknown[0]!r}; it has attributes, quotas, consume and send.")
    return Question(
        _attributes(given.get("attributes") or {}),
        _quotas(given.get("quotas") or {}),
        _flag(given, "consume"),
        _flag(given, "send"),
    )


def _attributes(given: object) -> dict[str, object]:
    if not isinstance(given, Mapping) or len(given) > MOST_ATTRIBUTES:
        raise QuestionError(f"attributes is an object of at most {MOST_ATTRIBUTES} typed values.")
    found = {}
    for name, value in given.items():
        try:
            found[str(name)] = value_of(value)
        except Exception as error:
            text = f"the attribute {name!r} is no typed value such as {{'type': 'STRING', 'value': 'x'}}: {error}."
            raise QuestionError(text) from error
    return found


def _quotas(given: object) -> dict[str, int]:
    if not isinstance(given, Mapping) or not all(type(each) is int and abs(each) < 2**63 for each in given.values()):
        raise QuestionError("quotas is an object of names and whole amounts.")
    return {str(name): amount for name, amount in given.items()}


def _flag(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise QuestionError(f"{name} is true or false.")
    return value
