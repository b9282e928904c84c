"""Strategies for any message of a kind, in the JSON that users write: every field that its type has may be there."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import strategies as st

Words = Mapping[str, st.SearchStrategy[Any]]
"""What a field may say, by `Message.field`, or for strings and numbers by `field` in whatever message.

The keys of a map have `{}` behind them.
"""

MOST_FIELDS, MOST_ITEMS = 4, 2

_WELL_KNOWN: Mapping[str, st.SearchStrategy[Any]] = {
    "google.protobuf.Duration": st.sampled_from(["1s", "0.001s", "10s", "3600s", "0s", "0.0000001s"]),
    "google.protobuf.Struct": st.just({}),
    "google.protobuf.BoolValue": st.booleans(),
    "google.protobuf.UInt32Value": st.sampled_from([0, 1, 50, 100, 2**32 - 1]),
    "google.protobuf.UInt64Value": st.sampled_from(["0", "1", "100", str(2**63)]),
    "google.protobuf.Int32Value": st.sampled_from([-1, 0, 1, 100]),
    "google.protobuf.DoubleValue": st.sampled_from([-1, 0, 0.5, 1, 20, 100, 1000]),
    "google.protobuf.StringValue": st.sampled_from(["", "a"]),
}
_SCALARS: Mapping[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_INT32: st.sampled_from([1, 0, -1, 50, 100, 2**31 - 1]),
    FieldDescriptor.TYPE_UINT32: st.sampled_from([1, 0, 50, 100, 2**32 - 1]),
    FieldDescriptor.TYPE_INT64: st.sampled_from(["1", "0", "-1", str(2**63 - 1)]),
    FieldDescriptor.TYPE_UINT64: st.sampled_from(["1", "0", "1024", str(2**64 - 1)]),
    FieldDescriptor.TYPE_DOUBLE: st.sampled_from([0.5, 0, 100, -1, 1000]),
    FieldDescriptor.TYPE_FLOAT: st.sampled_from([0.5, 0, 100]),
    FieldDescriptor.TYPE_BYTES: st.sampled_from(["", "aGk="]),
    FieldDescriptor.TYPE_STRING: st.sampled_from(["a", "x.y", "/p", "", "two words"]),
}


class AnyMessage:
    """Makes strategies of message types; `words` where a field's type does not say what is meant by it, `needed` the
    fields without which a message of that name means nothing.
    """

    def __init__(self, words: Words, needed: Mapping[str, frozenset[str]]) -> None:
        self._words, self._needed = words, needed
        self.of = cache(self._of)

    def _of(self, descriptor: Descriptor) -> st.SearchStrategy[dict[str, Any]]:
        """Some of the fields of a message; of each oneof one at most."""
        if descriptor.full_name in _WELL_KNOWN:
            return _WELL_KNOWN[descriptor.full_name]
        by_name = {field.json_name: field for field in descriptor.fields}
        always = self._needed.get(_short(descriptor), frozenset())
        others = sorted(set(by_name) - always)
        return st.deferred(lambda: _drawn(by_name, always, others, self._field))

    def _field(self, field: FieldDescriptor) -> st.SearchStrategy[Any]:
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            keys = self._words.get(f"{_name(field)}{{}}", _SCALARS[FieldDescriptor.TYPE_STRING])
            return st.dictionaries(keys, self._one(inner.fields_by_name["value"], field), max_size=MOST_ITEMS)
        one = self._one(field, field)
        if not field.is_repeated:
            return one
        return st.lists(one, min_size=int(self._is_needed(field)), max_size=MOST_ITEMS)

    def _is_needed(self, field: FieldDescriptor) -> bool:
        return field.json_name in self._needed.get(_owner(field), ())

    def _one(self, field: FieldDescriptor, stated: FieldDescriptor) -> st.SearchStrategy[Any]:
        """One value of `field`, which `stated` is written as: they differ for the values of a map."""
        if _name(stated) in self._words:
            return self._words[_name(stated)]
        if field.message_type is not None:
            return self.of(field.message_type)
        if stated.json_name in self._words:
            return self._words[stated.json_name]
        if field.enum_type is not None:
            return st.sampled_from([each.name for each in field.enum_type.values])
        return _SCALARS[field.type]


@st.composite
def _drawn(
    draw: Callable[[Any], Any],
    by_name: Mapping[str, FieldDescriptor],
    always: frozenset[str],
    others: list[str],
    strategy_of: Callable[[FieldDescriptor], st.SearchStrategy[Any]],
) -> dict[str, Any]:
    chosen = draw(st.lists(st.sampled_from(others), unique=True, max_size=MOST_FIELDS)) if others else []
    taken: set[str] = set()
    found: dict[str, Any] = {}
    for name in (*sorted(always), *chosen):
        group = by_name[name].containing_oneof
        if group is not None and group.name in taken:
            continue
        taken.update([group.name] if group is not None else [])
        found[name] = draw(strategy_of(by_name[name]))
    return found


def _short(descriptor: Descriptor) -> str:
    return descriptor.full_name.rpartition(".")[2]


def _owner(field: FieldDescriptor) -> str:
    return _short(field.containing_type) if field.containing_type is not None else ""


def _name(field: FieldDescriptor) -> str:
    return f"{_owner(field)}.{field.json_name}"
