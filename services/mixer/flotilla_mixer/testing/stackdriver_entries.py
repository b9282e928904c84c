"""What Cloud Logging checks of entries and sinks, in its words: of a test's own service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import grpc
from google.cloud.logging_v2.types import logging, logging_config
from google.rpc import status_pb2

from flotilla_mixer.testing.stackdriver_refusals import RESOURCES, Refusal

LONGEST_ENTRY, LONGEST_REQUEST = 256 * 1024, 10 * 1024 * 1024
LONGEST_KEY, LONGEST_LABEL, MOST_LABELS, LONGEST_ID = 512, 64 * 1024, 64, 512
DESTINATION = re.compile(r"(storage|bigquery|pubsub|logging)\.googleapis\.com/\S+\Z")
_LOG = re.compile(r"projects/[^/]+/logs/([^/]+)\Z")
_LOG_ID = re.compile(r"[A-Za-z0-9_./-]{1,511}\Z")
_TRACE, _SPAN = re.compile(r"projects/[^/]+/traces/[0-9a-f]{32}\Z"), re.compile(r"[0-9a-f]{16}\Z")
Code = grpc.StatusCode


class EntryService:
    """`entries` are those that it took, in order, each insert ID once; `sinks` by name."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self.sinks: dict[str, Any] = {}
        self._ids: set[tuple[str, str]] = set()

    def write(self, request: Any) -> None:
        """Raises Refusal; with partial_success the entries that are right are taken all the same."""
        if request.ByteSize() > LONGEST_REQUEST:
            raise Refusal(Code.INVALID_ARGUMENT, "Request size exceeds 10M.")
        wrong = {place: fault for place, entry in enumerate(request.entries) if (fault := _fault(request, entry))}
        if wrong and not request.partial_success:
            raise Refusal(Code.INVALID_ARGUMENT, next(iter(wrong.values())))
        for place, entry in enumerate(request.entries):
            if place not in wrong:
                self._take(entry)
        if wrong:
            raise _partial(wrong)

    def _take(self, entry: Any) -> None:
        known = (entry.log_name, entry.insert_id)
        if entry.insert_id and known in self._ids:
            return
        self._ids.add(known)
        self.entries.append(entry)

    def create_sink(self, request: Any) -> Any:
        sink = request.sink
        if sink.name in self.sinks:
            raise Refusal(Code.ALREADY_EXISTS, f"Sink {sink.name} already exists")
        _check_sink(sink)
        sink.writer_identity = "serviceAccount:own" if request.unique_writer_identity else "serviceAccount:shared"
        self.sinks[sink.name] = sink
        return sink

    def update_sink(self, request: Any) -> Any:
        name = request.sink_name.rpartition("/")[2]
        if name not in self.sinks:
            raise Refusal(Code.NOT_FOUND, f"Sink {name} does not exist")
        _check_sink(request.sink)
        request.update_mask.MergeMessage(request.sink, self.sinks[name])
        return self.sinks[name]


def _check_sink(sink: Any) -> None:
    if not re.match(r"[A-Za-z0-9_.-]{1,100}\Z", sink.name) or not DESTINATION.match(sink.destination):
        raise Refusal(Code.INVALID_ARGUMENT, f"Sink {sink.name!r} or its destination is malformed.")


def _fault(request: Any, entry: Any) -> str:
    return next(iter(_faults(request, entry)), "")


def _faults(request: Any, entry: Any) -> Iterator[str]:
    if entry.ByteSize() > LONGEST_ENTRY:
        yield f"Log entry with size {entry.ByteSize() / 1024:.1f}K exceeds maximum size of 256.0K"
    found = _LOG.match(entry.log_name or request.log_name)
    if found is None or not _LOG_ID.match(unquote(found[1])):
        yield f"Log name {entry.log_name!r} is malformed."
    yield from _resource_faults(entry.resource if entry.HasField("resource") else request.resource)
    if len(entry.labels) > MOST_LABELS:
        yield f"Log entry has {len(entry.labels)} labels, and at most {MOST_LABELS} are allowed."
    for name, value in entry.labels.items():
        if len(name) > LONGEST_KEY or len(value.encode()) > LONGEST_LABEL:
            yield f"Label {name[:50]} is too long."
    if len(entry.insert_id) > LONGEST_ID:
        yield "Insert ID is too long."
    if entry.trace and not _TRACE.match(entry.trace):
        yield f"Trace {entry.trace} is malformed."
    if entry.span_id and not _SPAN.match(entry.span_id):
        yield f"Span ID {entry.span_id} is malformed."


def _resource_faults(resource: Any) -> Iterator[str]:
    """Labels that a resource does not have are dropped by the service; a type that it does not know is refused."""
    if resource.type not in RESOURCES:
        yield f"Unknown monitored resource type {resource.type!r}."


def _partial(wrong: dict[int, str]) -> Refusal:
    errors = logging.WriteLogEntriesPartialErrors.pb()()
    for place, text in wrong.items():
        errors.log_entry_errors[place].CopyFrom(status_pb2.Status(code=Code.INVALID_ARGUMENT.value[0], message=text))
    return Refusal(Code.INVALID_ARGUMENT, f"{next(iter(wrong.values()))} [+{len(wrong) - 1} more]", errors)


CREATE_SINK, UPDATE_SINK = logging_config.CreateSinkRequest.pb(), logging_config.UpdateSinkRequest.pb()
WRITE = logging.WriteLogEntriesRequest.pb()
