"""From a bag to the message that a client of the native API sends."""

from __future__ import annotations

from collections.abc import Mapping

from flotilla_mixer.attributes.compressed import KIND_OF_TYPE
from flotilla_mixer.attributes.dictionary import Dictionary
from flotilla_protos.istio.mixer.v1.attributes_pb2 import CompressedAttributes
from flotilla_shared.model.expressions import Duration, Timestamp

NANOSECONDS = 1_000_000_000


class WordList:
    """Numbers for words: global ones as far as the peer knows them, and else of a list that grows.

    `count` is how many global words the peer knows.
    """

    def __init__(self, known: Dictionary, count: int) -> None:
        self._known = known
        self._count = count
        self._own: dict[str, int] = {}

    def number(self, word: str) -> int:
        found = self._known.index.get(word, self._count)
        if found < self._count:
            return found
        return self._own.setdefault(word, -len(self._own) - 1)

    @property
    def words(self) -> list[str]:
        return list(self._own)


def encode(bag: Mapping[str, object], known: Dictionary, count: int) -> CompressedAttributes:
    """The message. Values are text, numbers, booleans, bytes, Timestamp, Duration and maps of texts."""
    words, message = WordList(known, count), CompressedAttributes()
    for name, value in bag.items():
        number = words.number(name)
        if isinstance(value, str):
            message.strings[number] = words.number(value)
        elif isinstance(value, Mapping):
            entries = message.string_maps[number].entries
            for key, text in value.items():
                entries[words.number(key)] = words.number(text)
        elif isinstance(value, (Timestamp, Duration)):
            into = getattr(message, KIND_OF_TYPE[type(value)])[number]
            into.seconds, into.nanos = _split(value)
            into.SetInParent()
        else:
            getattr(message, KIND_OF_TYPE[type(value)])[number] = value
    message.words.extend(words.words)
    return message


def _split(nanoseconds: int) -> tuple[int, int]:
    """Seconds and the rest, both of one sign, as protobuf wants durations; moments have a rest that is not negative."""
    if isinstance(nanoseconds, Timestamp):
        return divmod(nanoseconds, NANOSECONDS)
    sign = -1 if nanoseconds < 0 else 1
    seconds, rest = divmod(abs(nanoseconds), NANOSECONDS)
    return sign * seconds, sign * rest
