"""Runs the applications on real sockets, in the test's own loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from flotilla_bookinfo.__main__ import build
from flotilla_bookinfo.store import Store, StoreServer

Serve = Callable[[Starlette], Awaitable[str]]


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: these belong to pytest here."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


async def start(app: object) -> tuple[Server, asyncio.Task[None], str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(uvicorn.Config(app, log_level="warning", ws="none"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.005)
    return server, task, f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve(application)` gives its host:port; all are stopped when the test ends."""
    running = []

    async def run(app: Starlette) -> str:
        server, task, address = await start(app)
        running.append((server, task))
        return address

    yield run
    for server, task in reversed(running):
        server.should_exit = True
        await task


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as opened:
        yield opened


@pytest.fixture
def bookinfo(serve: Serve) -> Callable[..., Awaitable[str]]:
    """`await bookinfo("reviews", VERSION="v2", ratings=address)` starts one and gives its URL."""

    async def run(service: str, **environment: str) -> str:
        settings = {name: value for name, value in environment.items() if name.isupper()}
        for name, address in environment.items():
            if name.islower():
                host, _, port = address.removeprefix("http://").partition(":")
                settings |= {f"{name.upper()}_HOSTNAME": host, f"{name.upper()}_SERVICE_PORT": port}
        return f"http://{await serve(build(service, settings))}"

    return run


@pytest.fixture
async def store() -> AsyncIterator[str]:
    """A store's host:port."""
    server = StoreServer(Store())
    port = await server.start("127.0.0.1", 0)
    yield f"127.0.0.1:{port}"
    await server.stop()


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address that refuses connections: bound, so that nobody else takes it, and not listening."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"
