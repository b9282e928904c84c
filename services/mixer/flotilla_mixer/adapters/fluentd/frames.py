"""Where objects of MessagePack end in what has arrived (https://github.com/msgpack/msgpack/blob/master/spec.md).

A server's messages are short and come in pieces or several at once; decoders want exactly one.
"""

from __future__ import annotations

from collections.abc import Iterator

MOST_BYTES = 8 * 1024  # of one message of a server: an acknowledgement has 31
# First bytes: those of one size, and those whose size (of a text, of bytes, of an extension) or number (of an array, of a
# map) follows in so many bytes.
_FIXED = {0xC0: 1, 0xC2: 1, 0xC3: 1, 0xCA: 5, 0xCB: 9, 0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9, 0xD0: 2, 0xD1: 3, 0xD2: 5}
_FIXED |= {0xD3: 9, 0xD4: 3, 0xD5: 4, 0xD6: 6, 0xD7: 10, 0xD8: 18}
_SIZED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_EXTENSION = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_ARRAY, _MAP = {0xDC: 2, 0xDD: 4}, {0xDE: 2, 0xDF: 4}


class ProtocolError(Exception):
    """The server sent what the protocol does not know."""


class Frames:
    """Takes what arrives, gives whole objects, undecoded."""

    def __init__(self) -> None:
        self._left = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The objects that are whole now. Raises ProtocolError for what is none, or is too long."""
        data, begin = self._left + data, 0
        while (end := frame_end(data, begin)) is not None and end - begin <= MOST_BYTES:
            yield data[begin:end]
            begin = end
        self._left = data[begin:]
        if len(self._left) > MOST_BYTES:
            raise ProtocolError(f"a message of the server is longer than {MOST_BYTES} bytes")


def frame_end(data: bytes, begin: int = 0) -> int | None:
    """Where the object that begins there ends, or None if it is not whole. Raises ProtocolError for what is none."""
    at, wanted = begin, 1
    while wanted:
        if at >= len(data):
            return None
        length, inner = _head(data, at)
        if length is None:
            return None
        at += length
        wanted += inner - 1
    return at if at <= len(data) else None


def _head(data: bytes, at: int) -> tuple[int | None, int]:
    """Bytes of the object at `at`, without the objects in it, and their number. None: its size is not there yet."""
    first = data[at]
    if first <= 0x7F or first >= 0xE0:
        return 1, 0
    if first <= 0x8F:
        return 1, 2 * (first & 0x0F)
    if first <= 0x9F:
        return 1, first & 0x0F
    if first <= 0xBF:
        return 1 + (first & 0x1F), 0
    if first in _FIXED:
        return _FIXED[first], 0
    return _counted(data, at, first)


def _counted(data: bytes, at: int, first: int) -> tuple[int | None, int]:
    for table, extra, inner in ((_SIZED, 0, 0), (_EXTENSION, 1, 0), (_ARRAY, 0, 1), (_MAP, 0, 2)):
        width = table.get(first)
        if width is None:
            continue
        if at + 1 + width > len(data):
            return None, 0
        number = int.from_bytes(data[at + 1 : at + 1 + width], "big")
        return (1 + width, number * inner) if inner else (1 + width + extra + number, 0)
    raise ProtocolError(f"the server sent 0x{first:02x}, which begins no object of MessagePack")
