"""Filters of access logs: whether an expression of the Common Expression Language can be one.

Only what its signs tell: Envoy parses the expression itself, and Pilot leaves out a filter that Envoy refuses.
"""

from __future__ import annotations

import re

# A string, a number, a name, an operator or a bracket.
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>[rRbB]{0,2}(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
    |(?P<number>\d+\.\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|0x[0-9a-fA-F]+u?|\d+(?:[eE][-+]?\d+)?u?)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<operator>\|\||&&|==|!=|<=|>=|[-+*/%<>!?:.,])
    |(?P<open>[(\[{])|(?P<close>[)\]}]))""",
    re.VERBOSE,
)
_PAIRS = {")": "(", "]": "[", "}": "{"}
# Operators that may begin an operand.
_PREFIX = frozenset("-!")
_MAX_SIGNS = 10_000


def log_filter(text: str) -> str:
    """What is wrong with an expression, or ""."""
    if not text.strip():
        return "the expression is empty; write one such as response.code >= 400"
    opened: list[str] = []
    operand = False  # whether the sign before ended an operand
    place, signs = 0, 0
    while text[place:].strip():
        found = _TOKEN.match(text, place)
        signs += 1
        if found is None or signs > _MAX_SIGNS:
            return f"{text!r} is no expression: {text[place:].strip()[:20]!r} cannot be read"
        kind, sign = str(found.lastgroup), found.group().strip()
        wrong, operand = _step(kind, sign, opened, operand=operand)
        if wrong:
            return f"{text!r} is no expression: {wrong}"
        place = found.end()
    if opened:
        return f"{text!r} is no expression: {opened[-1]} is not closed"
    return "" if operand else f"{text!r} is no expression: it ends where a value must stand"


def _step(kind: str, sign: str, opened: list[str], *, operand: bool) -> tuple[str, bool]:
    """What is wrong with a sign after those before, and whether an operand ends with it."""
    if kind in ("text", "number", "name"):
        if sign == "in" and operand:
            return "", False
        return (f"an operator is missing before {sign}" if operand else ""), True
    if kind == "open":
        opened.append(sign)
        return "", False
    if kind == "close":
        if not opened or opened.pop() != _PAIRS[sign]:
            return f"{sign} closes nothing", True
        return "", True
    if not operand and sign not in _PREFIX and sign != ".":
        return f"a value is missing before {sign}", False
    return "", False
