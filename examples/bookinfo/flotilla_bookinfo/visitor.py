"""`python -m flotilla_bookinfo.visitor`: a client in the mesh, which asks productpage every second.

It has no server; it shows how a workload that nobody calls joins the mesh. One line of JSON an answer on
stdout.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Mapping

from flotilla_bookinfo.neighbours import Neighbours

PATH = "/api/v1/products/0"


async def visit(environment: Mapping[str, str], stop: asyncio.Event, *, pause_seconds: float = 1.0) -> None:
    """Asks until `stop` is set."""
    neighbours = Neighbours(environment)
    try:
        while not stop.is_set():
            answer = await neighbours.get(
                "productpage", PATH, {"user-agent": "visitor"}, seconds=3.0, failure="no answer"
            )
            print(json.dumps({"service": "visitor", "path": PATH, "status": answer.status}), flush=True)
            try:
                await asyncio.wait_for(stop.wait(), pause_seconds)
            except TimeoutError:
                continue
    finally:
        await neighbours.close()


async def main() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await visit(os.environ, stop)


if __name__ == "__main__":
    asyncio.run(main())
