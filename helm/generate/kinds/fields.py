"""The fields of a kind: a table for each message, with type, bounds and meaning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from helm.generate.kinds.meanings import meanings
from helm.generate.kinds.sentences import OPEN
from helm.generate.rules.table import RULES
from helm.generate.rules.terms import Schema

_GOOGLE = "google.protobuf."
_WELL_KNOWN = {
    "Duration": "duration, such as `1.5s`",
    "Struct": "mapping of anything",
    "Value": "anything",
    "Any": "mapping of anything",
    "Timestamp": "time (RFC 3339)",
}
_SCALARS = {
    FieldDescriptor.CPPTYPE_BOOL: "true or false",
    FieldDescriptor.CPPTYPE_STRING: "text",
    FieldDescriptor.CPPTYPE_DOUBLE: "number",
    FieldDescriptor.CPPTYPE_FLOAT: "number",
}
_BOUNDS = {
    "minLength": "at least {} character",
    "maxLength": "at most {} character",
    "minItems": "at least {} item",
    "maxItems": "at most {} item",
    "minProperties": "at least {} field",
    "maxProperties": "at most {} entry",
}


def messages(descriptor: Descriptor) -> dict[str, Descriptor]:
    """A message and all in it, by full name, in the order in which they are met."""
    found: dict[str, Descriptor] = {}
    _meet(descriptor, found)
    return found


def _meet(descriptor: Descriptor, found: dict[str, Descriptor]) -> None:
    if descriptor.full_name in found or descriptor.full_name.startswith(_GOOGLE):
        return
    found[descriptor.full_name] = descriptor
    for field in descriptor.fields:
        inner = _value_of(field).message_type
        if inner is not None:
            _meet(inner, found)


def _value_of(field: FieldDescriptor) -> FieldDescriptor:
    """Of a map the field of its values."""
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        return message.fields_by_name["value"]
    return field


def is_field(descriptor: Descriptor, path: str) -> bool:
    """Whether a path of what is told, as far as it is known, is one of the message."""
    for part in path.split(".")[1:]:
        name = part.removesuffix("[]")
        if descriptor.full_name.startswith(_GOOGLE) or OPEN in name:
            return True
        if name == "*":
            continue
        found = next((field for field in descriptor.fields if field.json_name == name), None)
        if found is None:
            return False
        descriptor = _value_of(found).message_type or descriptor
    return True


def table(descriptor: Descriptor) -> str:
    """The fields of one message as a table, and what holds for several of them."""
    meant = meanings()[descriptor.full_name.removeprefix("istio.")]
    rules = RULES.get(descriptor.full_name, {})
    needed = rules.get("", {}).get("required", [])
    lines = ["| field | type | must be | meaning |", "|---|---|---|---|"]
    for field in descriptor.fields:
        bounds = [*(["there"] if field.json_name in needed else []), *_bounds(rules.get(field.json_name, {}))]
        cells = (f"`{field.json_name}`", type_of(field), "; ".join(bounds), meant[field.json_name])
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    together = [f"- {sentence}" for sentence in _together(descriptor, rules.get("", {}))]
    return "\n".join([*lines, *([""] if together else []), *together]) + "\n"


def _together(descriptor: Descriptor, rules: Schema) -> Iterator[str]:
    for each in descriptor.oneofs:
        if len(each.fields) > 1:
            yield f"at most one of {', '.join(f'`{field.json_name}`' for field in each.fields)}"
    for rule in rules.get("x-kubernetes-validations", ()):
        yield rule["message"]


def type_of(field: FieldDescriptor) -> str:
    """The type of a field in words."""
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        key = "port" if message.fields_by_name["key"].cpp_type != FieldDescriptor.CPPTYPE_STRING else "text"
        return f"map of {key} to {_one(message.fields_by_name['value'])}"
    return f"list of {_one(field)}" if field.is_repeated else _one(field)


def _one(field: FieldDescriptor) -> str:
    if field.enum_type is not None:
        return " \\| ".join(f"`{value.name}`" for value in field.enum_type.values).replace("\\|", "/")
    if field.message_type is None:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return "bytes in base64"
        return _SCALARS.get(field.cpp_type, "whole number")
    if field.message_type.full_name.startswith(_GOOGLE):
        name = field.message_type.full_name.removeprefix(_GOOGLE)
        return _WELL_KNOWN.get(name) or _one(field.message_type.fields_by_name["value"])
    return f"[{heading(field.message_type)}](#{heading(field.message_type).lower().replace('.', '')})"


def heading(descriptor: Descriptor) -> str:
    """A message's name with those around it, such as `HTTPFaultInjection.Delay`."""
    return descriptor.full_name.removeprefix(f"{descriptor.file.package}.")


def _bounds(schema: Schema) -> Iterator[str]:
    """What a schema adds, in words."""
    if "minimum" in schema or "maximum" in schema:
        yield _range(schema)
    for key, words in _BOUNDS.items():
        if key in schema and schema[key] != 0:
            plural = "" if schema[key] == 1 else "s"
            yield (words.format(schema[key]) + plural).replace("entrys", "entries")
    if schema.get("maxLength") == 0:
        yield "empty"
    if "enum" in schema:
        yield "one of " + ", ".join(f"`{each}`" for each in schema["enum"] if each)
    if "pattern" in schema:
        yield f"of the form `{schema['pattern']}`"
    for rule in schema.get("x-kubernetes-validations", ()):
        yield rule["message"].removeprefix("must be ").removeprefix("must ")
    for part, words in (("items", "each item"), ("additionalProperties", "each value")):
        if part in schema and (inner := list(_bounds(schema[part]))):
            yield f"{words}: {', '.join(inner)}"


def _range(schema: dict[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is None or most is None:
        return (
            f"at most {most}"
            if least is None
            else f"above {least}"
            if schema.get("exclusiveMinimum")
            else f"at least {least}"
        )
    return f"{least} to {most}"
