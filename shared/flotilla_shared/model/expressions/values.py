"""The types of attributes, and the two values that Python's own types do not tell apart."""

from __future__ import annotations

from enum import StrEnum


class ValueType(StrEnum):
    """A type of Mixer's expressions, under its name in attribute manifests."""

    STRING = "STRING"
    INT64 = "INT64"
    DOUBLE = "DOUBLE"
    BOOL = "BOOL"
    TIMESTAMP = "TIMESTAMP"
    IP_ADDRESS = "IP_ADDRESS"
    EMAIL_ADDRESS = "EMAIL_ADDRESS"
    URI = "URI"
    DNS_NAME = "DNS_NAME"
    DURATION = "DURATION"
    STRING_MAP = "STRING_MAP"


class Timestamp(int):
    """A moment: nanoseconds since 1970, UTC."""

    __slots__ = ()


class Duration(int):
    """A span of time in nanoseconds."""

    __slots__ = ()
