"""Whether Envoy's regular expressions (RE2) take a pattern: one that they refuse loses a whole route table.

Python's own parser reads the pattern, after what only RE2 knows was replaced by something alike. In doubt a
pattern is refused: its author is told, and nobody else is harmed.
"""

import re
import warnings
from functools import lru_cache
from typing import Any

PROGRAM_LIMIT = 32768
"""What a proxy's bootstrap must allow as `re2.max_program_size.error_level`, as Istio's does. Envoy's own
default, 100, refuses ordinary patterns."""

_REPEAT_LIMIT = 1000
_ENDLESS = int(re._constants.MAXREPEAT)  # type: ignore[attr-defined]
_CLASS_COST = 1000
_WIDE_COST = 40
_RE2_FLAGS = frozenset("imsU-")

_TOKEN = re.compile(
    r"(?P<quoted>\\Q.*?(?:\\E|\Z))|(?P<code>\\x\{[0-9A-Fa-f]{1,2}\}|\\C)|(?P<unicode>\\[pP](?:\{\^?\w+\}|\w))"
    r"|(?P<end>\\z)|(?P<python>\\[uUNZ]|\(\?\#)|\\.|(?P<posix>\[:\^?\w+:\])|\(\?(?P<flags>[a-zA-Z-]+)(?P<close>[):])"
    r"|(?P<named>\(\?<(?![=!]))",
    re.DOTALL,
)

_UNKNOWN = {
    "ASSERT": "look-ahead or look-behind",
    "ASSERT_NOT": "look-ahead or look-behind",
    "GROUPREF": "a back-reference",
    "GROUPREF_EXISTS": "a conditional group",
    "ATOMIC_GROUP": "an atomic group",
    "POSSESSIVE_REPEAT": "a possessive repeat",
}


class _Refused(ValueError):
    pass


@lru_cache(maxsize=4096)
def regex_fault(pattern: str) -> str:
    """Why Envoy would refuse `pattern`, to be read after it; empty if it would not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = re._parser.parse(_TOKEN.sub(_stand_in, pattern))  # type: ignore[attr-defined]
        size = _size(tree, 1) + _CLASS_COST * len(re.findall(r"\\[pP]", pattern))
    except _Refused as refused:
        return str(refused)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is no regular expression: {error}"
    return "" if size <= PROGRAM_LIMIT else "is too large for Envoy once its repeats are written out"


def _stand_in(token: re.Match[str]) -> str:
    """What Python is to read in place of a token; its own escapes stay as they are."""
    found = token.groupdict()
    if found["python"]:
        raise _Refused(f"uses {found['python']}, which Envoy's RE2 has not")
    if found["quoted"]:
        return re.escape(found["quoted"].removeprefix("\\Q").removesuffix("\\E"))
    if found["flags"]:
        if not set(found["flags"]) <= _RE2_FLAGS:
            raise _Refused(f"uses the flags {found['flags']!r}; Envoy's RE2 has i, m, s and U")
        return "(?:" if found["close"] == ":" else ""
    if found["named"]:
        return "(?P<"
    if found["end"]:
        return "$"
    return "a" if found["code"] or found["unicode"] or found["posix"] else token.group()


def _size(tree: Any, repeats: int) -> int:
    """An upper bound of RE2's program; `repeats` is the product of the repeats around. Raises _Refused."""
    return sum(_cost(str(operation), argument, repeats) for operation, argument in tree)


def _cost(operation: str, argument: Any, repeats: int) -> int:
    if operation in _UNKNOWN:
        raise _Refused(f"uses {_UNKNOWN[operation]}, which Envoy's RE2 has not")
    if operation == "LITERAL":
        return 2 * len(chr(argument).encode(errors="replace"))
    if operation == "IN":
        return sum(_cost(str(each), value, repeats) for each, value in argument)
    if operation == "RANGE":
        return 4 if argument[1] < 128 else _WIDE_COST
    if operation == "BRANCH":
        return sum(2 + _size(each, repeats) for each in argument[1])
    if operation == "SUBPATTERN":
        return 4 + _size(argument[3], repeats)
    if operation in ("MAX_REPEAT", "MIN_REPEAT"):
        least, most, tree = argument
        return _repeat_cost(int(least), int(most), tree, repeats)
    return 2 if operation == "AT" else _WIDE_COST


def _repeat_cost(least: int, most: int, tree: Any, repeats: int) -> int:
    """RE2 writes counted repeats out, and limits the product of nested ones."""
    count = max(least if most == _ENDLESS else most, 1)
    if count > 1 and count * repeats > _REPEAT_LIMIT:
        raise _Refused(f"repeats more than {_REPEAT_LIMIT} times, which Envoy's RE2 refuses")
    return count * (2 + _size(tree, count * repeats)) + 2
