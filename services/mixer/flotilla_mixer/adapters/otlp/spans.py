"""Rows of `tracespan` as spans. Attributes have the names of OpenTelemetry's semantic conventions; tags go over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from flotilla_mixer.adapters.otlp.attributes import MOST_INT, AttributesWriter, AttributeWriter, fit_text
from flotilla_mixer.adapters.otlp.requests import Entry
from flotilla_mixer.adapters.otlp.resources import ResourceWriter
from flotilla_mixer.kit.text import text_of
from flotilla_mixer.kit.trace_context import LONG, Context, read_context, rewritten, wanted
from flotilla_mixer.templates.catalogue import TRACE_SPAN
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.flotilla.opentelemetry.trace_pb2 import Span, Status

NAME = "service.name"
SAMPLED, HAS_IS_REMOTE, IS_REMOTE = 0x1, 0x100, 0x200  # SpanFlags
MOST_TIME = 2**64 - 1
UNTRACED, UNSAMPLED = "untraced", "unsampled"
FIELDS = tuple(TRACE_SPAN.fields)
TAGS = len(FIELDS)  # place in a row


class Dropped(NamedTuple):
    """A row that is no span, for nobody's fault: the call has no trace, or its trace is not kept."""

    cause: str


class SpanWriter:
    """The spans of one instance. `share` of the traces is kept."""

    def __init__(self, spec: InstanceSpec, info: Any, fixed: Mapping[str, str], share: float) -> None:
        names = spec.names.get("span_tags", ())
        moved = set(info.resource_tags)
        self._spec = spec
        self._share = share
        self._own = [place for place, name in enumerate(names) if name not in moved]
        self._moved = [place for place, name in enumerate(names) if name in moved]
        own = [names[place] for place in self._own]
        self._width = len(names)
        self._tags = AttributesWriter(own, Span)
        self._resources = ResourceWriter(fixed, [*(names[place] for place in self._moved), NAME])
        self._unnamed = ResourceWriter(fixed, [names[place] for place in self._moved])
        self._derived = {name: AttributeWriter(name, Span) for name in DERIVED if name not in own}

    def entry(self, row: tuple[Any, ...]) -> Entry | Dropped:
        """Raises ValueError for a row that does not fit."""
        if len(row[TAGS]) != self._width:
            raise ValueError(f"{len(row[TAGS])} tags do not fit the {self._width} of {self._spec.name}")
        call = dict(zip(FIELDS, row[:TAGS], strict=True))
        if not call["trace_id"]:
            return Dropped(UNTRACED)
        context = read_context(call["trace_id"], call["span_id"], call["parent_span_id"])
        if context is None:
            raise ValueError(
                f"{text_of(call['trace_id'])[:100]!r} and {text_of(call['span_id'])[:100]!r} are no ids of a trace and a span"
            )
        if not wanted(context, self._share):
            return Dropped(UNSAMPLED)
        client = call["client_span"] is True
        span = _identified(context, client, rewrite=call["rewrite_client_span_id"] is True)
        _describe(span, call, client, self._spec.name)
        derived = [self._derived[name].write(value) for name, value in _derived(call, client) if name in self._derived]
        tags = self._tags.write([row[TAGS][place] for place in self._own])
        return Entry(self._resource(row, call, client), span.SerializeToString() + b"".join(derived) + tags)

    def _resource(self, row: tuple[Any, ...], call: Mapping[str, Any], client: bool) -> bytes:
        """Of the side that made the span."""
        values = [row[TAGS][place] for place in self._moved]
        name = text_of(call["source_name" if client else "destination_name"])
        return self._resources.write(None, [*values, name]) if name else self._unnamed.write(None, values)


def trace_bytes(trace: str) -> bytes:
    """Sixteen; an id of 64 bits has zeros before it."""
    return bytes.fromhex(trace.zfill(LONG))


def _identified(context: Context, client: bool, *, rewrite: bool) -> Span:
    """With its ids. With `rewrite` the two ends of a call, which share an id, become two spans, the server's below the
    client's, as with 1.4's adapters.
    """
    span, parent = context.span, context.parent
    if rewrite and client:
        span = rewritten(span)
    elif rewrite:
        parent = rewritten(span)
    return Span(
        trace_id=trace_bytes(context.trace),
        span_id=bytes.fromhex(span),
        parent_span_id=bytes.fromhex(parent),
        kind=Span.SPAN_KIND_CLIENT if client else Span.SPAN_KIND_SERVER,
        flags=SAMPLED | HAS_IS_REMOTE | (IS_REMOTE if parent and not client else 0),
    )


def _describe(span: Span, call: Mapping[str, Any], client: bool, name: str) -> None:
    start, end = _moment(call["start_time"], "start_time"), _moment(call["end_time"], "end_time")
    if end < start:
        raise ValueError(f"the span ends {(start - end) / 1e9:g} s before it begins")
    span.start_time_unix_nano, span.end_time_unix_nano = start, end
    span.name = fit_text(text_of(call["span_name"])) or name
    if _number(call["http_status_code"], "http_status_code") >= (400 if client else 500):
        span.status.code = Status.STATUS_CODE_ERROR


def _moment(value: object, field: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MOST_TIME:
        raise ValueError(f"the {field} {text_of(value)[:100]!r} is no time of a span")
    return value


def _number(value: object, field: str) -> int:
    """0 for None."""
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_INT:
        raise ValueError(f"the {field} {text_of(value)[:100]!r} is no number of a span")
    return value


_SIZES = {
    "request_size": "http.request.body.size",
    "request_total_size": "http.request.size",
    "response_size": "http.response.body.size",
    "response_total_size": "http.response.size",
}
DERIVED = (
    "http.response.status_code",
    "network.protocol.name",
    "network.peer.address",
    "network.local.address",
    "service.peer.name",
    *_SIZES.values(),
)


def _derived(call: Mapping[str, Any], client: bool) -> Iterator[tuple[str, object]]:
    """Attributes of what the template knows, by what is given and not empty."""
    own, peer = ("source", "destination") if client else ("destination", "source")
    code = _number(call["http_status_code"], "http_status_code")
    if code:
        yield "http.response.status_code", code
    texts = {
        "network.protocol.name": call["api_protocol"],
        "network.peer.address": call[f"{peer}_ip"],
        "network.local.address": call[f"{own}_ip"],
        "service.peer.name": call[f"{peer}_name"],
    }
    yield from ((name, text) for name, value in texts.items() if (text := text_of(value)))
    for field, name in _SIZES.items():
        if call[field] is not None:
            yield name, _number(call[field], field)
