"""Decisions made by the bytes of a fuzzer: whatever they are, something comes out, and small changes of them change little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """Reads bytes from the front; when they are used up, every choice is the first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        if self._at >= len(self._data):
            return 0
        self._at += 1
        return self._data[self._at - 1]

    def below(self, limit: int) -> int:
        """0 to limit - 1; `limit` is at most 65536."""
        number = self.byte()
        return (number if limit <= 256 else number << 8 | self.byte()) % limit

    def one(self, values: Sequence[T]) -> T:
        return values[self.below(len(values))]

    def text(self) -> str:
        """Of at most 40 bytes, broken ones among them."""
        return self.bytes(self.below(41)).decode("utf-8", "surrogateescape")

    def bytes(self, most: int) -> bytes:
        found = self._data[self._at : self._at + most]
        self._at += len(found)
        return found

    @property
    def done(self) -> bool:
        return self._at >= len(self._data)
