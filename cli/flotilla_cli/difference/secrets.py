"""Values that must not be shown: those of fields named as secrets are, and keys in PEM wherever they stand."""

from __future__ import annotations

import re
from typing import Any

from flotilla_cli.difference.fields import ABSENT

_NAMES = re.compile(
    r"(password|passwd|passphrase|secret|token|apikey|accesskey|privatekey|clientkey|credentials?|authorization)$"
)
# Fields whose value names a secret, and is none.
_SHOWN = frozenset({"imagepullsecret", "credential", "jwttoken", "forwardoriginaltoken"})
_PEM_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_KEY = re.compile(r"""["']?([\w.-]+)["']?[ \t]*:(?=\s|$)""")
HIDDEN, BEFORE, AFTER = "(hidden)", "(hidden, as it was)", "(hidden, changed)"


def masked(before: Any, after: Any) -> tuple[Any, Any]:
    """Both sides (either may be ABSENT) without what is secret; that it changes can still be seen."""
    return _masked(before, after, secret=False)


def _masked(before: Any, after: Any, *, secret: bool) -> tuple[Any, Any]:
    if isinstance(before, dict) or isinstance(after, dict):
        return _mappings(before, after, secret=secret)
    if isinstance(before, list) or isinstance(after, list):
        return _lists(before, after, secret=secret)
    if not secret and not any(isinstance(each, str) and _PEM_KEY.search(each) for each in (before, after)):
        return before, after
    if before is ABSENT or after is ABSENT or before == after:
        return tuple(ABSENT if each is ABSENT else HIDDEN for each in (before, after))  # type: ignore[return-value]
    return BEFORE, AFTER


def _mappings(before: Any, after: Any, *, secret: bool) -> tuple[Any, Any]:
    """A side that is no mapping is hidden as a whole where anything of the other is."""
    left, right = (each if isinstance(each, dict) else {} for each in (before, after))
    named = any(is_secret(str(each.get("name", ""))) for each in (left, right))
    made: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for name in {**left, **right}:
        inner = secret or is_secret(name) or (named and name != "name")
        pair = _masked(left.get(name, ABSENT), right.get(name, ABSENT), secret=inner)
        for side, value in zip(made, pair, strict=True):
            if value is not ABSENT:
                side[name] = value
    return _sides(before, after, made, dict, secret=secret)


def _lists(before: Any, after: Any, *, secret: bool) -> tuple[Any, Any]:
    left, right = (each if isinstance(each, list) else [] for each in (before, after))
    made: tuple[list[Any], list[Any]] = ([], [])
    for index in range(max(len(left), len(right))):
        pair = (each[index] if index < len(each) else ABSENT for each in (left, right))
        for side, value in zip(made, _masked(*pair, secret=secret), strict=True):
            if value is not ABSENT:
                side.append(value)
    return _sides(before, after, made, list, secret=secret)


def _sides(before: Any, after: Any, made: tuple[Any, Any], kind: type, *, secret: bool) -> tuple[Any, Any]:
    other = HIDDEN if secret else None
    left, right = (
        value if isinstance(each, kind) else each if each is ABSENT or other is None else other
        for each, value in zip((before, after), made, strict=True)
    )
    return left, right


def covered(text: str) -> str:
    """A text of YAML, line by line as it was, without what stands behind the names of secrets, and below them."""
    lines: list[str] = []
    below: int | None = None
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip(" -"))
        if below is not None and (indent > below or not line.strip()):
            lines.append(HIDDEN if line.strip() else line)
            continue
        key = next((found for found in _KEY.finditer(line) if is_secret(found[1])), None)
        below = indent if key is not None else None
        lines.append(line if key is None else f"{line[: key.end()]} {HIDDEN}")
    return "\n".join(lines)


def is_secret(name: str) -> bool:
    """Whether a field of this name holds what must not be shown."""
    plain = re.sub(r"[-_.]", "", name).lower()
    return plain not in _SHOWN and _NAMES.search(plain) is not None
