"""Whether values are of the types that attribute manifests declare: the wire can carry any."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flotilla_shared.model.expressions import Duration, Timestamp, ValueType

NO_TYPES: Mapping[str, type] = MappingProxyType({})
WANTED = {
    str: "string",
    bool: "bool",
    float: "double",
    int: "integer or duration",
    Duration: "integer or duration",
    Timestamp: "timestamp",
    bytes: "bytes",
    dict: "string map",
}
PYTHON_TYPES: Mapping[ValueType, type] = MappingProxyType(
    {
        ValueType.INT64: int,
        ValueType.DOUBLE: float,
        ValueType.BOOL: bool,
        ValueType.TIMESTAMP: Timestamp,
        ValueType.DURATION: Duration,
        ValueType.IP_ADDRESS: bytes,
        ValueType.STRING_MAP: dict,
    }
)


def python_types(vocabulary: Mapping[str, ValueType]) -> Mapping[str, type]:
    """What each attribute must be in a bag."""
    return {name: PYTHON_TYPES.get(kind, str) for name, kind in vocabulary.items()}


class Declared:
    """What a configuration's manifests declare, for readers that take a whole message at once."""

    __slots__ = ("types", "unlike")

    def __init__(self, types: Mapping[str, type] = NO_TYPES) -> None:
        self.types = types
        # For each type the attributes that must not be of it.
        self.unlike = {
            kind: frozenset(name for name, declared in types.items() if declared is not kind) for kind in WANTED
        }


NOTHING_DECLARED = Declared()


def check_type(name: str, value: object, types: Mapping[str, type]) -> None:
    """Raises TypeError for a value that is not of the declared type; the text is 1.4's."""
    wanted = types.get(name)
    if wanted is not None and not _is(value, wanted):
        raise TypeError(f"error converting value to {WANTED[wanted]}: '{value}'")


class MistypedBag(dict[str, object]):
    """A bag with values of other types than declared: reading one of those raises TypeError, the others are there."""

    def __init__(self, content: Mapping[str, object], types: Mapping[str, type]) -> None:
        super().__init__(content)
        self._types = types

    def with_added(self, added: Mapping[str, object]) -> MistypedBag:
        """A bag with these attributes beside its own."""
        return MistypedBag({**added, **dict(self.items())}, self._types)

    def get(self, name: str, otherwise: Any = None) -> Any:
        if name in self:
            check_type(name, dict.__getitem__(self, name), self._types)
        return dict.get(self, name, otherwise)

    def __getitem__(self, name: str) -> object:
        if name in self:
            check_type(name, dict.__getitem__(self, name), self._types)
        return dict.__getitem__(self, name)


def typed_bag(content: dict[str, object], types: Mapping[str, type]) -> dict[str, object]:
    """The same bag, or one that minds, if something in it is not of its declared type."""
    for name, value in content.items():
        wanted = types.get(name)
        if wanted is not None and not _is(value, wanted):
            return MistypedBag(content, types)
    return content


def _is(value: object, wanted: type) -> bool:
    """Mixer's own maps are not dictionaries of everybody's."""
    return type(value) is wanted or (wanted is dict and isinstance(value, Mapping))
