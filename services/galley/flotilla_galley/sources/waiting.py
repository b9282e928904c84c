"""Waiting for sources that are not whole at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol


class GradualSource(Protocol):
    """A source that takes a while until it can be read as a whole."""

    async def wait_synced(self) -> None: ...

    @property
    def missing(self) -> list[str]:
        """What is not there yet, each with why."""
        ...


async def all_synced(sources: Sequence[GradualSource]) -> None:
    """Return when every source can be read as a whole."""
    await asyncio.gather(*(each.wait_synced() for each in sources))


def what_is_missing(sources: Sequence[GradualSource], shown: int = 3) -> str:
    """A few words for readiness."""
    missing = [text for each in sources for text in each.missing]
    more = f" and {len(missing) - shown} more" if len(missing) > shown else ""
    return "waiting for " + "; ".join(missing[:shown]) + more if missing else "reading"
