"""Batches to one of several servers, over one connection that is kept, until each message is acknowledged."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from flotilla_mixer.adapters.fluentd.connection import Connection, open_connection
from flotilla_mixer.adapters.fluentd.entries import Entry
from flotilla_mixer.adapters.fluentd.frames import ProtocolError
from flotilla_mixer.adapters.fluentd.handshake import Refused
from flotilla_mixer.adapters.fluentd.messages import Message, messages_of
from flotilla_mixer.adapters.fluentd.settings import LinkSettings, Server
from flotilla_mixer.kit.counters import TIMEOUT, UNREACHABLE
from flotilla_mixer.kit.secrets import SecretError
from flotilla_mixer.kit.sending import SendError

REFUSED, TLS, SETTINGS, PROTOCOL = "refused", "tls", "settings", "protocol"  # causes, beside the kit's
OPEN_SECONDS = 5.0  # longest that one server may take to open a connection, when there are others
LISTEN_SECONDS = 0.5  # for a greeting that nobody expects
# After this time a connection is made anew, with keys and certificates as their files are then, to the first server again
# if it is there, or to another one behind the same name.
CONNECTION_SECONDS = 600.0

InThread = Callable[..., Awaitable[Any]]


class Forwarder:
    """`send` is a delivery's. `in_thread` runs what blocks: certificates are read, and batches compressed there."""

    def __init__(self, settings: LinkSettings, in_thread: InThread) -> None:
        self._settings = settings
        self._in_thread = in_thread
        self._connection: Connection | None = None
        self._until = 0.0  # when it is old
        self._first = 0  # the server that is tried first
        # A server that wants a key, and gets entries, closes at once, and its greeting may be lost: the next one is waited for.
        self._listens = False
        self._left: tuple[Sequence[Entry], list[Message]] = ((), [])  # of the last try: what is sent again, as it was

    async def send(self, entries: Sequence[Entry]) -> None:
        """Raises SendError with the entries that were not acknowledged."""
        messages = await self._messages(entries)
        open_ones = {message.chunk: message for message in messages} if self._settings.acknowledged else {}
        try:
            async with asyncio.timeout(self._settings.try_seconds):
                connection = await self._connected()
                await connection.write(b"".join([message.content for message in messages]))
                await self._confirmed(connection, open_ones)
        except (TimeoutError, OSError, SecretError, Refused, ProtocolError) as error:
            self._listens = self._connection is not None and not isinstance(error, TimeoutError)
            self._give_up()
            rest = list(open_ones.values()) if self._settings.acknowledged else messages
            raise self._failed(error, rest) from error
        except BaseException:
            self._give_up()
            raise
        self._listens = False
        if not connection.reusable:
            await self.close()

    async def _messages(self, entries: Sequence[Entry]) -> list[Message]:
        """What is sent again has its chunk again, by which a server may know it."""
        before, messages = self._left
        self._left = ((), [])
        if entries is before:
            return messages
        settings = self._settings
        make = partial(messages_of, entries, acknowledged=settings.acknowledged, compressed=settings.compressed)
        found: list[Message] = await self._in_thread(make) if settings.compressed else make()
        return found

    async def _confirmed(self, connection: Connection, open_ones: dict[str, Message]) -> None:
        """Takes each message out that is acknowledged. Without acknowledgements it looks at what has come by itself."""
        if not self._settings.acknowledged:
            connection.check_unasked()
            return
        while open_ones:
            chunk = await connection.acknowledgement()
            if open_ones.pop(chunk, None) is None:
                raise ProtocolError(f"the server acknowledges {chunk[:40]!r}, which was not sent")

    async def _connected(self) -> Connection:
        now = asyncio.get_running_loop().time()
        connection = self._connection
        if connection is not None and connection.quiet and now < self._until:
            return connection
        if connection is not None:
            connection.check_unasked()
            if now >= self._until:
                self._first = 0
            await self.close()
        self._connection = await self._opened()
        self._until = asyncio.get_running_loop().time() + CONNECTION_SECONDS
        return self._connection

    async def _opened(self) -> Connection:
        """To the first server that takes us. Raises what the last one raised."""
        for _ in self._settings.servers[1:]:
            try:
                async with asyncio.timeout(min(OPEN_SECONDS, self._settings.try_seconds / len(self._settings.servers))):
                    return await self._open(self._server)
            except (TimeoutError, OSError, SecretError, Refused, ProtocolError):
                self._next()
        return await self._open(self._server)

    async def _open(self, server: Server) -> Connection:
        settings = self._settings
        context = await self._in_thread(settings.tls.context) if settings.tls is not None else None
        name = settings.tls.server_name if settings.tls is not None else ""
        credentials = settings.credentials()
        connection = await open_connection(server, context, name, credentials)
        if self._listens and credentials is None:
            await connection.listen(min(LISTEN_SECONDS, settings.try_seconds / 4))
        return connection

    @property
    def _server(self) -> Server:
        return self._settings.servers[self._first]

    def _next(self) -> None:
        self._first = (self._first + 1) % len(self._settings.servers)

    def _failed(self, error: Exception, rest: list[Message]) -> SendError:
        """What is to be told of it. The next try begins with the next server."""
        server = self._server
        self._next()
        left = [entry for message in rest for entry in message.entries]
        self._left = (left, rest)
        cause, said = _told(error)
        retry = not (isinstance(error, Refused) and error.hopeless)
        return SendError(f"{server}: {said}", cause=cause, retry=retry, left=left)

    def _give_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    async def close(self) -> None:
        """It is opened again when there is something to send."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def _told(error: Exception) -> tuple[str, str]:
    """The cause, a word, and a sentence."""
    said = str(error) or type(error).__name__
    if isinstance(error, TimeoutError):
        return TIMEOUT, "it did not acknowledge in time"
    if isinstance(error, Refused):
        return REFUSED, f"the handshake failed: {said}"
    if isinstance(error, ProtocolError):
        return PROTOCOL, said
    if isinstance(error, SecretError):
        return SETTINGS, said
    if isinstance(error, ssl.SSLError):
        return TLS, f"TLS failed: {said}"
    return UNREACHABLE, said
