"""A server of the forward protocol that refuses what a client must not send, and does to clients what servers do at times."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgpack

from flotilla_mixer.testing.fluentd_entries import FluentdEntry, Violation
from flotilla_mixer.testing.fluentd_messages import Received, Security, read_message, unpacker

READ_BYTES = 64 * 1024
WRONG_CHUNK = "d3JvbmcsIHdyb25nLCB3cg=="

Answer = Callable[["ForwardReceiver", str], Awaitable[bytes]]


async def acknowledge(_: ForwardReceiver, chunk: str) -> bytes:
    return bytes(msgpack.packb({"ack": chunk}))


async def acknowledge_another(_: ForwardReceiver, chunk: str) -> bytes:
    return bytes(msgpack.packb({"ack": WRONG_CHUNK}))


async def acknowledge_never(_: ForwardReceiver, chunk: str) -> bytes:
    return b""


class ForwardReceiver:
    """On loopback, at one port for its whole life. `entries` are those of whole messages, those that came again too.

    `wrong` is what clients did wrong, whose connections it ends. What it does to them: `answer` gives what is sent for a
    message with a chunk; `cut_after` so many bytes of events it cuts the connection, once; while `flows` is not set it
    reads nothing; `hello` replaces its greeting.
    """

    def __init__(self, security: Security | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.security = security
        self.port = 0
        self.messages: list[Received] = []
        self.wrong: list[str] = []
        self.refused: list[str] = []
        self.connections = 0
        self.raw = b""
        self.answer: Answer = acknowledge
        self.cut_after: int | None = None
        self.hello: bytes | None = None
        self.flows = asyncio.Event()
        self.flows.set()
        self.came = asyncio.Event()
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def entries(self) -> list[FluentdEntry]:
        return [entry for message in self.messages for entry in message.entries]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """At once, with all connections. Safe when it does not run."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if server is not None:
            await server.wait_closed()

    async def until(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        """Until something came that makes it true."""
        async with asyncio.timeout(seconds):
            while not condition():
                self.came.clear()
                await self.came.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.came.set()
        try:
            await self._talk(reader, writer)
        except (Violation, msgpack.UnpackException, ValueError) as error:
            self.wrong.append(str(error) or type(error).__name__)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            self.came.set()
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        messages = self._messages(reader)
        greeting = self.hello if self.hello is not None else self.security.helo() if self.security else b""
        writer.write(greeting)
        if self.security is not None and not await self._greeted(await anext(messages), writer):
            return
        async for message in messages:
            found = read_message(message)
            self.messages.append(found)
            self.came.set()
            if found.chunk:
                writer.write(await self.answer(self, found.chunk))
                await writer.drain()

    async def _greeted(self, message: Any, writer: asyncio.StreamWriter) -> bool:
        assert self.security is not None
        pong, reason = self.security.pong(message)
        writer.write(pong)
        await writer.drain()
        if reason:
            self.refused.append(reason)
            writer.close()
            await writer.wait_closed()
        self.raw = b""  # from here on it is events
        return not reason

    async def _messages(self, reader: asyncio.StreamReader) -> AsyncIterator[Any]:
        found = unpacker()
        seen = 0
        while True:
            await self.flows.wait()
            data = await reader.read(READ_BYTES)
            seen += len(data)
            if not data:
                return
            self.raw += data
            if self.cut_after is not None and seen > self.cut_after:
                self.cut_after = None
                raise EOFError
            found.feed(data)
            for message in found:
                yield message
