"""Remote write's messages as bytes: prometheus/remote.proto, written by hand.

A label set is written again at each interval and its labels are the same each time, so they are kept as bytes and
only values and times are encoded; messages of a library would be made and encoded anew.
"""

from __future__ import annotations

import struct

from flotilla_mixer.adapters.prometheus.exemplars import Exemplar

# What Prometheus itself writes when a series has ended: this very NaN (its model/value package).
STALE = struct.pack("<Q", 0x7FF0000000000002)
_LABELS, _SAMPLES, _EXEMPLARS = b"\x0a", b"\x12", b"\x1a"  # fields 1, 2 and 3 of a TimeSeries
_TIMESERIES, _METADATA = b"\x0a", b"\x1a"  # fields 1 and 3 of a WriteRequest
_FIRST, _SECOND, _HELP = b"\x0a", b"\x12", b"\x22"  # texts: fields 1, 2 and 4
_VALUE, _SAMPLE_TIME, _EXEMPLAR_VALUE, _EXEMPLAR_TIME, _TYPE = b"\x09", b"\x10", b"\x11", b"\x18", b"\x08"
_double = struct.Struct("<d").pack


def varint(number: int) -> bytes:
    """Of a number from 0 to 2**63 - 1."""
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _long(tag: bytes, content: bytes) -> bytes:
    return b"".join((tag, varint(len(content)), content))


def label(name: str, value: str) -> bytes:
    """One label of a TimeSeries; nothing for an empty value, which in Prometheus is no label."""
    if not value:
        return b""
    return _long(_LABELS, _long(_FIRST, name.encode()) + _long(_SECOND, value.encode()))


def moment(milliseconds: int) -> bytes:
    """The time of samples, which all of one write have in common."""
    return _SAMPLE_TIME + varint(milliseconds)


def series(labels: bytes, value: float | None, when: bytes, exemplar: Exemplar | None = None) -> bytes:
    """A TimeSeries with one sample, at a `moment`; without a value it has ended."""
    number = STALE if value is None else _double(value)
    content = labels + _long(_SAMPLES, b"".join((_VALUE, number, when)))
    if exemplar is not None:
        content += _exemplar(exemplar)
    return _long(_TIMESERIES, content)


def _exemplar(found: Exemplar) -> bytes:
    labels = b"".join([label(name, value) for name, value in found.labels])
    time = _EXEMPLAR_TIME + varint(int(found.moment * 1000))
    return _long(_EXEMPLARS, b"".join((labels, _EXEMPLAR_VALUE, _double(found.value), time)))


def metadata(kind: int, name: str, text: str) -> bytes:
    """What a family is: `kind` is a MetricType."""
    content = b"".join((_TYPE, varint(kind), _long(_SECOND, name.encode()), _long(_HELP, text.encode())))
    return _long(_METADATA, content)
