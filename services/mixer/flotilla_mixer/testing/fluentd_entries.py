"""Entries of the forward protocol as receivers tell of them, whichever receiver it is."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import msgpack

EVENT_TIME = 0
NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class FluentdEntry:
    """`moment` is nanoseconds since 1970. `precise`: it came as an EventTime, and not as whole seconds."""

    tag: str
    moment: int
    record: dict[str, Any]
    precise: bool = True


class Violation(Exception):
    """What a client must not send."""


def demand(condition: object, text: str) -> None:
    if not condition:
        raise Violation(text)


def read_entry(tag: str, entry: Any) -> FluentdEntry:
    """Of `[time, record]`, decoded. Raises Violation."""
    demand(isinstance(entry, (list, tuple)) and len(entry) == 2, f"{entry!r} is no entry of two parts")
    moment, record = entry
    demand(isinstance(record, dict) and all(isinstance(name, str) for name in record), f"{record!r} is no record")
    demand(not _has_extension(record), f"{record!r} holds what Fluentd cannot read")
    if isinstance(moment, msgpack.ExtType):
        return FluentdEntry(tag, _event_time(moment), record)
    demand(isinstance(moment, int) and not isinstance(moment, bool), f"{moment!r} is no time")
    return FluentdEntry(tag, moment * NANOSECONDS, record, precise=False)


def _event_time(found: Any) -> int:
    demand(found.code == EVENT_TIME and len(found.data) == 8, f"{found!r} is no EventTime")
    seconds, nanoseconds = struct.unpack(">II", found.data)
    demand(nanoseconds < NANOSECONDS, f"{found!r} has more than a second of nanoseconds")
    return int(seconds * NANOSECONDS + nanoseconds)


def _has_extension(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_extension, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_has_extension, value))
    return isinstance(value, (msgpack.ExtType, msgpack.Timestamp, bytes))
