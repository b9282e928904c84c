"""One message of the native API as a bag: read when asked, and it remembers what was asked (mixer.md 1.6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from flotilla_mixer.attributes.compressed import MessageWords, kinds_of, names_of, value_of
from flotilla_mixer.attributes.dictionary import Dictionary
from flotilla_mixer.attributes.typed import NOTHING_DECLARED, Declared, check_type

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

    `declared` has the types that manifests declare; reading a value of another type raises TypeError, and what was to
    be made of it fails.

    `sides`, where given, replaces everything that the message says of the two ends of the call. `generated` is what
    attribute generators add: it never hides what is in the message, and is not remembered as asked.
    """

    __slots__ = (
        "_asked_by_generators",
        "_declared",
        "_found",
        "_message",
        "_not_text",
        "_others",
        "_strings",
        "_words",
        "asked",
        "generated",
        "sides",
    )

    def __init__(
        self,
        message: Any,
        known: Dictionary,
        declared: Declared = NOTHING_DECLARED,
        sides: Mapping[str, object] | None = None,
    ) -> None:
        self._message = message
        self._declared = declared
        self._not_text = declared.unlike[str]
        self._words = MessageWords(message.words[:], known)
        self._strings = message.strings
        self._others: dict[int, str] | None = None
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
            found = self._found[name] = self._text(name) or self._read(name)
        if found is ABSENT:
            if name in self.generated:
                return self.generated[name]
            self.asked[name, ""] = False
            return otherwise
        if type(found) is not AskedMap:
            self.asked[name, ""] = True
        return found

    def _text(self, name: str) -> str | None:
        """A text that is what its attribute should be: the quick way of nearly all. None: look closer."""
        if self.sides is not None or name in self._not_text:
            return None
        words = self._words
        number = words.own.get(name)
        if number is None:
            number = words.known.get(name)
        if number is None or number not in self._strings:
            return None
        place = self._strings[number]
        # The two lists as `word` has them; what is in neither is its affair.
        return words.texts[place] if 0 <= place < words.size else words.word(place)

    def __getitem__(self, name: str) -> object:
        found = self.get(name, ABSENT)
        if found is ABSENT:
            raise KeyError(name)
        return found

    def peek(self, name: str) -> object:
        """What the message itself says, without being remembered; ABSENT if nothing."""
        words = self._words
        number = words.own.get(name)
        if number is None:
            number = words.known.get(name)
            if number is None:
                return ABSENT
        if number in self._strings:
            text = words.word(self._strings[number])
            return ABSENT if text is None else text
        kind = self._kinds().get(number)
        return ABSENT if kind is None else value_of(kind, getattr(self._message, kind)[number], words)

    def _kinds(self) -> dict[int, str]:
        """In which map the values that are no texts are, by number."""
        found = self._others
        if found is None:
            found = self._others = kinds_of(self._message)
        return found

    def _read(self, name: str) -> object:
        if self.sides is not None and name.startswith(SIDES):
            value = self.sides.get(name, ABSENT)
        else:
            value = self.peek(name)
            if value is not ABSENT:
                check_type(name, value, self._declared.types)
        return AskedMap(name, value, self.asked) if isinstance(value, Mapping) else value

    def lacking(self, names: Iterable[str]) -> list[str]:
        """Those of the names that the message says nothing of; not remembered. Generators ask so what they may add."""
        strings, others, words = self._strings, self._kinds(), self._words
        own, known = words.own, words.known
        found = []
        for name in names:
            number = own.get(name, known.get(name))
            if number is None:
                found.append(name)
            elif number in strings:
                if words.word(strings[number]) is None:
                    found.append(name)
            elif number not in others:
                found.append(name)
        return found

    def __contains__(self, name: object) -> bool:
        """Not remembered."""
        return isinstance(name, str) and not self.lacking((name,))

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(names_of(self._message, self._words)))

    def __len__(self) -> int:
        return sum(1 for _ in self)
