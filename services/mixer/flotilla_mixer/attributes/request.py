"""One message of the native API as a bag: read when asked, and it remembers what was asked (mixer.md 1.6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from flotilla_mixer.attributes.compressed import KINDS, MessageWords, names_of, value_of
from flotilla_mixer.attributes.dictionary import Dictionary
from flotilla_mixer.attributes.typed import NO_TYPES, check_type

ABSENT = object()
NOTHING: Mapping[str, object] = MappingProxyType({})
SIDES = ("source.", "destination.")
Asked = dict[tuple[str, str], bool]
"""What was asked: (name, key) -> whether it was there. The key is empty for an attribute that is no map."""


class AskedMap(Mapping[str, str]):
    """A map of texts of the message; each key that is asked for by `get` is remembered, the map as a whole is not."""

    __slots__ = ("_asked", "_entries", "_name")

    def __init__(self, name: str, entries: Mapping[str, str], asked: Asked) -> None:
        self._name = name
        self._entries = entries
        self._asked = asked

    def get(self, key: str, otherwise: Any = None) -> Any:
        there = key in self._entries
        self._asked[self._name, key] = there
        return self._entries[key] if there else otherwise

    def __getitem__(self, key: str) -> str:
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class RequestBag(Mapping[str, object]):
    """The attributes of a Check. Values that are read stay: a second look costs a look-up.

    `types` are Python's types of the attributes that manifests declare; reading a value of another type raises
    TypeError, and what was to be made of it fails.

    `sides`, where given, replaces everything that the message says of the two ends of the call. `generated` is what
    attribute generators add: it never hides what is in the message, and is not remembered as asked.
    """

    __slots__ = (
        "_asked_by_generators",
        "_found",
        "_known",
        "_message",
        "_types",
        "_words",
        "asked",
        "generated",
        "sides",
    )

    def __init__(
        self,
        message: Any,
        known: Dictionary,
        types: Mapping[str, type] = NO_TYPES,
        sides: Mapping[str, object] | None = None,
    ) -> None:
        self._message = message
        self._known = known
        self._types = types
        self._words = MessageWords(message.words, known)
        self._found: dict[str, object] = {}
        self.asked: Asked = {}
        self.sides = sides
        self.generated: Mapping[str, object] = NOTHING
        self._asked_by_generators: Asked = {}

    def preprocessed(self, added: Mapping[str, object]) -> None:
        """Generators have been asked, and gave these attributes."""
        self.generated = added
        self._asked_by_generators = dict(self.asked)

    def begin_quota(self) -> None:
        """What is remembered from now on is a quota's, beside what generators asked for."""
        self.asked.clear()
        self.asked.update(self._asked_by_generators)

    def get(self, name: str, otherwise: Any = None) -> Any:
        found = self._found.get(name)
        if found is None:
            found = self._found[name] = self._read(name)
        if found is ABSENT:
            if name in self.generated:
                return self.generated[name]
            self.asked[name, ""] = False
            return otherwise
        if type(found) is not AskedMap:
            self.asked[name, ""] = True
        return found

    def __getitem__(self, name: str) -> object:
        found = self.get(name, ABSENT)
        if found is ABSENT:
            raise KeyError(name)
        return found

    def peek(self, name: str) -> object:
        """What the message itself says, without being remembered; ABSENT if nothing."""
        number = self._words.number(name)
        if number is None:
            return ABSENT
        message = self._message
        for kind in KINDS:
            entries = getattr(message, kind)
            if number in entries:
                value = value_of(kind, entries[number], self._words)
                return ABSENT if value is None else value
        return ABSENT

    def _read(self, name: str) -> object:
        if self.sides is not None and name.startswith(SIDES):
            value = self.sides.get(name, ABSENT)
        else:
            value = self.peek(name)
            if value is not ABSENT:
                check_type(name, value, self._types)
        return AskedMap(name, value, self.asked) if isinstance(value, Mapping) else value

    def __contains__(self, name: object) -> bool:
        """Not remembered: generators ask so whether they may add."""
        return isinstance(name, str) and self.peek(name) is not ABSENT

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(names_of(self._message, self._known)))

    def __len__(self) -> int:
        return sum(1 for _ in self)
