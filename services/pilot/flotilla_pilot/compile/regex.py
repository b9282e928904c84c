"""Whether Envoy's regular expressions (RE2) know a pattern: a bad one would lose a whole route table."""

import re
import warnings
from functools import lru_cache
from typing import Any

_FOREIGN = re.compile(r"\\[pP](\{\^?\w+\}|\w)|\\[zCQE]|\[\[:\^?\w+:\]\]|\(\?[a-zA-Z]+\)")
"""What RE2 knows and Python does not; each is one thing that Python can stand in for with `a`."""

_UNKNOWN_TO_RE2 = {
    "ASSERT": "look-ahead or look-behind",
    "ASSERT_NOT": "look-ahead or look-behind",
    "GROUPREF": "a back-reference",
    "GROUPREF_EXISTS": "a conditional group",
    "ATOMIC_GROUP": "an atomic group",
    "POSSESSIVE_REPEAT": "a possessive repeat",
}
_MAX_REPEAT = 1000
_ENDLESS = int(re._constants.MAXREPEAT)  # type: ignore[attr-defined]


@lru_cache(maxsize=4096)
def regex_fault(pattern: str) -> str:
    """Why RE2 would refuse `pattern`; empty if it would not. Python's own parser is asked."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = re._parser.parse(_FOREIGN.sub("a", pattern))  # type: ignore[attr-defined]
    except (re.error, OverflowError) as error:
        return f"is no regular expression: {error}"
    return _fault(tree)


def _fault(node: Any) -> str:
    """Walk the parser's tree, which nests sequences of (operation, argument)."""
    if isinstance(node, tuple) and len(node) == 2:
        operation = str(node[0])
        if operation in _UNKNOWN_TO_RE2:
            return f"uses {_UNKNOWN_TO_RE2[operation]}, which Envoy's RE2 has not"
        if operation.endswith("_REPEAT") and any(_MAX_REPEAT < int(count) < _ENDLESS for count in node[1][:2]):
            return f"repeats more than {_MAX_REPEAT} times, which Envoy's RE2 refuses"
    children = getattr(node, "data", node)
    if not isinstance(children, tuple | list):
        return ""
    return next((fault for child in children if (fault := _fault(child))), "")
