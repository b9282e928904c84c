"""One connection to a server: opened, greeted, written to, and its acknowledgements read."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import msgspec

from flotilla_mixer.adapters.fluentd.frames import Frames, ProtocolError
from flotilla_mixer.adapters.fluentd.handshake import Credentials, Refused, check_pong, is_helo, ping, read_helo
from flotilla_mixer.adapters.fluentd.settings import Server

CLOSE_SECONDS = 1.0  # for the peer to take what is under way
MOST_FRAMES = 2_000  # that wait to be read: a batch has fewer messages
GREETING_SECONDS = 5.0  # for a HELO
_decode_answer = msgspec.msgpack.Decoder(dict[str, Any]).decode
NEEDS_KEY = "it asks for a shared key: set sharedKeyFile"


class Connection(asyncio.Protocol):
    """An asyncio Protocol. `ended` is why it ended, or None while it is open. One task at a time waits on it.

    `reusable` is false of a server that wants a connection for each batch.
    """

    def __init__(self) -> None:
        self.ended: Exception | None = None
        self.reusable = True
        self._frames = Frames()
        self._arrived: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._may_write = True

    # the loop's

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = found = cast(asyncio.Transport, transport)  # uvloop's are none by their class
        found.set_write_buffer_limits(high=0)  # what is written is the kernel's before we go on
        self._keep_alive(found.get_extra_info("socket"))

    def _keep_alive(self, found: Any) -> None:
        if found is not None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        try:
            self._arrived.extend(self._frames.feed(data))
            if len(self._arrived) > MOST_FRAMES:
                raise ProtocolError("the server sent more messages than it was asked for")
        except ProtocolError as error:
            self._end(error)
            self.abort()
        self._changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionResetError("the server closed the connection"))

    def pause_writing(self) -> None:
        self._may_write = False

    def resume_writing(self) -> None:
        self._may_write = True
        self._changed.set()

    def _end(self, error: Exception) -> None:
        self.ended = self.ended or error
        self._changed.set()

    # ours

    @property
    def quiet(self) -> bool:
        """Open, and nothing has come that nobody waits for."""
        return self.ended is None and not self._arrived and not self._is_closing()

    def _is_closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    async def write(self, content: bytes) -> None:
        """Returns when the kernel has it. Raises what ended the connection."""
        assert self._transport is not None
        self._transport.write(content)
        await self._until(lambda: self._may_write)
        if self.ended is not None:
            raise self._why(self.ended)

    async def frame(self) -> bytes:
        """The next message of the server. Raises what ended the connection."""
        await self._until(lambda: bool(self._arrived))
        return self._arrived.popleft()

    async def acknowledgement(self) -> str:
        """The next `ack`. Raises ProtocolError for anything else, and Refused for a greeting."""
        frame = await self.frame()
        if is_helo(frame):
            raise Refused(NEEDS_KEY, hopeless=True)
        try:
            found = _decode_answer(frame).get("ack")
        except msgspec.DecodeError as error:
            raise ProtocolError(f"the server sent something else than an acknowledgement: {error}") from error
        if not isinstance(found, str):
            raise ProtocolError("the server sent an answer without ack")
        return found

    def check_unasked(self) -> None:
        """What has come that nobody waits for: raises Refused for a greeting. The rest is no matter."""
        if self._is_greeted():
            raise Refused(NEEDS_KEY, hopeless=True)

    async def listen(self, seconds: float) -> None:
        """Wait a moment for a greeting that nobody expects. Raises Refused for one, or what ended the connection."""
        try:
            async with asyncio.timeout(seconds):
                await self._until(lambda: bool(self._arrived))
        except TimeoutError:
            return
        self.check_unasked()

    async def greet(self, credentials: Credentials) -> None:
        """The handshake. Raises Refused, ProtocolError or what ended the connection."""
        helo = read_helo(await self._greeting())
        salt = os.urandom(16).hex()
        await self.write(ping(helo, credentials, salt))
        check_pong(await self.frame(), helo, credentials, salt)
        self.reusable = helo.keepalive

    async def _greeting(self) -> bytes:
        try:
            async with asyncio.timeout(GREETING_SECONDS):
                return await self.frame()
        except TimeoutError as error:
            raise Refused("it sent no greeting: does it know of a shared key?") from error

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            if self.ended is not None:
                raise self._why(self.ended)
            self._changed.clear()
            await self._changed.wait()

    def _why(self, ended: Exception) -> Exception:
        """A server that greeted, and got something else than an answer, has closed the connection."""
        return Refused(NEEDS_KEY, hopeless=True) if self._is_greeted() else ended

    def _is_greeted(self) -> bool:
        return any(is_helo(frame) for frame in self._arrived)

    def abort(self) -> None:
        """At once."""
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """What was written goes out first, for a moment."""
        if self._transport is not None and self.ended is None:
            self._transport.close()
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._until(lambda: self.ended is not None)
            except TimeoutError:
                self.abort()


async def open_connection(
    server: Server, context: ssl.SSLContext | None, server_name: str, credentials: Credentials | None
) -> Connection:
    """A connection that takes entries. Raises OSError, Refused or ProtocolError."""
    loop = asyncio.get_running_loop()
    tls: dict[str, Any] = {"ssl": context, "server_hostname": server_name or server.host} if context else {}
    _, connection = await loop.create_connection(Connection, server.host, server.port, **tls)
    try:
        if credentials is not None:
            await connection.greet(credentials)
    except BaseException:
        connection.abort()
        raise
    return connection
