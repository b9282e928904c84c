"""Rows of `logentry` as entries of the forward protocol: `[time, record]` in MessagePack, under a tag (mixer.md 5.11)."""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from flotilla_mixer.kit.text import NANOSECONDS, text_of
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_shared.model.expressions import Duration, Timestamp

TAG, NAME, SEVERITY = "tag", "name", "severity"
MILLISECOND = 1_000_000
LATEST = 2**32  # seconds that an EventTime can tell
# An array of two, whose first is an extension of type 0 with 8 bytes: seconds and nanoseconds.
_EVENT_TIME = struct.Struct(">3sII")
_EVENT_HEAD, _ARRAY_OF_TWO = b"\x92\xd7\x00", b"\x92"
_PLAIN = frozenset((str, int, bool, float))  # what MessagePack has by itself

Entry = tuple[bytes, bytes]
"""A tag and an entry, each packed."""


def entry_size(entry: Entry) -> int:
    """Bytes of an entry, with the tag that it may have to be sent with."""
    return len(entry[0]) + len(entry[1])


class EntryWriter:
    """The entries of one instance. `most_bytes` is what one may have."""

    def __init__(self, spec: InstanceSpec, *, integer_duration: bool, most_bytes: int) -> None:
        self._names = spec.names.get("variables", ())
        self._name = spec.name
        self._has_tag = TAG in self._names
        self._integer_duration = integer_duration
        self._most = most_bytes
        self._encode = msgspec.msgpack.Encoder().encode
        self._tag = self._encode(spec.name)

    def entry(self, row: tuple[Any, ...]) -> Entry:
        """Raises ValueError for a row that has no entry.

        A variable `tag` that is a text and not empty is the tag, and then the instance's name is told in `name`, as 1.4
        has it. Values that are not there are left out.
        """
        moment, severity, _, variables, _ = row
        record = self._record(variables)
        record[SEVERITY] = _severity(severity)
        tag = self._tag
        try:
            if self._has_tag and type(record.get(TAG)) is str and record[TAG]:
                tag = self._encode(record.pop(TAG))
                record[NAME] = self._name
            content = self._time(moment) + self._encode(record)
        except (OverflowError, UnicodeEncodeError) as error:
            raise ValueError(f"a row of {self._name} has no entry: {error}") from error
        if len(tag) + len(content) > self._most:
            raise ValueError(
                f"an entry of {self._name} has {len(content)} bytes, and maxBatchSizeBytes allows {self._most}"
            )
        return tag, content

    def _record(self, variables: Any) -> dict[str, Any]:
        record: dict[str, Any] = {}
        for name, value in zip(self._names, variables, strict=True):
            if type(value) in _PLAIN:
                record[name] = value
            elif value is not None:
                record[name] = self._packable(value)
        return record

    def _packable(self, value: object) -> object:
        """Times and addresses as text, durations too or as whole milliseconds. 1.4 wrote times as an extension that Fluentd
        cannot read, and no maps.
        """
        if isinstance(value, Duration):
            return _milliseconds(value) if self._integer_duration else text_of(value)
        if isinstance(value, (Timestamp, bytes)):
            return text_of(value)
        if isinstance(value, Mapping):
            return {str(name): text_of(each) for name, each in value.items()}
        raise ValueError(f"a {type(value).__name__} in a row of {self._name} is no value of a log entry")

    def _time(self, moment: object) -> bytes:
        """The beginning of an entry. What an EventTime cannot tell, before 1970 or after 2106, is told in whole seconds."""
        if moment is None:
            moment = Timestamp(time.time_ns())
        if not isinstance(moment, Timestamp):
            raise ValueError(f"{text_of(moment)!r} is no time of an entry of {self._name}")  # noqa: TRY004  # as of any row
        seconds, nanoseconds = divmod(int(moment), NANOSECONDS)
        if 0 <= seconds < LATEST:
            return _EVENT_TIME.pack(_EVENT_HEAD, seconds, nanoseconds)
        return _ARRAY_OF_TWO + self._encode(seconds)


def _severity(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    raise ValueError(f"{text_of(value)!r} is no severity")


def _milliseconds(value: int) -> int:
    """Without what is left, towards zero, as Go divides."""
    return value // MILLISECOND if value >= 0 else -(-value // MILLISECOND)
