"""Messages that JSON writes in a way of their own: times, and plain data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2
from google.protobuf.message import Message

from flotilla_galley.validation.durations import Wrong, parse_duration
from flotilla_galley.validation.scalars import shown, text


def _duration(message: Message, content: object) -> None:
    assert isinstance(message, duration_pb2.Duration)
    if not isinstance(content, str):
        raise Wrong(f"{shown(content)} is no duration; write a number with its unit, such as 5s or 1m30s")
    seconds = parse_duration(content)
    message.seconds = int(seconds // 1_000_000_000) if seconds >= 0 else -int(-seconds // 1_000_000_000)
    message.nanos = seconds - message.seconds * 1_000_000_000


def _timestamp(message: Message, content: object) -> None:
    assert isinstance(message, timestamp_pb2.Timestamp)
    message.FromJsonString(text(content))


def _struct(message: Message, content: object) -> None:
    assert isinstance(message, struct_pb2.Struct)
    if not isinstance(content, dict):
        raise Wrong(f"{shown(content)} stands where a mapping must stand")
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


SPECIAL: Mapping[str, Callable[[Message, object], None]] = {
    "google.protobuf.Duration": _duration,
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Struct": _struct,
    "google.protobuf.Value": _value,
}
