"""The functions and operators of the language, with their types (mixer.md 3.2, 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

from flotilla_shared.model.expressions.values import ValueType

BOOL, STRING, STRING_MAP = ValueType.BOOL, ValueType.STRING, ValueType.STRING_MAP
ANY = None  # the type of the first argument that may have any

Type = ValueType | None


@dataclass(frozen=True, slots=True)
class Signature:
    """`target` is the type of what a method is called on; only methods have one."""

    arguments: tuple[Type, ...]
    result: Type
    target: Type = None
    method: bool = False


def _comparison() -> Signature:
    return Signature((ANY, ANY), BOOL)


FUNCTIONS = {
    "EQ": _comparison(),
    "NEQ": _comparison(),
    "LT": _comparison(),
    "LEQ": _comparison(),
    "GT": _comparison(),
    "GEQ": _comparison(),
    "LAND": Signature((BOOL, BOOL), BOOL),
    "LOR": Signature((BOOL, BOOL), BOOL),
    "OR": Signature((ANY, ANY), ANY),
    "ADD": Signature((ANY, ANY), ANY),
    "INDEX": Signature((STRING_MAP, STRING), STRING),
    "conditional": Signature((BOOL, ANY, ANY), ANY),
    "conditionalString": Signature((BOOL, STRING, STRING), STRING),
    "emptyStringMap": Signature((), STRING_MAP),
    "size": Signature((STRING,), ValueType.INT64),
    "ip": Signature((STRING,), ValueType.IP_ADDRESS),
    "timestamp": Signature((STRING,), ValueType.TIMESTAMP),
    "dnsName": Signature((STRING,), ValueType.DNS_NAME),
    "email": Signature((STRING,), ValueType.EMAIL_ADDRESS),
    "uri": Signature((STRING,), ValueType.URI),
    "match": Signature((STRING, STRING), BOOL),
    "toLower": Signature((STRING,), STRING),
    "matches": Signature((STRING,), BOOL, STRING, method=True),
    "startsWith": Signature((STRING,), BOOL, STRING, method=True),
    "endsWith": Signature((STRING,), BOOL, STRING, method=True),
}
EQUALITY = frozenset(("EQ", "NEQ"))
ORDERING = frozenset(("LT", "LEQ", "GT", "GEQ"))
# What 1.4's compiler could not do, though its checker let it pass.
_UNEQUAL = frozenset((ValueType.DURATION, STRING_MAP))
ORDERED = frozenset((STRING, ValueType.INT64, ValueType.DOUBLE, ValueType.TIMESTAMP))
ADDED = frozenset((STRING, ValueType.INT64, ValueType.DOUBLE))


def unsupported(name: str, kind: ValueType) -> str:
    """Why an operator cannot work on a type that both sides have; empty if it can."""
    if name in EQUALITY and kind in _UNEQUAL:
        return f"two {kind} cannot be compared"
    if name in ORDERING and kind not in ORDERED:
        return f"{kind} has no order"
    if name == "ADD" and kind not in ADDED:
        return f"two {kind} cannot be added"
    return ""
