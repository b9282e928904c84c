"""The words that every peer of the native API knows by number (mixer.md 1.2).

`global_words.txt` has one word a line, in order: the words are the lines' text, quotes included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files


class Dictionary:
    """A list of words, and the number of each."""

    __slots__ = ("by_number", "index", "words")

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self.index: Mapping[str, int] = {word: number for number, word in enumerate(self.words)}
        self.by_number = dict(enumerate(self.words))

    def __len__(self) -> int:
        return len(self.words)


@cache
def global_dictionary() -> Dictionary:
    """That of Istio 1.3 to 1.7: 222 words."""
    return Dictionary((files(__package__) / "global_words.txt").read_text().splitlines())
