"""From plain data to a protobuf message, saying of every mistake where it is and what would be right.

The rules are those of protobuf's JSON form: both spellings of a field's name, numbers as text, enums by name or
number, durations as `1.5s`.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from flotilla_galley.validation.durations import Wrong, parse_duration
from flotilla_shared.model.objects import Problem, Severity

_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_FLOATS = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)
_WRAPPERS = "google.protobuf."
# Of each severity: a reader needs no more, and an object may hold half a million fields that there are not.
MOST_PROBLEMS = 100
# A nearest name is sought for as long as names are: comparing takes time by the product of both lengths.
_NAME_CHARACTERS = 64
# Set and empty, though JSON's null is elsewhere as if nothing was written: `mtls:` alone is how people wrote STRICT.
_SET_BY_NULL = frozenset({"istio.authentication.v1alpha1.PeerAuthenticationMethod.mtls"})


@dataclass
class Decoder:
    """Decodes one spec. `unknown` says how fields that there are not are taken (DESIGN section 8)."""

    unknown: Severity = "warning"
    problems: list[Problem] = field(default_factory=list)
    _noted: Counter[Severity] = field(default_factory=Counter)

    def message(self, message: Message, value: object, path: str) -> None:
        """Fill `message` from a mapping; what does not fit is left out and noted."""
        special = _SPECIAL.get(message.DESCRIPTOR.full_name)
        if special is not None:
            self._attempt(path, special, message, value)
            return
        if message.DESCRIPTOR.full_name.startswith(_WRAPPERS) and "value" in message.DESCRIPTOR.fields_by_name:
            self._field(message, cast(FieldDescriptor, message.DESCRIPTOR.fields_by_name["value"]), value, path)
            return
        if not isinstance(value, dict):
            self._note("wrong-type", path, f"{_shown(value)} stands where a mapping of fields must stand")
            return
        self._fields(message, value, path)

    def _fields(self, message: Message, value: Mapping[str, Any], path: str) -> None:
        chosen: dict[str, str] = {}
        for name, content in value.items():
            where = f"{path}.{name}"
            found = self.named(cast(Descriptor, message.DESCRIPTOR), name)
            if found is None:
                self.unknown_field(cast(Descriptor, message.DESCRIPTOR), name, where)
                continue
            if content is None:
                if found.full_name in _SET_BY_NULL:
                    getattr(message, found.name).SetInParent()
                continue
            oneof = found.containing_oneof
            if oneof is not None and chosen.setdefault(oneof.name, name) != name:
                text = f"{name} and {chosen[oneof.name]} exclude each other; keep one of them"
                self._note("conflict", where, text)
                continue
            self._field(message, found, content, where)

    def _field(self, message: Message, found: FieldDescriptor, content: object, path: str) -> None:
        if _is_map(found):
            self._map(message, found, content, path)
        elif found.is_repeated:
            self._list(message, found, content, path)
        elif found.message_type is not None:
            inner = getattr(message, found.name)
            inner.SetInParent()
            self.message(inner, content, path)
        else:
            self.scalar(message, found, content, path)

    def _list(self, message: Message, found: FieldDescriptor, content: object, path: str) -> None:
        if not isinstance(content, list):
            self._note("wrong-type", path, f"{_shown(content)} stands where a list must stand; begin items with a dash")
            return
        items = getattr(message, found.name)
        for index, item in enumerate(content):
            where = f"{path}[{index}]"
            if item is None:
                self.null_item(message, found, where)
            elif found.message_type is not None:
                self.message(items.add(), item, where)
            else:
                self._attempt(where, lambda item=item: items.append(_scalar(found, item)))

    def _map(self, message: Message, found: FieldDescriptor, content: object, path: str) -> None:
        if not isinstance(content, dict):
            self._note("wrong-type", path, f"{_shown(content)} stands where a mapping must stand")
            return
        entries = getattr(message, found.name)
        assert found.message_type is not None
        key_field = found.message_type.fields_by_name["key"]
        value_field = found.message_type.fields_by_name["value"]
        for name, item in content.items():
            where = f"{path}.{name}"
            if value_field.message_type is not None:
                self._attempt(where, lambda n=name, i=item, w=where: self.message(entries[_scalar(key_field, n)], i, w))
            else:
                self._attempt(
                    where, lambda n=name, i=item: _put(entries, _scalar(key_field, n), _scalar(value_field, i))
                )

    def _attempt(self, path: str, action: Callable[..., None], *arguments: object) -> None:
        try:
            action(*arguments)
        except Wrong as error:
            self._note("wrong-value", path, str(error))
        except (ValueError, TypeError, OverflowError) as error:
            self._note("wrong-value", path, " ".join(str(error).split()))

    def named(self, descriptor: Descriptor, name: str) -> FieldDescriptor | None:
        """The field that a name means, in any of its spellings, or None."""
        found: FieldDescriptor | None = descriptor.fields_by_camelcase_name.get(name) or descriptor.fields_by_name.get(
            name
        )
        return found or next((each for each in descriptor.fields if each.json_name == name), None)

    def scalar(self, message: Message, found: FieldDescriptor, content: object, path: str) -> None:
        self._attempt(path, lambda: setattr(message, found.name, _scalar(found, content)))

    def null_item(self, message: Message, found: FieldDescriptor, path: str) -> None:
        self._note("null-item", path, "the item is empty; fill or remove it")

    def unknown_field(self, descriptor: Descriptor, name: str, path: str) -> None:
        if self._noted[self.unknown] >= MOST_PROBLEMS:
            return
        names = [each.json_name for each in descriptor.fields]
        near = difflib.get_close_matches(name, names, 1) if len(name) <= _NAME_CHARACTERS else []
        hint = f"; did you mean {near[0]}?" if near else f"; {descriptor.name} has " + ", ".join(names[:8])
        if not near and len(names) > 8:
            hint += " and others"
        self._note("unknown-field", path, f"there is no field {_shown(name)} here{hint}", self.unknown)

    def _note(self, code: str, path: str, text: str, severity: Severity = "error") -> None:
        self._noted[severity] += 1
        if self._noted[severity] <= MOST_PROBLEMS:
            self.problems.append(Problem(code, path, text, severity))


def _put(entries: Any, key: object, value: object) -> None:
    entries[key] = value


def _is_map(found: FieldDescriptor) -> bool:
    return bool(found.message_type is not None and found.message_type.GetOptions().map_entry)


def _scalar(found: FieldDescriptor, content: object) -> object:
    if found.enum_type is not None:
        return _enum(found.enum_type, content)
    if found.type == FieldDescriptor.TYPE_STRING:
        return _text(content)
    if found.type == FieldDescriptor.TYPE_BYTES:
        return _bytes(content)
    if found.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _bool(content)
    if found.cpp_type in _FLOATS:
        return _float(content)
    return _integer(content, *_RANGES[found.cpp_type])


def _enum(enum: EnumDescriptor, content: object) -> int:
    if isinstance(content, str) and content in enum.values_by_name:
        return int(enum.values_by_name[content].number)
    if isinstance(content, int) and not isinstance(content, bool) and content in enum.values_by_number:
        return content
    raise Wrong(f"{_shown(content)} is none of {', '.join(value.name for value in enum.values)}")


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    raise Wrong(f"{_shown(content)} stands where text must stand; put it in quotes")


def _bytes(content: object) -> bytes:
    if isinstance(content, str):
        try:
            return base64.b64decode(content, validate=True)
        except binascii.Error as error:
            raise Wrong("it is no base64") from error
    raise Wrong(f"{_shown(content)} stands where base64 text must stand")


def _bool(content: object) -> bool:
    if isinstance(content, bool):
        return content
    if content in ("true", "false"):  # a map's key
        return content == "true"
    raise Wrong(f"{_shown(content)} is neither true nor false")


def _float(content: object) -> float:
    if isinstance(content, int | float) and not isinstance(content, bool):
        return float(content)
    if isinstance(content, str):
        try:
            return float(content)
        except ValueError:
            pass
    raise Wrong(f"{_shown(content)} is no number")


def _integer(content: object, least: int, greatest: int) -> int:
    number = content
    if isinstance(number, str):
        try:
            number = int(number)
        except ValueError as error:
            raise Wrong(f"{_shown(content)} is no whole number") from error
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int):
        raise Wrong(f"{_shown(content)} is no whole number")
    if not least <= number <= greatest:
        raise Wrong(f"{number} is outside of {least} to {greatest}")
    return number


def _duration(message: Message, content: object) -> None:
    assert isinstance(message, duration_pb2.Duration)
    if not isinstance(content, str):
        raise Wrong(f"{_shown(content)} is no duration; write a number with its unit, such as 5s or 1m30s")
    seconds = parse_duration(content)
    message.seconds = int(seconds // 1_000_000_000) if seconds >= 0 else -int(-seconds // 1_000_000_000)
    message.nanos = seconds - message.seconds * 1_000_000_000


def _timestamp(message: Message, content: object) -> None:
    assert isinstance(message, timestamp_pb2.Timestamp)
    message.FromJsonString(_text(content))


def _struct(message: Message, content: object) -> None:
    assert isinstance(message, struct_pb2.Struct)
    if not isinstance(content, dict):
        raise Wrong(f"{_shown(content)} stands where a mapping must stand")
    _finite(content)
    message.update(content)


def _finite(content: Any) -> None:
    """Refuses numbers that JSON has not, at any depth."""
    if isinstance(content, float) and not math.isfinite(content):
        raise Wrong(f"{content} is no number that JSON can hold; write another")
    for each in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        _finite(each)


def _value(message: Message, content: Any) -> None:
    assert isinstance(message, struct_pb2.Value)
    _finite(content)
    holder = struct_pb2.Struct()
    holder.update({"value": content})
    message.CopyFrom(holder.fields["value"])


_SPECIAL: dict[str, Callable[[Message, object], None]] = {
    "google.protobuf.Duration": _duration,
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Struct": _struct,
    "google.protobuf.Value": _value,
}


def _shown(content: object) -> str:
    """A value as its author wrote it, more or less, and short."""
    if isinstance(content, dict):
        return "a mapping"
    if isinstance(content, list):
        return "a list"
    if isinstance(content, bool):
        return "true" if content else "false"
    text = repr(content)
    return text if len(text) <= 60 else text[:57] + "..."
