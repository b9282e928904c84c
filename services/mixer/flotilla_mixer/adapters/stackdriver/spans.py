"""Rows of `tracespan` to spans of Cloud Trace (mixer.md 5.15)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.rpc.code_pb2 import Code

from flotilla_mixer.adapters.stackdriver.messages import Tracing
from flotilla_mixer.adapters.stackdriver.place import Place
from flotilla_mixer.adapters.stackdriver.wire import clean, field
from flotilla_mixer.kit.text import text_of
from flotilla_mixer.kit.trace_context import Context, read_context, rewritten
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_shared.model.expressions import Timestamp

NAME = 1  # the field of a span
MOST_ATTRIBUTES, LONGEST_KEY, LONGEST_VALUE, LONGEST_NAME = 32, 128, 256, 128  # bytes
TRACE_DIGITS = 32
BILLION = 1_000_000_000
SENT, RECEIVED = 1, 2  # kinds of message events
SERVER, CLIENT = 2, 3  # kinds of spans
STATUS_CODE = "http.status_code"
# Names that Cloud Trace shows as what they are, as 1.4's exporter wrote them.
KEYS = {
    "http.host": "/http/host",
    "http.method": "/http/method",
    "http.path": "/http/path",
    "http.status_code": "/http/status_code",
    "http.user_agent": "/http/user_agent",
}
# HTTP's codes as gRPC's, as 1.4's exporter had them; others below 200 and from 400 are UNKNOWN.
STATUSES: Mapping[int, int] = {
    400: Code.INVALID_ARGUMENT,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    409: Code.ALREADY_EXISTS,
    422: Code.INVALID_ARGUMENT,
    429: Code.RESOURCE_EXHAUSTED,
    499: Code.CANCELLED,
    501: Code.UNIMPLEMENTED,
    503: Code.UNAVAILABLE,
    504: Code.DEADLINE_EXCEEDED,
}
NAMES = {number: name for name, number in Code.items()}


@dataclass(slots=True)
class Span:
    """One that waits: IDs of its name, and all the rest of it."""

    trace: str
    span: str
    body: bytes

    def encode(self, place: Place) -> bytes:
        name = f"projects/{place.project}/traces/{self.trace}/spans/{self.span}"
        return field(NAME, name.encode()) + self.body


def size_of(span: Span) -> int:
    return len(span.body) + 120


class SpanWriter:
    """The spans of one instance."""

    def __init__(self, spec: InstanceSpec, messages: Tracing) -> None:
        self._tags = spec.names.get("span_tags", ())
        self._messages = messages
        self._fields = {name: place for place, name in enumerate(spec.template.fields)}
        self._ids = [self._fields[name] for name in ("trace_id", "span_id", "parent_span_id")]

    def context(self, row: Sequence[Any]) -> Context | None:
        """None where no IDs of trace and span can be read: such a row makes no span."""
        return read_context(*(row[place] for place in self._ids))

    def span(self, row: Sequence[Any], context: Context) -> Span:
        """Raises ValueError for a row that does not fit."""
        given = dict(zip(self._fields, row, strict=False))
        tags = row[len(self._fields)]
        if len(tags) != len(self._tags):
            raise ValueError(f"{len(tags)} tags do not fit the {len(self._tags)} of the span")
        client = given["client_span"] is True
        id_, parent = context.span, context.parent
        if given["rewrite_client_span_id"] is True:
            id_, parent = _rewritten(context, client)
        found = self._messages.span(span_id=id_, parent_span_id=parent, span_kind=CLIENT if client else SERVER)
        found.same_process_as_parent_span.value = False
        _truncate(found.display_name, text_of(given["span_name"]) or "unknown", LONGEST_NAME)
        _times(found, given["start_time"], given["end_time"])
        status = given["http_status_code"]
        status = status if type(status) is int and 0 < status < 1000 else 0
        if status:
            _status(found.status, status)
        self._attributes(found.attributes, tags, status)
        _events(found, client, given["request_total_size"], given["response_total_size"])
        return Span(context.trace.zfill(TRACE_DIGITS), id_, found.SerializeToString())

    def _attributes(self, target: Any, tags: Sequence[Any], status: int) -> None:
        values = dict(zip(self._tags, tags, strict=True))
        if status:
            values.setdefault(STATUS_CODE, status)
        for name, value in values.items():
            key = KEYS.get(name, name)
            if len(target.attribute_map) >= MOST_ATTRIBUTES or not 0 < len(key.encode()) <= LONGEST_KEY:
                target.dropped_attributes_count += 1
            elif type(value) is int and -(2**63) <= value < 2**63:
                target.attribute_map[key].int_value = value
            else:
                _truncate(target.attribute_map[key].string_value, text_of(value), LONGEST_VALUE)


def _rewritten(context: Context, client: bool) -> tuple[str, str]:
    """The IDs of a span and its parent: a client span gets an ID of its own, made of the one that it shares with the
    server's span, which becomes its child.
    """
    own = rewritten(context.span)
    return (own, context.parent) if client else (context.span, own)


def _truncate(target: Any, text: str, most: int) -> None:
    """At most so many bytes of UTF-8, whole characters, and how many bytes are missing."""
    if len(text) <= most and text.isascii():
        target.value = text
        return
    content = clean(text, len(text)).encode()
    target.value = content[:most].decode(errors="ignore")
    target.truncated_byte_count = min(len(content) - len(target.value.encode()), 2**31 - 1)


def _times(span: Any, start: object, end: object) -> None:
    if not isinstance(start, Timestamp) or not isinstance(end, Timestamp):
        raise ValueError("a span needs its start and its end")  # noqa: TRY004  # as of any misfit
    if not 0 <= start <= end <= 253_402_300_799 * BILLION:
        raise ValueError("a span cannot end before it starts, or start before 1970")
    span.start_time.seconds, span.start_time.nanos = divmod(int(start), BILLION)
    span.end_time.seconds, span.end_time.nanos = divmod(int(end), BILLION)


def _status(target: Any, http: int) -> None:
    code = STATUSES.get(http, Code.OK if 200 <= http < 400 else Code.UNKNOWN)
    target.code, target.message = code, NAMES[code]


def _events(span: Any, client: bool, request: object, response: object) -> None:
    """The request at the start, the answer at the end, with their sizes in bytes."""
    events = (
        (span.start_time, SENT if client else RECEIVED, request),
        (span.end_time, RECEIVED if client else SENT, response),
    )
    for moment, kind, size in events:
        event = span.time_events.time_event.add()
        event.time.CopyFrom(moment)
        event.message_event.type = kind
        if type(size) is int and 0 <= size < 2**63:
            event.message_event.uncompressed_size_bytes = size
