"""Messages inside messages, serialised so that equal ones are equal bytes."""

from typing import Any as Anything

from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

_PREFIX = "type.googleapis.com/"


def serialized(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


def pack(message: Message) -> Any:
    return Any(type_url=_PREFIX + message.DESCRIPTOR.full_name, value=serialized(message))


def typed(kind: Anything, name: str, message: Message) -> Anything:
    """`kind` is any of Envoy's name-and-typed_config messages: a filter, a transport socket, a predicate."""
    return kind(name=name, typed_config=pack(message))
