"""Rows of `logentry` to entries of Cloud Logging: a head, which needs the project, and a body of bytes."""

from __future__ import annotations

import itertools
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from google.logging.type.log_severity_pb2 import LogSeverity

from flotilla_mixer.adapters.stackdriver.http_request import HttpRequestWriter
from flotilla_mixer.adapters.stackdriver.messages import Logging
from flotilla_mixer.adapters.stackdriver.place import Place
from flotilla_mixer.adapters.stackdriver.series import GLOBAL, LONGEST_LABEL
from flotilla_mixer.adapters.stackdriver.wire import clean, field, shown
from flotilla_mixer.kit.gotext import TemplateError, template
from flotilla_mixer.kit.text import text_of
from flotilla_mixer.templates.catalogue import RESOURCE_DIMENSIONS
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_shared.model.expressions import Timestamp

LOG_NAME, TRACE = 12, 22  # fields of an entry
LONGEST_LOG_LABEL = 16_000  # characters: 64 KB in any script
LONGEST_TEXT = 1_000_000  # the entry is refused long before
BILLION = 1_000_000_000
EARLIEST, LATEST = 0, 253_402_300_799 * BILLION  # what a time of an entry may be
MOST_HEADS = 10_000
# Go's client took these names, in any case; what it does not know is DEFAULT.
SEVERITIES: Mapping[str, int] = {name.lower(): number for name, number in LogSeverity.items()}
Key = tuple[Any, ...]
_ID = re.compile(r"(?=.*[^0])[0-9a-fA-F]+")


class Log(Protocol):
    """What entries of one log have alike."""

    def head(self, key: Key, place: Place) -> bytes:
        """The log's name and the resource of an entry, as fields of it."""
        ...


@dataclass(slots=True)
class Entry:
    """One that waits. `trace` is its trace's ID, or empty."""

    log: Log
    key: Key
    trace: str
    body: bytes

    def encode(self, place: Place) -> bytes:
        """A LogEntry."""
        trace = field(TRACE, f"projects/{place.project}/traces/{self.trace}".encode()) if self.trace else b""
        return self.log.head(self.key, place) + trace + self.body


def size_of(entry: Entry) -> int:
    """About so many bytes: its head comes with the project."""
    return len(entry.body) + 200


class InsertIds:
    """An ID for each entry, by which Cloud Logging knows one that is sent again."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._prefix = secrets.token_hex(6)

    def new(self) -> str:
        return f"{self._prefix}-{next(self._numbers):x}"


class EntryWriter:
    """The entries of one instance; its log has the instance's name."""

    def __init__(self, spec: InstanceSpec, info: Any, messages: Logging, ids: InsertIds) -> None:
        self._spec = spec
        self._names = spec.names.get("variables", ())
        self._resource_names = spec.names.get(RESOURCE_DIMENSIONS, ())
        self._template = template(info.payload_template) if info.payload_template else None
        places = {name: place for place, name in enumerate(self._names)}
        self._labels = [(name, places[name]) for name in info.label_names]
        self._http = HttpRequestWriter(info.http_mapping, places) if info.HasField("http_mapping") else None
        self._trace, self._span = places.get(info.trace), places.get(info.span)
        self._messages = messages
        self._ids = ids
        self._heads: dict[Key, bytes] = {}
        self._heads_of: Place | None = None

    def entry(self, row: Sequence[Any], complain: Callable[[str], None]) -> Entry:
        """Raises ValueError for a row that does not fit. A payload that cannot be made is left out, and told."""
        moment, severity, kind, variables, of_resource = row
        if len(variables) != len(self._names) or len(of_resource) != len(self._resource_names):
            raise ValueError(f"{self._spec.name}: {len(variables)} variables do not fit its {len(self._names)} names")
        found = self._messages.entry(insert_id=self._ids.new(), severity=severity_of(severity))
        known = isinstance(moment, Timestamp) and EARLIEST <= moment <= LATEST
        found.timestamp.seconds, found.timestamp.nanos = divmod(moment if known else time.time_ns(), BILLION)
        for name, place in self._labels:
            found.labels[name] = clean(shown(variables[place]), LONGEST_LOG_LABEL)
        if self._template is not None:
            found.text_payload = self._payload(variables, complain)
        if self._http is not None:
            self._http.write(variables, found.http_request)
        if self._span is not None:
            found.span_id = hexadecimal(variables[self._span], 16)
        trace = "" if self._trace is None else hexadecimal(variables[self._trace], 32)
        return Entry(self, (kind, of_resource), trace, found.SerializeToString())

    def _payload(self, variables: Sequence[Any], complain: Callable[[str], None]) -> str:
        assert self._template is not None
        try:
            return clean(self._template.run(dict(zip(self._names, variables, strict=True))), LONGEST_TEXT)
        except TemplateError as error:
            complain(f"{self._spec.name}: {error}")
            return ""

    def head(self, key: Key, place: Place) -> bytes:
        if place is not self._heads_of or len(self._heads) > MOST_HEADS:
            self._heads.clear()
            self._heads_of = place
        try:
            found = self._heads.get(key)
        except TypeError:  # a map among them
            return self._made(key, place)
        if found is None:
            found = self._heads[key] = self._made(key, place)
        return found

    def _made(self, key: Key, place: Place) -> bytes:
        kind, values = text_of(key[0]), map(text_of, key[1])
        labels = {"project_id": place.project}
        if kind:
            labels = place.filled(dict(zip(self._resource_names, values, strict=True)))
        return head_of(self._messages, self._spec.name, kind or GLOBAL, labels, place)


def head_of(messages: Logging, log: str, kind: str, labels: Mapping[str, str], place: Place) -> bytes:
    """Fields that entries of one log and resource have alike."""
    found = messages.entry()
    found.log_name = f"projects/{place.project}/logs/{quote(log, safe='')}"
    found.resource.type = clean(kind, LONGEST_LABEL)
    found.resource.labels.update({name: clean(value, LONGEST_LABEL) for name, value in labels.items()})
    return bytes(found.SerializeToString())


def severity_of(text: object) -> int:
    return SEVERITIES.get(text.lower(), 0) if isinstance(text, str) else 0


def hexadecimal(value: object, digits: int) -> str:
    """An ID of a trace or span as Google writes it: shorter ones (B3 has traces of 16 digits) with zeros before. Empty
    for what is none.
    """
    if not isinstance(value, str) or len(value) > digits or not _ID.fullmatch(value):
        return ""
    return value.lower().zfill(digits)
