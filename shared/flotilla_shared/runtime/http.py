"""HTTP edges: an ASGI application as a component."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import uvicorn

GRACE_SECONDS = 2


class BindError(OSError):
    """An address cannot be bound; the text names it and says why."""

    def __init__(self, address: str, port: int, reason: str) -> None:
        super().__init__(f"cannot listen on {address}:{port}: {reason}")
        self.address = address
        self.port = port


class _Server(uvicorn.Server):
    """Leaves signals to the process and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class HttpServer:
    """Serves an ASGI application on a TCP address, on a Unix socket (mode 0600), or on sockets that are given.

    `port` 0 takes any free one; `ports` says which, after start. With a `context` it serves HTTPS.
    """

    def __init__(
        self,
        app: Any,
        address: str = "",
        port: int = 0,
        *,
        uds: Path | None = None,
        sockets: Sequence[socket.socket] = (),
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._app = app
        self._address = address
        self._port = port
        self._uds = uds
        self._sockets = list(sockets)
        self._context = context
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(each.getsockname()[1] for each in self._sockets if each.family != socket.AF_UNIX)

    def bind(self) -> None:
        """Take the address; `start` does it, too. Raises BindError, or OSError for a Unix socket."""
        if not self._sockets:
            self._sockets = [listen_unix(self._uds) if self._uds else listen_tcp(self._address, self._port)]

    async def start(self) -> None:
        """Listen; raises BindError, or OSError for a Unix socket."""
        self.bind()
        context = self._context
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=GRACE_SECONDS,
            ssl_context_factory=(lambda config, default: context) if context is not None else None,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=self._sockets), name="http")
        listening = asyncio.create_task(self._server.listening.wait(), name="http:listening")
        await asyncio.wait({self._task, listening}, return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        """Answer what is under way, briefly, then close."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await asyncio.gather(self._task, return_exceptions=True)
        for each in self._sockets:
            each.close()
        if self._uds is not None:
            self._uds.unlink(missing_ok=True)
        self._server = self._task = None


def listen_tcp(address: str, port: int) -> socket.socket:
    """A bound socket, without SO_REUSEPORT: a second server on one port is an error. Raises BindError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
        bound.listen(1024)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise BindError(address, port, error.strerror or str(error)) from error
    return bound


def listen_unix(path: Path) -> socket.socket:
    """A bound Unix socket that only its owner may open; a stale file of that name is replaced."""
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        bound.bind(str(path))
    except OSError:
        bound.close()
        raise
    finally:
        os.umask(mask)
    bound.listen(1024)
    bound.setblocking(False)
    return bound
