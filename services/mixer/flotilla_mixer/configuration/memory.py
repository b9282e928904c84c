"""What the configuration before was compiled to, so that a change compiles only what it changed."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from flotilla_shared.model.expressions import ValueType

Vocabulary = Mapping[str, ValueType]


class Memory:
    """It holds what the build under way and the one before have used, and nothing older. One build at a time.

    What is compiled depends on its text and on the types of attributes; where those change, all is compiled anew.
    """

    def __init__(self) -> None:
        self._words: Vocabulary | None = None
        self._before: dict[Hashable, Any] = {}
        self._now: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return len(self._before.keys() | self._now.keys())

    def begin(self, words: Vocabulary) -> Vocabulary:
        """A build with this vocabulary begins. Gives the one to use, which is the same object as long as it is equal."""
        if self._words is None or words != self._words:
            self._words, self._now = words, {}
        self._before, self._now = self._now, {}
        return self._words

    def get(self, key: Hashable) -> Any:
        """What was put under this key, or None."""
        found = self._now.get(key)
        if found is None:
            found = self._before.get(key)
            if found is not None:
                self._now[key] = found
        return found

    def put(self, key: Hashable, value: Any) -> Any:
        """Remember it, and give it back."""
        self._now[key] = value
        return value
