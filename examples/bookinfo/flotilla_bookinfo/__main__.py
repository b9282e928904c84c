"""`python -m flotilla_bookinfo SERVICE --address A --port P`: runs one of the applications until SIGTERM.

The environment says the rest, as in the original: VERSION (v1, v2, v3), and for each application that is
called <NAME>_HOSTNAME and <NAME>_SERVICE_PORT; `http_proxy` is obeyed. Where the store is, ratings reads off STORE.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import signal
from collections.abc import Mapping, Sequence

from starlette.applications import Starlette

SERVICES = ("productpage", "details", "reviews", "ratings")
STORE = "store"
# Longer than a proxy keeps an idle connection: the caller closes it, so no request meets a closing server.
KEEP_ALIVE_SECONDS = 7200


def build(service: str, environment: Mapping[str, str]) -> Starlette:
    """The application of that name, one of SERVICES; nothing is opened before its lifespan starts."""
    module = importlib.import_module(f"flotilla_bookinfo.{service}")
    application: Starlette = module.application(environment)
    return application


async def serve_store(address: str, port: int, version: str) -> None:
    """The store, until SIGTERM or SIGINT."""
    from flotilla_bookinfo.store import Store, StoreServer

    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    server = StoreServer(Store(), version)
    await server.start(address, port)
    await asked.wait()
    await server.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="flotilla_bookinfo", description="One application of Bookinfo.")
    parser.add_argument("service", choices=(*SERVICES, STORE))
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9080)
    chosen = parser.parse_args(arguments)
    if chosen.service == STORE:
        asyncio.run(serve_store(chosen.address, chosen.port, os.environ.get("VERSION", "v1")))
        return
    import uvicorn

    uvicorn.run(
        build(chosen.service, os.environ),
        host=chosen.address,
        port=chosen.port,
        log_level="warning",
        access_log=False,
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main()
