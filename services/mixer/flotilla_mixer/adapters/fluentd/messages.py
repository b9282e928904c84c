"""Entries as messages of the forward protocol: one for each tag, in mode PackedForward or CompressedPackedForward."""

from __future__ import annotations

import base64
import gzip
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from flotilla_mixer.adapters.fluentd.entries import Entry

GZIP_LEVEL = 4  # 6 takes a third more time for a twentieth less
CHUNK_BYTES = 16  # "a string of Base64 representation of 128 bits"
_ARRAY_OF_THREE = b"\x93"
_encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class Message:
    """A message with its entries. `chunk` is what the server acknowledges it by, or empty."""

    chunk: str
    content: bytes
    entries: Sequence[Entry]


def new_chunk() -> str:
    return base64.b64encode(os.urandom(CHUNK_BYTES)).decode()


def messages_of(
    entries: Sequence[Entry], *, acknowledged: bool, compressed: bool, chunk: Callable[[], str] = new_chunk
) -> list[Message]:
    """All entries, those of one tag in one message and in order."""
    by_tag: dict[bytes, list[Entry]] = {}
    for entry in entries:
        by_tag.setdefault(entry[0], []).append(entry)
    return [
        _message(tag, found, chunk() if acknowledged else "", compressed=compressed) for tag, found in by_tag.items()
    ]


def _message(tag: bytes, entries: Sequence[Entry], chunk: str, *, compressed: bool) -> Message:
    stream = b"".join([content for _, content in entries])
    option: dict[str, Any] = {"size": len(entries)}
    if chunk:
        option["chunk"] = chunk
    if compressed:
        stream = gzip.compress(stream, GZIP_LEVEL, mtime=0)
        option["compressed"] = "gzip"
    return Message(chunk, b"".join((_ARRAY_OF_THREE, tag, _encode(stream), _encode(option))), entries)
