"""Bodies of the API server of tests that come bit by bit: watches, and those that break."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from flotilla_shared.testing.apiserver_store import Past

NO_MORE_WATCHING = object()


def line(past: Past) -> bytes:
    return json.dumps({"type": past.type, "object": past.object}).encode() + b"\n"


async def either(queue: asyncio.Queue[object], changed: asyncio.Event, end: float) -> object:
    """What comes through the queue; None when the store changed; no more watching when the time is over."""
    left = end - asyncio.get_running_loop().time()
    waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(queue.get()), asyncio.ensure_future(changed.wait())]
    try:
        done, _ = await asyncio.wait(waits, timeout=max(0, left), return_when=asyncio.FIRST_COMPLETED)
        if waits[0] in done:
            return waits[0].result()
        return None if done else NO_MORE_WATCHING
    finally:
        for each in waits:
            each.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def broken(content: bytes) -> AsyncIterator[bytes]:
    yield content
    raise ConnectionResetError("cut")
