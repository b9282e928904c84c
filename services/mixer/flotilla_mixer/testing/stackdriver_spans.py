"""What Cloud Trace checks of spans, in its words: of a test's own service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import grpc
from google.cloud.trace_v2.types import tracing

from flotilla_mixer.testing.stackdriver_refusals import Refusal

MOST_SPANS, MOST_ATTRIBUTES, LONGEST_KEY, LONGEST_VALUE, LONGEST_NAME = 25_000, 32, 128, 256, 128
MOST_EVENTS = 128
WRITE = tracing.BatchWriteSpansRequest.pb()
_NAME = re.compile(r"projects/([^/]+)/traces/([0-9a-f]{32})/spans/([0-9a-f]{16})\Z")
_ID = re.compile(r"[0-9a-f]{16}\Z")


class SpanService:
    """`spans` are those that it took, in order. Those whose names have the text `refused` in them it does not take."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.refused = ""

    def write(self, request: Any) -> None:
        """All or nothing. Raises Refusal."""
        if not 0 < len(request.spans) <= MOST_SPANS:
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"A request has 1 to {MOST_SPANS} spans.")
        for place, span in enumerate(request.spans):
            named = self.refused and self.refused in span.display_name.value
            for fault in ("It is refused.",) if named else _faults(request.name, span):
                raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"spans[{place}]: {fault}")
        self.spans.extend(request.spans)


def _faults(parent: str, span: Any) -> Iterator[str]:
    found = _NAME.match(span.name)
    if found is None or parent != f"projects/{found[1]}" or set(found[2]) == {"0"}:
        yield f"Invalid span name {span.name}."
    elif span.span_id != found[3] or set(found[3]) == {"0"}:
        yield f"Invalid span ID {span.span_id}."
    if span.parent_span_id and not _ID.match(span.parent_span_id):
        yield f"Invalid parent span ID {span.parent_span_id}."
    if not 0 < len(span.display_name.value.encode()) <= LONGEST_NAME:
        yield "The display name is missing or too long."
    if not span.HasField("start_time") or span.end_time.ToNanoseconds() < span.start_time.ToNanoseconds():
        yield "The end time must not be before the start time."
    if len(span.time_events.time_event) > MOST_EVENTS:
        yield f"There are more than {MOST_EVENTS} time events."
    yield from _attribute_faults(span.attributes.attribute_map)


def _attribute_faults(attributes: Any) -> Iterator[str]:
    if len(attributes) > MOST_ATTRIBUTES:
        yield f"There are more than {MOST_ATTRIBUTES} attributes."
    for key, value in attributes.items():
        kind = value.WhichOneof("value")
        if not 0 < len(key.encode()) <= LONGEST_KEY or kind is None:
            yield f"Invalid attribute {key[:50]!r}."
        elif kind == "string_value" and len(value.string_value.value.encode()) > LONGEST_VALUE:
            yield f"The value of attribute {key!r} is too long."
