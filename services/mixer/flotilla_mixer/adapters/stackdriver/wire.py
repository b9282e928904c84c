"""Messages put together from parts that are bytes already: fields of protobuf's wire format, one after the other.

What many messages have alike (a series' labels, a log's name) is written once; a request is its parts joined.
"""

from __future__ import annotations

from functools import lru_cache

from flotilla_mixer.kit.text import text_of

MOST_ADDRESSES = 10_000


def field(number: int, content: bytes) -> bytes:
    """A field that holds a text or a message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    """A whole number from 0 on, seven bits a byte, the lowest first."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def clean(text: str, most: int) -> str:
    """A text as protobuf can have it, without halves of characters, and at most so many characters long."""
    return text[:most] if text.isascii() else text[:most].encode(errors="replace").decode()


def shown(value: object) -> str:
    """A value as text; those of addresses are remembered, for they come again and again."""
    if type(value) is str:
        return value
    return _address(value) if type(value) is bytes else text_of(value)


@lru_cache(MOST_ADDRESSES)
def _address(value: bytes) -> str:
    return text_of(value)
