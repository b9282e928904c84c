"""OpenTelemetry's JSON: protobuf's, with ids in hexadecimal and enums as numbers."""

from __future__ import annotations

import base64
from typing import Any

import orjson
from google.protobuf import json_format

from flotilla_mixer.adapters.otlp.requests import Signal

IDS = frozenset(("traceId", "spanId", "parentSpanId"))
MESSAGES = ("logRecords", "spans")  # those that have ids


def json_request(signal: Signal, content: bytes) -> bytes:
    """Of a request that is encoded in protobuf."""
    found = json_format.MessageToDict(signal.request.FromString(content), use_integers_for_enums=True)
    for resource in next(iter(found.values()), ()):
        for scope in resource.get("scopeLogs", resource.get("scopeSpans", ())):
            for entry in (entry for name in MESSAGES for entry in scope.get(name, ())):
                _write_ids(entry)
    return orjson.dumps(found)


def _write_ids(entry: dict[str, Any]) -> None:
    for name in IDS & entry.keys():
        entry[name] = base64.b64decode(entry[name]).hex()
