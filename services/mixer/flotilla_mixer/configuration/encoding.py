"""What a user wrote for a message, as the parts of its bytes (mixer.md 6.2).

Text in quotes is a constant and other text an expression; numbers and booleans stand for themselves; the keys of
maps are never expressions. Fields are named as in the .proto or as in its JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

from flotilla_mixer.templates import wire
from flotilla_mixer.templates.descriptors import Messages
from flotilla_mixer.templates.encoding import Nested, Part, Slot, encoder_of, type_wanted
from flotilla_mixer.templates.remote import MOMENTS, VALUE, WRAPPERS
from flotilla_shared.model.expressions import ValueType

DEEPEST = 32
QUOTES = "\"'`"


class FieldFault(ValueError):
    """Something at `path` cannot be encoded. `code` is that of the problem."""

    def __init__(self, code: str, path: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.path = path


class Encoding:
    """Reads what was written against the messages of a descriptor."""

    def __init__(self, messages: Messages, compile_text: Callable[[str, str], tuple[ValueType, int]]) -> None:
        """`compile_text` takes the path and the expression. It raises FieldFault."""
        self._messages = messages
        self._compile = compile_text

    def parts(self, message: DescriptorProto, content: Mapping[str, Any], path: str, depth: int = 0) -> list[Part]:
        """The parts of one message, in the order of its fields' numbers. Raises FieldFault."""
        if depth > DEEPEST:
            raise FieldFault("wrong-value", path, f"messages are nested deeper than {DEEPEST}.")
        fields = {name: each for each in message.field for name in (each.name, each.json_name or _camel(each.name))}
        found: list[tuple[int, Part]] = []
        for name, value in content.items():
            field = fields.get(name)
            if field is None:
                known = ", ".join(each.name for each in message.field if each.name != "name") or "none"
                text = f"the message {message.name} has no field {name}; its fields are: {known}."
                raise FieldFault("unknown-field", f"{path}.{name}", text)
            found += [(field.number, part) for part in self._field(field, value, f"{path}.{name}", depth)]
        found.sort(key=lambda each: each[0])
        return [part for _, part in found]

    def _field(self, field: Field, value: Any, path: str, depth: int) -> list[Part]:
        entry = self._messages.message(field.type_name) if field.type == Field.TYPE_MESSAGE else None
        if entry is not None and entry.options.map_entry:
            return self._map(field, entry, value, path, depth)
        if field.label != Field.LABEL_REPEATED:
            return [self._one(field, value, path, depth)]
        if not isinstance(value, list):
            raise FieldFault("wrong-type", path, "it must be a list.")
        return [self._one(field, each, f"{path}[{number}]", depth) for number, each in enumerate(value)]

    def _map(self, field: Field, entry: DescriptorProto, value: Any, path: str, depth: int) -> list[Part]:
        if isinstance(value, str):
            return [self._slot(field, value, path)]
        if not isinstance(value, dict):
            raise FieldFault("wrong-type", path, "it must be a map.")
        key, content = entry.field
        tag = wire.tag_of(field.number, Field.TYPE_MESSAGE)
        return [
            Nested(tag, (_key(key, name, path), self._one(content, each, f"{path}[{name}]", depth)))
            for name, each in sorted(value.items())
        ]

    def _one(self, field: Field, value: Any, path: str, depth: int) -> Part:
        if isinstance(value, str):
            constant = unquoted(value)
            return self._slot(field, value, path) if constant is None else self._constant(field, constant, path)
        if isinstance(value, dict) and field.type == Field.TYPE_MESSAGE:
            inner = self._messages.message(field.type_name)
            if inner is None:
                text = f"the template's descriptor does not describe {field.type_name.removeprefix('.')}."
                raise FieldFault("wrong-type", path, text)
            tag = wire.tag_of(field.number, Field.TYPE_MESSAGE)
            return Nested(tag, tuple(self.parts(inner, value, path, depth + 1)))
        return self._constant(field, value, path)

    def _slot(self, field: Field, text: str, path: str) -> Part:
        kind, place = self._compile(path, text)
        encode = encoder_of(self._messages, field, kind)
        if encode is None:
            raise FieldFault("wrong-type", path, f"{text!r} is {kind}, and must be {self._wanted(field)}.")
        return Slot((place,), encode)

    def _wanted(self, field: Field) -> str:
        name = field.type_name.removeprefix(".")
        wanted = type_wanted(field) or WRAPPERS.get(name) or MOMENTS.get(name)
        if field.type == Field.TYPE_ENUM:
            return f"{ValueType.STRING} or {ValueType.INT64}"
        return str(wanted) if wanted is not None else f"a {name.rpartition('.')[2]} with fields of its own"

    def _constant(self, field: Field, value: Any, path: str) -> bytes:
        """A number, a boolean, or text that stood in quotes."""
        if field.type == Field.TYPE_ENUM:
            return self._enum(field, value, path)
        kind = _kind_of(value)
        if field.type_name.removeprefix(".") == VALUE and kind is not None:
            return wire.message(field.number, wire.any_value(kind))(value)
        wanted = type_wanted(field)
        if wanted is ValueType.INT64 and kind is ValueType.DOUBLE and value.is_integer():
            lowest, highest = wire.RANGES.get(field.type, wire.WHOLE)
            if not lowest <= value <= highest:
                raise FieldFault("wrong-value", path, f"{value:.0f} is outside of {lowest} to {highest}.")
            return wire.scalar(field.number, field.type)(int(value))
        if kind is None or wanted is not kind:
            said = f"it must be {self._wanted(field)}, and {value!r} is {kind or 'none'}."
            raise FieldFault("wrong-type", path, said)
        return wire.scalar(field.number, field.type)(value)

    def _enum(self, field: Field, value: Any, path: str) -> bytes:
        numbers = self._messages.enum(field.type_name) or {}
        if isinstance(value, float) and value.is_integer():
            return wire.scalar(field.number, Field.TYPE_ENUM)(int(value))
        if value not in numbers:
            raise FieldFault("wrong-value", path, f"{value!r} is none of {', '.join(numbers)}.")
        return wire.scalar(field.number, Field.TYPE_ENUM)(numbers[value])


def unquoted(text: str) -> str | None:
    """What stands in the quotes around a text; None for one that is an expression."""
    found = text.strip()
    if len(found) < 2 or found[0] not in QUOTES or found[-1] != found[0] or found[0] in found[1:-1]:
        return None
    return found[1:-1]


def _camel(name: str) -> str:
    """A field's name in JSON, where a descriptor does not say it."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def _kind_of(value: Any) -> ValueType | None:
    return {bool: ValueType.BOOL, float: ValueType.DOUBLE, str: ValueType.STRING}.get(type(value))


def _key(field: Field, name: str, path: str) -> bytes:
    encode = wire.scalar(field.number, field.type)
    if field.type == Field.TYPE_STRING:
        return encode(name)
    if field.type == Field.TYPE_BOOL and name in ("true", "false"):
        return encode(name == "true")
    try:
        return encode(int(name))
    except (ValueError, TypeError, OverflowError) as error:
        raise FieldFault("wrong-value", f"{path}[{name}]", f"{name!r} is no key of this map.") from error
