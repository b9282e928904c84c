"""The words that tables of rules are written in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]
# Message -> field ("" for the message) -> what is added to its schema.
Table = Mapping[str, Mapping[str, Schema]]

LABEL = "^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$"
PORT: Schema = {"minimum": 1, "maximum": 65535}
# Where 0 is the same as not to be there.
PORT_OR_NONE: Schema = {"minimum": 0, "maximum": 65535}
PERCENT: Schema = {"minimum": 0, "maximum": 100}
NOT_NEGATIVE: Schema = {"minimum": 0}
SOME: Schema = {"minItems": 1}
FILLED: Schema = {"minLength": 1}
NAME: Schema = {"minLength": 1, "maxLength": 63, "pattern": LABEL}


def needs(*fields: str) -> Schema:
    return {"required": list(fields)}


def each(schema: Schema, **beside: Any) -> Schema:
    """Of a list: what its items must be; `beside` is said of the list."""
    return {**beside, "items": schema}


def values(schema: Schema, **beside: Any) -> Schema:
    """Of a map: what its values must be."""
    return {**beside, "additionalProperties": schema}


def rule(expression: str, message: str) -> Schema:
    """An expression of CEL that must hold, and the sentence to say where it does not."""
    return {"x-kubernetes-validations": [{"rule": expression, "message": message}]}


def given(field: str) -> str:
    """An expression: a list or map is there, and not empty."""
    return f"(has(self.{field}) && size(self.{field}) > 0)"


def both(*schemas: Schema) -> Schema:
    """All of them; rules are put one behind the other."""
    made: Schema = {}
    for schema in schemas:
        for key, value in schema.items():
            made[key] = made[key] + value if isinstance(value, list) and key in made else value
    return made


SPAN = rule("duration(self) >= duration('1ms')", "must be a time of at least 1ms, such as 1s or 500ms")
SPAN_OR_NONE = rule("duration(self) >= duration('0s')", "must be a time such as 1s or 500ms, or 0s, which is none")
# One of the ways to say what a policy is for.
TARGETS = rule(
    f"[has(self.selector), has(self.targetRef), {given('targetRefs')}].filter(x, x).size() <= 1",
    "selector, targetRef and targetRefs exclude each other; keep one of them",
)
REFERENCES: Schema = {"maxItems": 16}
