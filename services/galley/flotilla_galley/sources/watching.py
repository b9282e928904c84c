"""When to look again: file events where there are some, and a slow look for what raises none.

A folder may be a link that is swapped, a file may be replaced by a rename: so the folder around is watched too, and
what to watch is found anew after each event.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from threading import Lock

from watchfiles import awatch

SLOW_LOOK_MS = 2_000
STEP_MS = 5
BURST_MS = 50
MOST_NAMED = 1_000
Named = frozenset[str] | None
"""The paths that events have named; None where anything may have changed."""


class News:
    """Which paths have changed since somebody looked. May be asked from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._heard = False
        self._named: Named = frozenset()

    def told(self, named: Named) -> None:
        """These have changed; None: any may have."""
        with self._lock:
            self._heard = True
            known = self._named
            self._named = None if named is None or known is None or len(known) > MOST_NAMED else known | named

    def take(self) -> Named:
        """All since the last time; None where any may have, or where nothing was told: then it is asked for another reason."""
        with self._lock:
            named = self._named if self._heard else None
            self._heard, self._named = False, frozenset()
        return named


async def changes(paths: Sequence[Path], stop: asyncio.Event) -> AsyncIterator[Named]:
    """Yield whenever something at or around the paths may have changed, and every two seconds anyway."""
    looked = time.monotonic()
    while not stop.is_set():
        watched = _existing(paths)
        if not watched:
            await _pause(stop)
            yield None
            continue
        async for events in awatch(
            *watched,
            stop_event=stop,
            step=STEP_MS,
            debounce=BURST_MS,
            rust_timeout=SLOW_LOOK_MS,
            yield_on_timeout=True,
            recursive=True,
            ignore_permission_denied=True,
            watch_filter=None,
        ):
            late = time.monotonic() - looked > SLOW_LOOK_MS / 1000  # who writes all the time must not put it off
            if late or not events:
                looked = time.monotonic()
            yield None if late or not events else frozenset(path for _, path in events)
            if _existing(paths) != watched:
                yield None  # what happened in between is not heard of
                break


def _existing(paths: Sequence[Path]) -> set[Path]:
    """What can be watched: for a folder the folder it is now, for a file or a link the folder around it."""
    found: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found.add(path.resolve())
        elif path.parent.is_dir():
            found.add(path.parent.resolve())
    return found


async def _pause(stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), SLOW_LOOK_MS / 1000)
    except TimeoutError:
        return
