"""Spans as bytes, one by one as they come, and batches of them: Zipkin's JSON and its protobuf, version 2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

from flotilla_mixer.adapters.zipkin.protobuf import span_bytes
from flotilla_mixer.adapters.zipkin.spans import Span


@dataclass(frozen=True, slots=True)
class Encoding:
    """`one` writes a span, `many` joins written ones to a body of this content type."""

    content_type: str
    one: Callable[[Span], bytes]
    many: Callable[[Sequence[bytes]], bytes]


def _json_list(spans: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(spans) + b"]"


JSON = Encoding("application/json", orjson.dumps, _json_list)
PROTO = Encoding("application/x-protobuf", span_bytes, b"".join)
