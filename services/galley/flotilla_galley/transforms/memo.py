"""What was made of which inputs, so that a change makes again only what it concerns."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Memo:
    """Of one `turn` the next one knows what it made. For one thread at a time."""

    def __init__(self) -> None:
        self._before: dict[Hashable, tuple[tuple[Any, ...], Any]] = {}
        self._now: dict[Hashable, tuple[tuple[Any, ...], Any]] = {}

    def made(self, name: Hashable, inputs: tuple[Any, ...], make: Callable[[], T]) -> T:
        """What `make` gives, or gave in this turn or the last one for the same inputs. Inputs are values, or never change."""
        known = self._before.get(name)
        value: T = known[1] if known is not None and _same(known[0], inputs) else make()
        self._now[name] = (inputs, value)
        return value

    def turn(self) -> None:
        """What was not asked for since the last turn is forgotten."""
        self._before, self._now = self._now, {}


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Mostly by identity, which is much cheaper than comparing."""
    return len(one) == len(other) and all(a is b or a == b for a, b in zip(one, other, strict=True))
