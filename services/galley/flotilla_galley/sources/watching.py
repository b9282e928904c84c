"""When to look again: file events where there are some, and a slow look for what raises none.

A folder may be a link that is swapped, a file may be replaced by a rename: so the folder around is watched too, and
what to watch is found anew after each event.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from watchfiles import awatch

SLOW_LOOK_MS = 2_000
STEP_MS = 5
BURST_MS = 50


async def changes(paths: Sequence[Path], stop: asyncio.Event) -> AsyncIterator[None]:
    """Yield whenever something at or around the paths may have changed, and every two seconds anyway."""
    while not stop.is_set():
        watched = _existing(paths)
        if not watched:
            await _pause(stop)
            yield
            continue
        async for _ in awatch(
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
            yield
            if _existing(paths) != watched:
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
