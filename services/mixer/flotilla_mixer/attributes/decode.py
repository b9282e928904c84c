"""From a request's attributes to a bag, all at once: the quick reader, for nearly every message.

The entries of a client's maps are mostly those that it sent before, so they are known by their bytes and not taken
apart again (`flotilla.mixer.v1`). What is out of the ordinary (a word that is hidden by another of the message, a
number that is in no list, a name with two values) is read by `read_whole`, which knows all rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flotilla_mixer.attributes.compressed import read_whole
from flotilla_mixer.attributes.dictionary import Dictionary
from flotilla_mixer.attributes.parts import duration, timestamp
from flotilla_mixer.attributes.typed import Declared, MistypedBag, typed_bag
from flotilla_protos.flotilla.mixer.v1.report_pb2 import Entries, Flag, Pair
from flotilla_protos.istio.mixer.v1.attributes_pb2 import CompressedAttributes
from flotilla_shared.model.expressions import Duration, Timestamp

Bag = dict[str, object]
REMEMBERED = 16_384
MAPS_REMEMBERED = 2_048
LONGEST_REMEMBERED = 256  # bytes; what is longer is hardly sent twice


class _Known(dict[bytes, Any]):
    """Entries that were taken apart, by their bytes. Bounded: it begins anew when it is full."""

    def __init__(self, read: Callable[[bytes], Any], limit: int) -> None:
        super().__init__()
        self._read = read
        self._limit = limit

    def __missing__(self, entry: bytes) -> Any:
        """Raises DecodeError for bytes that are no entry."""
        found = self._read(entry)
        if len(entry) <= LONGEST_REMEMBERED:
            if len(self) >= self._limit:
                self.clear()
            self[entry] = found
        return found


def _pair(entry: bytes) -> tuple[int, int]:
    found = Pair.FromString(entry)
    return found.key, found.value


def _flag(entry: bytes) -> tuple[int, bool]:
    found = Flag.FromString(entry)
    return found.key, found.value


def _entries(entry: bytes) -> tuple[int, tuple[tuple[int, int], ...]]:
    found = Entries.FromString(entry)
    return found.key, tuple(found.value.entries.items())


_pairs = _Known(_pair, REMEMBERED).__getitem__
_flags = _Known(_flag, REMEMBERED).__getitem__
_maps = _Known(_entries, MAPS_REMEMBERED).__getitem__


def decode(message: Any, known: Dictionary, declared: Declared) -> Bag:
    """The bag of a `flotilla.mixer.v1.Attributes`, which minds when a value of another type than declared is read.

    Raises DecodeError.
    """
    words = message.words[:]
    if known.index.keys().isdisjoint(words) and len(set(words)) == len(words):
        by_number = known.by_number.copy()
        by_number.update(zip(range(-1, -len(words) - 1, -1), words, strict=True))
        try:
            found = _quick(message, by_number, declared)
        except KeyError:  # a number that is in no list
            found = None
        if found is not None:
            return found
    return typed_bag(read_whole(whole(message), known), declared.types)


def whole(message: Any) -> Any:
    """The same attributes as istio.mixer.v1 has them. Raises DecodeError."""
    return CompressedAttributes.FromString(message.SerializeToString())


def _quick(message: Any, words: Mapping[int, str], declared: Declared) -> Bag | None:
    """The bag; None where a name has more than one value. Raises KeyError for a number that is in no list."""
    entries = message.strings
    bag: Bag = {words[name]: words[text] for name, text in map(_pairs, entries)}
    number, sound, unlike = len(entries), declared.unlike[str].isdisjoint(bag), declared.unlike
    for field, kind, read in _READERS:
        entries = getattr(message, field)
        if entries:
            found = read(entries, words)
            bag.update(found)
            number += len(entries)
            sound = sound and unlike[kind].isdisjoint(found)
    if len(bag) != number:
        return None
    return bag if sound else MistypedBag(bag, declared.types)


def _read_maps(entries: Any, words: Mapping[int, str]) -> Bag:
    return {words[name]: {words[key]: words[text] for key, text in pairs} for name, pairs in map(_maps, entries)}


def _read_scalars(entries: Any, words: Mapping[int, str]) -> Bag:
    return {words[name]: entries[name] for name in entries}


_READERS: tuple[tuple[str, type, Callable[[Any, Mapping[int, str]], Bag]], ...] = (
    ("string_maps", dict, _read_maps),
    ("int64s", int, _read_scalars),
    ("doubles", float, _read_scalars),
    ("bools", bool, lambda entries, words: {words[name]: flag for name, flag in map(_flags, entries)}),
    ("timestamps", Timestamp, lambda entries, words: {words[name]: timestamp(entries[name]) for name in entries}),
    ("durations", Duration, lambda entries, words: {words[name]: duration(entries[name]) for name in entries}),
    ("bytes", bytes, _read_scalars),
)
