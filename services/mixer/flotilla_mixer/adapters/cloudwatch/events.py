"""Rows of `logentry` as the events of PutLogEvents, in requests that CloudWatch Logs takes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from flotilla_mixer.kit.gotext import Template, template
from flotilla_mixer.kit.text import text_of
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_shared.model.expressions import Timestamp

TIMESTAMP, SEVERITY, VARIABLES = 0, 1, 3  # places in a row
MOST_EVENTS, MOST_BYTES, EVENT_BYTES = 10_000, 1_048_576, 26
LONGEST = MOST_BYTES - EVENT_BYTES  # bytes of a message
LONGEST_SPAN = 24 * 3600 * 1000  # milliseconds of a request, exclusive
MILLISECOND = 1_000_000
# 1.4's, for instances with its variables; {{.timestamp}} and {{.severity}} are there in every template.
USUAL = (
    '{{or (.source_ip) "-"}} - {{or (.source_user) "-"}} [{{or (.timestamp.Format "2006-01-02T15:04:05Z07:00") "-"}}] '
    '"{{or (.method) "-"}} {{or (.url) "-"}} {{or (.protocol) "-"}}" {{or (.response_code) "-"}} {{or (.response_size) "-"}}'
)


class Event(NamedTuple):
    """A log event: milliseconds since 1970, and its text. `size` is what the limits count of it, in bytes."""

    time: int
    message: str
    size: int


class EventReader:
    """The rows of one instance. Without a payload of its own it is 1.4's usual line, or where the instance has none of that
    line's variables, time, severity and all variables.
    """

    def __init__(self, spec: InstanceSpec, payload: str) -> None:
        """Raises TemplateError."""
        self._spec = spec
        self._names = spec.names.get("variables", ())
        usual = template(USUAL)
        takes_usual = bool(usual.names & set(self._names))
        self._payload: Template | None = template(payload) if payload.strip() else usual if takes_usual else None

    def read(self, row: Any) -> Event:
        """Raises ValueError or TypeError for a row that makes no event."""
        moment = Timestamp(time.time_ns()) if row[TIMESTAMP] is None else row[TIMESTAMP]
        if not isinstance(moment, Timestamp):
            raise TypeError(f"{text_of(moment)[:50]!r} is no time")
        values = dict(zip(self._names, row[VARIABLES], strict=True))
        message = self._message(values, moment, row[SEVERITY] or "")
        return event(max(0, moment // MILLISECOND), message)

    def _message(self, values: Mapping[str, object], moment: Timestamp, severity: str) -> str:
        if self._payload is not None:
            return self._payload.run({**values, "timestamp": moment, "severity": severity})
        shown = " ".join(f"{name}={text_of(value)}" for name, value in values.items())
        return f"{text_of(moment)} {text_of(severity) or '-'} {shown}"


def event(moment: int, message: str) -> Event:
    """Raises ValueError for a message that CloudWatch does not take."""
    try:
        content = message.encode()
    except UnicodeEncodeError:  # half of a pair, which UTF-8 has no bytes for
        content = message.encode(errors="replace")
        message = content.decode()
    if not content:
        raise ValueError("its payload is empty")
    if len(content) > LONGEST:
        raise ValueError(f"its payload has {len(content)} bytes, and at most {LONGEST} are taken")
    return Event(moment, message, len(content) + EVENT_BYTES)


@dataclass(slots=True)
class LogRequest:
    """Events of less than a day, in the order of their times."""

    items: list[Event]


def requests(events: Sequence[Event]) -> Iterator[LogRequest]:
    """Of a batch within the limits of number and bytes, as the kit makes them: more than one where they span a day."""
    ordered = sorted(events, key=lambda each: each.time)
    begin = 0
    for place, each in enumerate(ordered):
        if each.time - ordered[begin].time >= LONGEST_SPAN:
            yield LogRequest(ordered[begin:place])
            begin = place
    if ordered:
        yield LogRequest(ordered[begin:])


def rejected(events: Sequence[Event], info: Mapping[str, int]) -> dict[str, list[Event]]:
    """Which events of a request were not taken, by cause, of its answer's rejectedLogEventsInfo. Ends are exclusive."""
    old = _within(info.get("tooOldLogEventEndIndex", 0), len(events))
    expired = max(old, _within(info.get("expiredLogEventEndIndex", 0), len(events)))
    new = max(expired, _within(info.get("tooNewLogEventStartIndex", len(events)), len(events)))
    found = {"too_old": events[:old], "past_retention": events[old:expired], "too_new": events[new:]}
    return {cause: list(items) for cause, items in found.items() if items}


def _within(place: int, most: int) -> int:
    return min(max(place, 0), most)
