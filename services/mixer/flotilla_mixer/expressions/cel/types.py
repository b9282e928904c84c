"""CEL's types, under the names that its errors show."""

from __future__ import annotations

from collections.abc import Mapping

from flotilla_shared.model.expressions import ValueType

INT, UINT, DOUBLE, STRING, BYTES, BOOL = "int", "uint", "double", "string", "bytes", "bool"
NULL, DYN, TYPE, TIMESTAMP, DURATION = "null_type", "dyn", "type", "timestamp", "duration"
IP, DNS, EMAIL, URI = (f"istio.policy.v1beta1.{name}" for name in ("IPAddress", "DNSName", "EmailAddress", "Uri"))
STRING_MAP = "map(string, string)"
NUMBERS = (INT, UINT, DOUBLE)
ORDERED = frozenset((*NUMBERS, STRING, BYTES, BOOL, TIMESTAMP, DURATION))

OF_ATTRIBUTES: Mapping[ValueType, str] = {
    ValueType.STRING: STRING,
    ValueType.INT64: INT,
    ValueType.DOUBLE: DOUBLE,
    ValueType.BOOL: BOOL,
    ValueType.TIMESTAMP: TIMESTAMP,
    ValueType.DURATION: DURATION,
    ValueType.IP_ADDRESS: IP,
    ValueType.DNS_NAME: DNS,
    ValueType.EMAIL_ADDRESS: EMAIL,
    ValueType.URI: URI,
    ValueType.STRING_MAP: STRING_MAP,
}
VALUE_TYPES = {name: kind for kind, name in OF_ATTRIBUTES.items()} | {TYPE: ValueType.STRING}
# Words that stand for types, as `type(x) == int` has them.
NAMES = frozenset((INT, UINT, DOUBLE, STRING, BYTES, BOOL, NULL, TYPE, "list", "map"))
WRAPPERS: Mapping[str, tuple[str, object]] = {
    f"google.protobuf.{name}Value": (kind, zero)
    for name, kind, zero in (
        ("Int32", INT, 0),
        ("Int64", INT, 0),
        ("UInt32", UINT, 0),
        ("UInt64", UINT, 0),
        ("Float", DOUBLE, 0.0),
        ("Double", DOUBLE, 0.0),
        ("Bool", BOOL, False),
        ("String", STRING, ""),
        ("Bytes", BYTES, b""),
    )
}
"""Messages of one value each: the type of the value, and what it is where nothing is said."""


def list_of(item: str) -> str:
    return f"list({item})"


def map_of(key: str, value: str) -> str:
    return f"map({key}, {value})"


def item_type(kind: str) -> str | None:
    """Of a list."""
    return kind[5:-1] if kind.startswith("list(") else None


def entry_types(kind: str) -> tuple[str, str] | None:
    """Key and value of a map. Keys are simple types, so the first comma ends them."""
    if not kind.startswith("map("):
        return None
    key, _, value = kind[4:-1].partition(", ")
    return key, value


def fits(one: str, other: str) -> bool:
    """Whether values of the two types may stand in one place."""
    return one == other or DYN in (one, other)


def common(kinds: list[str]) -> str:
    """The type of all, or `dyn`."""
    return kinds[0] if kinds and all(each == kinds[0] for each in kinds) else DYN
