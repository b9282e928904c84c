"""The part of Go's text templates that Istio's benchmarks are written in: ranges over numbers, division and remainder."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_ACTION = re.compile(r"(\s*)\{\{(-)?\s*(.*?)\s*(-)?\}\}(\s*)", re.DOTALL)
_RANGE = re.compile(r"range \$(\w+) := (.+)")
_END = "end"

_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "until": range,
    "div": lambda number, by: number // by,
    "mod": lambda number, by: number % by,
}

Part = str | tuple[str, "Parts"]
"""Text, or an action with the parts inside it (of a range; others have none)."""

Parts = list[Part]


class BadTemplate(ValueError):
    """The template uses what is not known here; the text says what."""


def render(text: str, **fields: int) -> str:
    """The template with its fields filled in: `.Services` is `fields["Services"]`. Raises BadTemplate."""
    tokens = _tokens(text)
    return "".join(_filled(_parsed(tokens), {f".{name}": value for name, value in fields.items()}))


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Text and actions in turn, without the white space that a `-` takes away."""
    at = 0
    for found in _ACTION.finditer(text):
        before, trims_before, action, trims_after, after = found.groups()
        yield text[at : found.start()] + ("" if trims_before else before), action
        at = found.end() if trims_after else found.end() - len(after)
    yield text[at:], ""


def _parsed(tokens: Iterator[tuple[str, str]]) -> Parts:
    parts: Parts = []
    for text, action in tokens:
        parts.append(text)
        if action == _END:
            return parts
        if action:
            parts.append((action, _parsed(tokens) if action.startswith("range ") else []))
    return parts


def _filled(parts: Parts, known: Mapping[str, int]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
            continue
        action, inner = part
        repeated = _RANGE.fullmatch(action)
        if repeated is None:
            yield str(_value(action, known))
            continue
        name, numbers = repeated.groups()
        for number in _value(numbers, known):
            yield from _filled(inner, {**known, f"${name}": number})


def _value(expression: str, known: Mapping[str, int]) -> Any:
    """Of a function with its operands, or of one operand."""
    first, *operands = expression.split()
    if first in _FUNCTIONS:
        return _FUNCTIONS[first](*(_operand(each, known) for each in operands))
    if operands:
        raise BadTemplate(f"{first} is no function that is known here")
    return _operand(first, known)


def _operand(text: str, known: Mapping[str, int]) -> int:
    if text.isdecimal():
        return int(text)
    name = text.removeprefix("$") if text.startswith("$.") else text
    if name not in known:
        raise BadTemplate(f"{text} is not given")
    return known[name]
