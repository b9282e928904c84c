"""Sentinels: which of the servers that they watch is the master now (docs/adr/0163)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from flotilla_mixer.adapters.redisquota.connection import Door
from flotilla_mixer.adapters.redisquota.settings import Address
from flotilla_mixer.kit.adapter import Environment

LOOK_SECONDS = 1.0  # between two looks for another master, while the one that is known answers


class Seen(NamedTuple):
    """A master as one Sentinel knows it. Each failover has a greater epoch."""

    epoch: int
    address: Address


class Sentinels:
    """Asks all at once. Of what a majority answers, or all that can, the newest epoch is right: one that is cut off still
    names the master of before.

    `seconds` is the longest that an answer may take; half of it is waited for a majority.
    """

    def __init__(self, door: Door, name: str, addresses: Sequence[Address], seconds: float) -> None:
        self._door = door
        self._name = name
        self._addresses = list(dict.fromkeys(addresses))
        self._seconds = seconds
        self._open: dict[Address, Connection] = {}
        self._turn = asyncio.Lock()

    async def master(self) -> Address:
        """Raises RedisError, OSError, TimeoutError or SecretError where no Sentinel says."""
        async with self._turn:
            answered = await self._answers()
        seen = [each for each in answered if isinstance(each, Seen)]
        if seen:
            return max(seen).address
        for each in answered:  # what one of them said tells more than that another is not there
            if isinstance(each, ResponseError):
                raise ResponseError(f"a Sentinel says of master {self._name!r}: {each}")
        for each in answered:
            if isinstance(each, BaseException):
                raise each
        raise RedisConnectionError(f"no Sentinel has said in time where master {self._name!r} is")

    async def _answers(self) -> list[Seen | BaseException]:
        tasks = [asyncio.ensure_future(self._ask(address)) for address in self._addresses]
        loop = asyncio.get_running_loop()
        begun, pending = loop.time(), set(tasks)
        try:
            while pending:
                known = sum(1 for each in tasks if each.done() and isinstance(each.result(), Seen))
                left = begun + (self._seconds / 2 if known else self._seconds) - loop.time()
                if 2 * known > len(tasks) or left <= 0:
                    break
                _, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return [task.result() for task in tasks if not task.cancelled()]

    async def _ask(self, address: Address) -> Seen | BaseException:
        """One Sentinel. Its connection is kept, unless anything goes wrong."""
        try:
            connection = self._open.pop(address, None)
            if connection is None or await connection.can_read():
                if connection is not None:
                    await connection.disconnect(nowait=True)
                connection = await self._door.open(address)
            try:
                await connection.send_command("SENTINEL", "MASTER", self._name)
                seen = _seen(await connection.read_response())
            except BaseException:
                await connection.disconnect(nowait=True)
                raise
        except (RedisError, OSError, ValueError, TimeoutError) as error:
            return error
        self._open[address] = connection
        return seen

    async def close(self) -> None:
        while self._open:
            await self._open.popitem()[1].disconnect(nowait=True)


def _seen(reply: Any) -> Seen:
    """From names and values in turn."""
    try:
        known = dict(zip(reply[::2], reply[1::2], strict=True))
        return Seen(int(known[b"config-epoch"]), (known[b"ip"].decode(), int(known[b"port"])))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RedisConnectionError(f"a Sentinel describes its master in another way than is known: {error}") from error


class WatchedMaster:
    """The master, wherever it is. `changed` is called when the Sentinels name another."""

    def __init__(self, sentinels: Sentinels, door: Door, environment: Environment) -> None:
        self.changed: Callable[[], None] = lambda: None
        self._sentinels = sentinels
        self._door = door
        self._environment = environment
        self._known: Address | None = None

    async def connect(self) -> Connection:
        """Raises as `Sentinels.master` and `Door.open` do, and RedisError where the server says that it is no master."""
        self._known = address = await self._sentinels.master()
        connection = await self._door.open(address)
        try:
            await connection.send_command("ROLE")
            role = await connection.read_response()
            if not isinstance(role, list) or role[:1] != [b"master"]:
                host, port = address
                raise RedisConnectionError(f"{host}:{port} is said to be the master, and says {str(role)[:40]}")
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    async def look(self) -> None:
        """For ever: a master that was replaced and does not know of it is left within about a second."""
        try:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                await self._look_once()
        finally:
            await self._sentinels.close()

    async def _look_once(self) -> None:
        try:
            address = await self._sentinels.master()
        except (RedisError, OSError, ValueError, TimeoutError) as error:
            self._environment.complain("sentinel", "no Sentinel says where the master of redis is", error=str(error))
            return
        if self._known is not None and address != self._known:
            self._known = address
            self.changed()
