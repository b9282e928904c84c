"""Which attributes a decision rests on, as a caching client needs to know (mixer.md 1.6)."""

from __future__ import annotations

from collections.abc import Iterable

from flotilla_mixer.attributes.dictionary import Dictionary
from flotilla_mixer.attributes.encode import WordList
from flotilla_protos.istio.mixer.v1.mixer_pb2 import ReferencedAttributes

EXACT, ABSENCE = ReferencedAttributes.EXACT, ReferencedAttributes.ABSENCE


def referenced(
    asked: Iterable[tuple[tuple[str, str], bool]], known: Dictionary, count: int, into: ReferencedAttributes
) -> None:
    """Fill `into`; `count` is how many of the global words the client knows. It is there even when nothing was asked.

    The number 0 of a key means "none", though it is `source.ip` too: a key of that name cannot be told.
    """
    words = WordList(known, count)
    for (name, key), there in sorted(asked):
        match = into.attribute_matches.add(name=words.number(name), condition=EXACT if there else ABSENCE)
        if key:
            match.map_key = words.number(key)
    into.words.extend(words.words)
    into.SetInParent()
