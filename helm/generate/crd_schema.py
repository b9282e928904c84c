"""Structural schemas from messages: protobuf's JSON form, as Kubernetes wants it described.

Today's kinds are described strictly: camel case, enums by name, one field of a oneof, the rules of `rules/`; what is not
described is pruned by the API server (and refused by kubectl). Kinds of Istio 1.4 had no schema and were written in either
spelling, with enums by name or number and nulls; theirs keep what they do not describe, so that Galley can say what
is wrong with it.
"""

from __future__ import annotations

from typing import Literal

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from helm.generate.rules.table import RULES, with_rules
from helm.generate.rules.terms import Schema

Era = Literal["today", "1.4"]

KEEP = {"x-kubernetes-preserve-unknown-fields": True}
INT_OR_STRING: Schema = {"x-kubernetes-int-or-string": True}
_UINT32 = {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}
_INT32 = {"type": "integer", "format": "int32"}
_WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Duration": {"type": "string"},
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Struct": {"type": "object", **KEEP},
    "google.protobuf.Value": KEEP,
    "google.protobuf.ListValue": {"type": "array", "items": KEEP},
    "google.protobuf.Any": {"type": "object", **KEEP},
}
_SCALARS: dict[int, Schema] = {
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "format": "byte"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number"},
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_SINT32: _INT32,
    FieldDescriptor.TYPE_SFIXED32: _INT32,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_FIXED32: _UINT32,
}
STATUS: Schema = {
    "type": "object",
    **KEEP,
    "properties": {
        "conditions": {
            "type": "array",
            "items": {
                "type": "object",
                **KEEP,
                "properties": {
                    "type": {"type": "string"},
                    "status": {"type": "string"},
                    "reason": {"type": "string"},
                    "message": {"type": "string"},
                    "lastProbeTime": {"type": "string", "format": "date-time"},
                    "lastTransitionTime": {"type": "string", "format": "date-time"},
                    "observedGeneration": INT_OR_STRING,
                },
            },
        },
        "observedGeneration": INT_OR_STRING,
        "validationMessages": {"type": "array", "items": {"type": "object", **KEEP}},
    },
}


def message_schema(descriptor: Descriptor, era: Era = "today") -> Schema:
    """The schema of a message. Messages that contain themselves are kept without being described."""
    return _message(descriptor, era, ())


def _message(descriptor: Descriptor, era: Era, around: tuple[str, ...]) -> Schema:
    known = _WELL_KNOWN.get(descriptor.full_name)
    if known is not None:
        return dict(known)
    if descriptor.full_name.startswith("google.protobuf.") and "value" in descriptor.fields_by_name:
        return {**_scalar(descriptor.fields_by_name["value"], era), "nullable": True}
    if descriptor.full_name in around:
        return {"type": "object", **KEEP}
    inner = (*around, descriptor.full_name)
    properties = {field.json_name: _field(field, era, inner) for field in descriptor.fields}
    made = {"type": "object", **(KEEP if era == "1.4" else {}), **({"properties": properties} if properties else {})}
    return made if era == "1.4" else _ruled(made, descriptor)


def _ruled(schema: Schema, descriptor: Descriptor) -> Schema:
    """With the rules of a message: at most one field of each oneof, and what the tables say."""
    choices = [
        _choice([field.json_name for field in each.fields]) for each in descriptor.oneofs if len(each.fields) > 1
    ]
    made = with_rules(schema, choices[0] if len(choices) == 1 else {"allOf": choices} if choices else {})
    rules = RULES.get(descriptor.full_name, {})
    fields = {name: added for name, added in rules.items() if name}
    return with_rules(with_rules(made, {"properties": fields} if fields else {}), rules.get("", {}))


def _choice(names: list[str]) -> Schema:
    """None of the fields, or one."""
    chosen = [{"required": [name]} for name in names]
    return {"oneOf": [{"not": {"anyOf": chosen}}, *chosen]}


def _field(field: FieldDescriptor, era: Era, around: tuple[str, ...]) -> Schema:
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        schema: Schema = {"type": "object", "additionalProperties": _one(message.fields_by_name["value"], era, around)}
    elif field.is_repeated:
        schema = {"type": "array", "items": _one(field, era, around)}
    else:
        schema = _one(field, era, around)
    return {**schema, "nullable": True} if era == "1.4" else schema


def _one(field: FieldDescriptor, era: Era, around: tuple[str, ...]) -> Schema:
    return _message(field.message_type, era, around) if field.message_type is not None else _scalar(field, era)


def _scalar(field: FieldDescriptor, era: Era) -> Schema:
    if field.enum_type is not None:
        return dict(INT_OR_STRING) if era == "1.4" else _enum(field)
    schema = _SCALARS.get(field.type, INT_OR_STRING)  # 64 bits are text in protobuf's JSON, and numbers are taken
    return dict(INT_OR_STRING) if era == "1.4" and schema.get("type") == "integer" else dict(schema)


def _enum(field: FieldDescriptor) -> Schema:
    assert field.enum_type is not None
    return {"type": "string", "enum": [value.name for value in field.enum_type.values]}
