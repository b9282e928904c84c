"""Parameters of handlers: from the `params` that a user wrote to the adapter's own message."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import Message

from flotilla_shared.model.expressions import parse_duration

DURATION = "google.protobuf.Duration"
NANOSECONDS = 1_000_000_000


class ParamsError(ValueError):
    """The parameters do not fit; the text says where and why."""


def read_params(struct: Any, into: Message) -> Message:
    """`into`, which holds the defaults, overwritten field by field. Raises ParamsError.

    camelCase and snake_case are both taken, durations as Go writes them (`10m`); a field that the adapter does not
    have is an error.
    """
    content = _with_durations(whole_numbers(MessageToDict(struct)), into.DESCRIPTOR)
    given = type(into)()
    try:
        ParseDict(content, given)
    except ParseError as error:
        raise ParamsError(str(error)) from error
    for field, _ in given.ListFields():
        into.ClearField(field.name)
    into.MergeFrom(given)
    return into


def _with_durations(content: Any, message: Any) -> Any:
    """The same content with durations as protobuf's JSON has them: in seconds."""
    if message.full_name == DURATION:
        span = parse_duration(content) if isinstance(content, str) else None
        return content if span is None else f"{span // NANOSECONDS}.{span % NANOSECONDS:09d}s"
    if not isinstance(content, dict) or message.full_name.startswith("google.protobuf."):
        return content
    fields = {name: field for field in message.fields for name in (field.name, field.json_name)}
    return {key: _converted(value, fields.get(key)) for key, value in content.items()}


def _converted(value: Any, field: Any) -> Any:
    if field is None or field.message_type is None:
        return value
    if isinstance(value, list):
        return [_with_durations(each, field.message_type) for each in value]
    return _with_durations(value, field.message_type)


def whole_numbers(value: Any) -> Any:
    """The same content with 9.0 as 9: a Struct has only doubles, and integer fields take none."""
    if isinstance(value, dict):
        return {key: whole_numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [whole_numbers(each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
