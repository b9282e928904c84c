"""Values of Mixer as OpenTelemetry's: attributes of messages, encoded.

| type                     | becomes                       |
|--------------------------|-------------------------------|
| STRING                   | string                        |
| INT64, DOUBLE, BOOL      | int, double, bool             |
| DURATION                 | double, in seconds            |
| TIMESTAMP                | string, RFC 3339              |
| IP_ADDRESS               | string                        |
| STRING_MAP               | key-value list                |

What is absent (None) is no attribute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flotilla_mixer.kit.text import text_of
from flotilla_protos.flotilla.opentelemetry.common_pb2 import AnyValue, KeyValue, KeyValueList, Resource
from flotilla_shared.model.expressions import Duration, Timestamp

NANOSECONDS = 1_000_000_000
LONGEST_TEXT = (
    16 * 1024
)  # characters of a value; what is longer is cut, so that one entry is not too long for a request
MOST_REMEMBERED = 1_000
LONGEST_REMEMBERED = 200
LEAST_INT, MOST_INT = -(2**63), 2**63 - 1


def fit_text(text: str, longest: int = LONGEST_TEXT) -> str:
    """A text that a message can hold: not too long, and without halves of characters."""
    text = text[:longest]
    return text if text.isascii() else text.encode(errors="replace").decode()


def any_value(value: object, longest: int = LONGEST_TEXT) -> AnyValue:
    """Raises ValueError for a whole number of more than 64 bits."""
    if isinstance(value, str):
        return AnyValue(string_value=fit_text(value, longest))
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, Duration):
        return AnyValue(double_value=value / NANOSECONDS)
    if isinstance(value, int) and not isinstance(value, Timestamp):
        if not LEAST_INT <= value <= MOST_INT:
            raise ValueError(f"{value} has more than 64 bits")
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, Mapping):
        pairs = (KeyValue(key=fit_text(str(each)), value=any_value(value[each], longest)) for each in sorted(value))
        return AnyValue(kvlist_value=KeyValueList(values=pairs))
    return AnyValue(string_value=fit_text(text_of(value), longest))


class AttributeWriter:
    """Writes one attribute of messages of one class, as the bytes of their field `attributes`: messages are put together
    from such pieces. Values that come again are not encoded again.
    """

    def __init__(self, name: str, message: Any, longest: int = LONGEST_TEXT) -> None:
        self.name = fit_text(name)
        self._message = message
        self._longest = longest
        self._known: dict[tuple[type, object], bytes] = {}

    def write(self, value: object) -> bytes:
        """Empty for None. Raises ValueError for what cannot be one."""
        key = (type(value), value)
        try:
            found = self._known.get(key)
        except TypeError:  # a map
            return self._encoded(value)
        if found is None:
            found = self._encoded(value)
            if len(found) <= LONGEST_REMEMBERED:
                if len(self._known) >= MOST_REMEMBERED:
                    self._known.clear()
                self._known[key] = found
        return found

    def _encoded(self, value: object) -> bytes:
        if value is None:
            return b""
        pair = KeyValue(key=self.name, value=any_value(value, self._longest))
        content: bytes = self._message(attributes=[pair]).SerializeToString()
        return content


class AttributesWriter:
    """Writes all attributes of a map of an instance, in the order of their names."""

    def __init__(self, names: Sequence[str], message: Any, longest: int = LONGEST_TEXT) -> None:
        self._writers = [AttributeWriter(name, message, longest) for name in names]

    def write(self, values: Sequence[object]) -> bytes:
        """Raises ValueError for another number of values, and for one that cannot be an attribute."""
        if len(values) != len(self._writers):
            raise ValueError(f"{len(values)} values do not fit {len(self._writers)} names")
        return b"".join([writer.write(value) for writer, value in zip(self._writers, values, strict=True)])


def encoded_resource(attributes: Mapping[str, object]) -> bytes:
    """A Resource. What is None or empty is left out."""
    found = {name: value for name, value in attributes.items() if value not in (None, "")}
    pairs = (KeyValue(key=fit_text(name), value=any_value(found[name])) for name in sorted(found))
    content: bytes = Resource(attributes=pairs).SerializeToString()
    return content
