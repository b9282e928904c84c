"""Values of headers that Envoy fills in: `%COMMAND%`, `%COMMAND(arguments)%`, `%%` (rule P16 of Istio's validation)."""

from __future__ import annotations

import re

_PIECE = re.compile(r"[^%]+|%%|%[A-Z0-9_]+(?:\([^)]*\))?(?::\d+)?%")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def header_value(value: str) -> str:
    """What is wrong with a value, or ""."""
    if _CONTROL.search(value):
        return f"{value!r} holds a control character"
    place = 0
    while place < len(value):
        found = _PIECE.match(value, place)
        if found is None:
            return f"{value!r}: what begins with {value[place : place + 20]!r} is no %COMMAND%; write %% for a percent sign"
        place = found.end()
    return ""
