"""Messages inside messages, serialised so that equal ones are equal bytes."""

from typing import Any as Anything

from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

_PREFIX = "type.googleapis.com/"
_LENGTH_FOLLOWS, _LOW_BITS, _MORE = 2, 0x7F, 0x80


def serialized(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


def embedded(number: int, body: bytes) -> bytes:
    """Field `number` (below 16) of a message that holds another, whose bytes are `body`.

    A message's bytes may be put together of those of its fields: parts that many have in common are written once.
    """
    length, size = bytearray((number << 3 | _LENGTH_FOLLOWS,)), len(body)
    while size > _LOW_BITS:
        length.append(size & _LOW_BITS | _MORE)
        size >>= 7
    length.append(size)
    return bytes(length) + body


def pack(message: Message) -> Any:
    return Any(type_url=_PREFIX + message.DESCRIPTOR.full_name, value=serialized(message))


def typed(kind: Anything, name: str, message: Message) -> Anything:
    """`kind` is any of Envoy's name-and-typed_config messages: a filter, a transport socket, a predicate."""
    return kind(name=name, typed_config=pack(message))
