"""Attributes as the native API carries them: numbers of words, and a typed map each (mixer.md 1.1, 1.2, 1.4).

There are two readers, as in 1.4. `MessageWords` and `read_whole` look names up the way of a peer that reads one
message by itself: what they cannot make sense of is absent. `overlay` is the strict one, for reports whose bags are
given as differences.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any

from flotilla_mixer.attributes.dictionary import Dictionary
from flotilla_mixer.attributes.parts import duration, timestamp
from flotilla_shared.model.expressions import Duration, Timestamp

Bag = dict[str, object]
# The maps of a message, the one that wins first.
STRINGS, STRING_MAPS, INT64S, DOUBLES, BOOLS, TIMESTAMPS, DURATIONS, BYTES = KINDS = (
    "strings",
    "string_maps",
    "int64s",
    "doubles",
    "bools",
    "timestamps",
    "durations",
    "bytes",
)


class MessageWords:
    """The words of one message beside the global ones: from a word to its number, and back."""

    __slots__ = ("_words", "known", "own", "size", "texts")

    def __init__(self, words: Sequence[str], known: Dictionary) -> None:
        self.texts = known.words
        self.size = len(known.words)
        self._words = words
        self.known = known.index
        # A word that is there twice has its later number.
        self.own = dict(zip(words, range(-1, -len(words) - 1, -1), strict=True))

    def number(self, word: str) -> int | None:
        """A word of the message beats one of the global list, and the later of two of its own the earlier."""
        found = self.own.get(word)
        return self.known.get(word) if found is None else found

    def word(self, number: int) -> str | None:
        """None for a number that neither list has."""
        words, place = (self.texts, number) if number >= 0 else (self._words, -number - 1)
        return words[place] if place < len(words) else None

    def hidden(self) -> frozenset[int]:
        """Numbers whose word has another number too, which is the one that it is looked up by."""
        own, index = self.own, self.known
        found = {index[word] for word in own if word in index}
        if len(own) < len(self._words):
            found.update(-place - 1 for place, word in enumerate(self._words) if own[word] != -place - 1)
        return frozenset(found)


def read_map(entries: Any, words: MessageWords) -> dict[str, str]:
    """A StringMap; keys and values that are in no list are left out."""
    found = {}
    for key, value in entries.items():
        name, text = words.word(key), words.word(value)
        if name is not None and text is not None:
            found[name] = text
    return found


def value_of(kind: str, raw: Any, words: MessageWords) -> object:
    """A value of the map `kind`; None for a text that is in no list."""
    match kind:
        case "strings":
            return words.word(raw)
        case "string_maps":
            return read_map(raw.entries, words)
        case "timestamps":
            return timestamp(raw)
        case "durations":
            return duration(raw)
    return raw  # int, float, bool, bytes


def read_whole(message: Any, known: Dictionary) -> Bag:
    """Everything of one message; the first kind in KINDS wins where a name is in several, even if its value is none."""
    own = list(message.words)
    hidden = _hidden(own, known)
    # Python's negative numbers count from the end: there the words of the message stand, backwards.
    table = known.words + tuple(reversed(own))
    low, size = -len(own), len(known.words)
    texts = dict(message.strings.items())
    bag: Bag = _words(texts, table, low, size, hidden)
    for kind, convert in _READERS:
        entries = getattr(message, kind)
        if not entries:
            continue
        for number, raw in entries.items():
            if low <= number < size and number not in hidden and number not in texts:
                name = table[number]
                if name not in bag:
                    bag[name] = convert(raw, table, low, size)
    return bag


def _hidden(own: Sequence[str], known: Dictionary) -> frozenset[int]:
    """As `MessageWords.hidden`; nothing in nearly every message."""
    if known.index.keys().isdisjoint(own) and len(set(own)) == len(own):
        return NOTHING_HIDDEN
    return MessageWords(own, known).hidden()


def _words(
    numbers: Mapping[int, int], table: Sequence[str], low: int, size: int, hidden: Container[int]
) -> dict[str, object]:
    """Names to texts, without those that are in no list. Of a sound message none is looked at by itself."""
    if numbers and not hidden and low <= min(numbers) and max(numbers) < size:
        values = numbers.values()
        if low <= min(values) and max(values) < size:
            return {table[number]: table[place] for number, place in numbers.items()}
    return {
        table[number]: table[place]
        for number, place in numbers.items()
        if low <= number < size and low <= place < size and number not in hidden
    }


def _read_entries(raw: Any, table: Sequence[str], low: int, size: int) -> dict[str, str]:
    return {table[key]: table[value] for key, value in raw.entries.items() if low <= key < size and low <= value < size}


def _as_it_is(raw: Any, *_: object) -> object:
    return raw


NOTHING_HIDDEN: frozenset[int] = frozenset()
_READERS: tuple[tuple[str, Callable[..., object]], ...] = (
    (STRING_MAPS, _read_entries),
    (INT64S, _as_it_is),
    (DOUBLES, _as_it_is),
    (BOOLS, _as_it_is),
    (TIMESTAMPS, lambda raw, *_: timestamp(raw)),
    (DURATIONS, lambda raw, *_: duration(raw)),
    (BYTES, _as_it_is),
)


class AttributesError(ValueError):
    """A bag that is given as a difference cannot be read; the text is 1.4's."""


_GO_TYPES = {
    "int64s": "int64",
    "doubles": "float64",
    "bools": "bool",
    "timestamps": "time.Time",
    "durations": "time.Duration",
    "bytes": "[]uint8",
    "string_maps": "attribute.StringMap",
}
_STRICT_ORDER = (STRINGS, INT64S, DOUBLES, BOOLS, TIMESTAMPS, DURATIONS, BYTES, STRING_MAPS)


def overlay(bag: Bag, message: Any, known: Dictionary) -> None:
    """Put a message over `bag`; nothing is ever taken away. Raises AttributesError; what was read before stays."""
    reader = _Strict(MessageWords(message.words, known))
    seen: set[str] = set()
    for kind in _STRICT_ORDER:
        for number, raw in sorted(getattr(message, kind).items()):
            name = reader.word(number)
            if name in seen:
                raise AttributesError(f"duplicate attribute {name} (type {_GO_TYPES.get(kind, 'string')})")
            seen.add(name)
            bag[name] = reader.value(kind, raw)
    if reader.wrong:
        count = len(reader.wrong)
        lines = "".join(f"\n\t* {text}" for text in reader.wrong)
        raise AttributesError(f"{count} error{'s' if count > 1 else ''} occurred:{lines}\n\n")


class _Strict:
    """Keeps what is wrong with numbers; their word is then empty."""

    def __init__(self, words: MessageWords) -> None:
        self._words = words
        self.wrong: list[str] = []

    def word(self, number: int) -> str:
        found = self._words.word(number)
        if found is None:
            self.wrong.append(f"attribute index {number} is not defined in the available dictionaries")
            return ""
        return found

    def value(self, kind: str, raw: Any) -> object:
        if kind == STRINGS:
            return self.word(raw)
        if kind == STRING_MAPS:
            return {self.word(key): self.word(value) for key, value in sorted(raw.entries.items())}
        return value_of(kind, raw, self._words)


def kinds_of(message: Any) -> dict[int, str]:
    """The map that a number's value is in, but for texts; the first in KINDS where there are several."""
    found: dict[int, str] = {}
    for kind in _BACKWARDS:
        entries = getattr(message, kind)
        if entries:
            found.update(dict.fromkeys(entries, kind))
    return found


_BACKWARDS = KINDS[:0:-1]


def names_of(message: Any, words: MessageWords) -> Iterator[str]:
    """The names that a message gives values to."""
    for kind in KINDS:
        for number in getattr(message, kind):
            name = words.word(number)
            if name is not None:
                yield name


KIND_OF_TYPE = {bool: BOOLS, int: INT64S, float: DOUBLES, bytes: BYTES, Timestamp: TIMESTAMPS, Duration: DURATIONS}
