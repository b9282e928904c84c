"""A server that speaks Redis's protocol and says what a test wants, for what no real one can be brought to say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import hiredis

Command = list[bytes]
Script = Callable[[Command], bytes | None]  # the reply, or nothing at all
OK = b"+OK\r\n"


class ScriptedRedis:
    """`script` answers each command, which `heard` keeps, but those by which a client says who it is. On the loop of a test."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.heard: list[Command] = []
        self.connections = 0
        self.address = ""
        self.port = 0
        self._serving: set[asyncio.Task[Any]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._writers.add(writer)
        self.connections += 1
        parser = hiredis.Reader()
        while data := await reader.read(65536):
            parser.feed(data)
            while (command := parser.gets()) is not False:
                self._answer(list(command), writer)
        writer.close()

    def _answer(self, command: Command, writer: asyncio.StreamWriter) -> None:
        if command[0] in (b"CLIENT", b"SELECT", b"AUTH", b"SCRIPT"):
            writer.write(OK)
            return
        self.heard.append(command)
        reply = self.script(command)
        if reply is not None:
            writer.write(reply)

    def names(self) -> Sequence[bytes]:
        """The first words of what was asked."""
        return [command[0] for command in self.heard]

    async def stop(self) -> None:
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*self._serving, return_exceptions=True)


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[ScriptedRedis]:
    """One that listens on loopback."""
    played = ScriptedRedis(script)
    server = await asyncio.start_server(played.serve, "127.0.0.1", 0)
    played.port = server.sockets[0].getsockname()[1]
    played.address = f"127.0.0.1:{played.port}"
    try:
        yield played
    finally:
        server.close()
        await played.stop()
        await server.wait_closed()


def packed(value: Any) -> bytes:
    """A reply: text, whole number, nothing, list of these."""
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, (list, tuple)):
        return b"*%d\r\n" % len(value) + b"".join(map(packed, value))
    data = value if isinstance(value, bytes) else str(value).encode()
    return b"$%d\r\n%s\r\n" % (len(data), data)


def granted(amount: int, microseconds: int = 1_000_000) -> bytes:
    """What the script of quotas says."""
    return packed([amount, microseconds])
