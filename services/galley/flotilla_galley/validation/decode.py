"""From plain data to a protobuf message, saying of every mistake where it is and what would be right.

The rules are those of protobuf's JSON form: both spellings of a field's name, numbers as text, enums by name or
number, durations as `1.5s`.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from flotilla_galley.validation.durations import Wrong
from flotilla_galley.validation.scalars import Reader, shown
from flotilla_galley.validation.shapes import Shape, way_of
from flotilla_shared.model.objects import Problem, Severity

# What a value that does not fit raises.
_REFUSALS = (ValueError, TypeError, OverflowError)
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
        descriptor = cast(Descriptor, message.DESCRIPTOR)
        way = way_of(descriptor)
        if way.special is not None:
            self._attempt(path, way.special, message, value)
        elif way.wrapped is not None:
            self._field(message, way.wrapped, value, path)
        elif isinstance(value, dict):
            self._fields(message, descriptor, value, path)
        else:
            self._note("wrong-type", path, f"{shown(value)} stands where a mapping of fields must stand")

    def _fields(self, message: Message, descriptor: Descriptor, value: Mapping[str, Any], path: str) -> None:
        chosen: dict[str, str] = {}
        for name, content in value.items():
            where = f"{path}.{name}"
            shape = self.named(descriptor, name)
            if shape is None:
                self.unknown_field(descriptor, name, where)
                continue
            if content is None:
                if shape.full_name in _SET_BY_NULL:
                    getattr(message, shape.name).SetInParent()
                continue
            if shape.oneof and chosen.setdefault(shape.oneof, name) != name:
                text = f"{name} and {chosen[shape.oneof]} exclude each other; keep one of them"
                self._note("conflict", where, text)
                continue
            self._field(message, shape, content, where)

    def _field(self, message: Message, shape: Shape, content: object, path: str) -> None:
        if shape.form == "scalar":
            self.scalar(message, shape, content, path)
        elif shape.form == "message":
            inner = getattr(message, shape.name)
            inner.SetInParent()
            self.message(inner, content, path)
        elif shape.form == "list":
            self._list(message, shape, content, path)
        else:
            self._map(message, shape, content, path)

    def _list(self, message: Message, shape: Shape, content: object, path: str) -> None:
        if not isinstance(content, list):
            self._note("wrong-type", path, f"{shown(content)} stands where a list must stand; begin items with a dash")
            return
        items = getattr(message, shape.name)
        for index, item in enumerate(content):
            where = f"{path}[{index}]"
            if item is None:
                self.null_item(message, shape, where)
            elif shape.read is None:
                self.message(items.add(), item, where)
            else:
                self._item(items, shape.read, item, where)

    def _item(self, items: Any, read: Reader, item: object, path: str) -> None:
        try:
            items.append(read(item))
        except _REFUSALS as error:
            self._refused(path, error)

    def _map(self, message: Message, shape: Shape, content: object, path: str) -> None:
        if not isinstance(content, dict):
            self._note("wrong-type", path, f"{shown(content)} stands where a mapping must stand")
            return
        for name, item in content.items():
            self._attempt(f"{path}.{name}", self._entry, message, shape, name, item, f"{path}.{name}")

    def _entry(self, message: Message, shape: Shape, name: object, item: object, path: str) -> None:
        assert shape.key is not None and shape.key.read is not None and shape.value is not None  # noqa: PT018  # a map
        entries, key = getattr(message, shape.name), shape.key.read(name)
        if shape.value.read is None and item is None:
            self.null_entry(message, shape, key, path)
        elif shape.value.read is None:
            self.message(entries[key], item, path)
        else:
            entries[key] = shape.value.read(item)

    def _attempt(self, path: str, action: Callable[..., None], *arguments: object) -> None:
        try:
            action(*arguments)
        except _REFUSALS as error:
            self._refused(path, error)

    def _refused(self, path: str, error: Exception) -> None:
        text = str(error) if isinstance(error, Wrong) else " ".join(str(error).split())
        self._note("wrong-value", path, text)

    def named(self, descriptor: Descriptor, name: str) -> Shape | None:
        """The field that a name means, in any of its spellings, or None."""
        return way_of(descriptor).fields.get(name)

    def scalar(self, message: Message, shape: Shape, content: object, path: str) -> None:
        assert shape.read is not None
        try:
            setattr(message, shape.name, shape.read(content))
        except _REFUSALS as error:
            self._refused(path, error)

    def null_item(self, message: Message, shape: Shape, path: str) -> None:
        self._note("null-item", path, "the item is empty; fill or remove it")

    def null_entry(self, message: Message, shape: Shape, key: object, path: str) -> None:
        self._note("wrong-type", path, "nothing stands where a mapping of fields must stand; fill or remove it")

    def unknown_field(self, descriptor: Descriptor, name: str, path: str) -> None:
        if self._noted[self.unknown] >= MOST_PROBLEMS:
            return
        names = [each.json_name for each in descriptor.fields]
        near = difflib.get_close_matches(name, names, 1) if len(name) <= _NAME_CHARACTERS else []
        hint = f"; did you mean {near[0]}?" if near else f"; {descriptor.name} has " + ", ".join(names[:8])
        if not near and len(names) > 8:
            hint += " and others"
        self._note("unknown-field", path, f"there is no field {shown(name)} here{hint}", self.unknown)

    def _note(self, code: str, path: str, text: str, severity: Severity = "error") -> None:
        self._noted[severity] += 1
        if self._noted[severity] <= MOST_PROBLEMS:
            self.problems.append(Problem(code, path, text, severity))
