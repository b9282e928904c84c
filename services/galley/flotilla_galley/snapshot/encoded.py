"""Objects as bytes, each made once: what is kept on disk and what goes to every subscriber is the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flotilla_galley.snapshot.snapshot import CollectionSnapshot
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.runtime.streams.codec import to_resource

_CONTINUES = 0x80
SPARE = 1024


def encode_resource(item: ConfigObject) -> bytes:
    """The bytes of the object's `istio.mcp.v1alpha1.Resource`."""
    return to_resource(item).SerializeToString(deterministic=True)


class ResourceBytes:
    """The resources of the objects that there are. May be asked from several threads: a race makes bytes twice."""

    def __init__(self, encode: Callable[[ConfigObject], bytes] = encode_resource) -> None:
        self._encode = encode
        self._made: dict[ObjectKey, tuple[ConfigObject, bytes]] = {}

    def of(self, item: ConfigObject) -> bytes:
        """Its resource; the one that was made before, if it is the same object."""
        known = self._made.get(item.key)
        if known is None or known[0] is not item:
            known = self._made[item.key] = (item, self._encode(item))
        return known[1]

    def keep(self, collections: Iterable[CollectionSnapshot]) -> None:
        """Only these are there now. What is gone goes when it has become more than what is there."""
        there = list(collections)
        if len(self._made) > 2 * sum(len(each.items) for each in there) + SPARE:
            self._made = {key: self._made[key] for each in there for key in each.items if key in self._made}


def field_bytes(number: int, content: bytes) -> bytes:
    """A field of wire type 2 (text, bytes, message); numbers below 16."""
    size = len(content)
    head = bytes((number << 3 | 2, size)) if size < _CONTINUES else bytes((number << 3 | 2,)) + varint(size)
    return head + content


def text_field(number: int, text: str) -> bytes:
    """A field of text; nothing at all when it is empty, as proto3 has it."""
    return field_bytes(number, text.encode()) if text else b""


def varint(value: int) -> bytes:
    """A number that is not negative, seven bits a byte, the least first."""
    out = bytearray()
    while value >= _CONTINUES:
        out.append(value & 0x7F | _CONTINUES)
        value >>= 7
    out.append(value)
    return bytes(out)
