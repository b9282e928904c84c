"""Parameters of handlers: from the `params` that a user wrote to the adapter's own message."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import Message


class ParamsError(ValueError):
    """The parameters do not fit; the text says where and why."""


def read_params(struct: Any, into: Message) -> Message:
    """`into`, which holds the defaults, overwritten field by field. Raises ParamsError.

    camelCase and snake_case are both taken; a field that the adapter does not have is an error.
    """
    content = whole_numbers(MessageToDict(struct))
    given = type(into)()
    try:
        ParseDict(content, given)
    except ParseError as error:
        raise ParamsError(str(error)) from error
    for field, _ in given.ListFields():
        into.ClearField(field.name)
    into.MergeFrom(given)
    return into


def whole_numbers(value: Any) -> Any:
    """The same content with 9.0 as 9: a Struct has only doubles, and integer fields take none."""
    if isinstance(value, dict):
        return {key: whole_numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [whole_numbers(each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
