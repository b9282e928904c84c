"""Connections to Redis: each asks a batch of calls at once, and connects again when it is lost.

A link that cannot connect, or whose Redis is silent, is away; while all are, calls are answered without Redis.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from redis.asyncio import Connection
from redis.exceptions import NoScriptError, RedisError

from flotilla_mixer.adapters.redisquota.line import Line
from flotilla_mixer.adapters.redisquota.replicas import NO_REPLICAS, Replicas
from flotilla_mixer.adapters.redisquota.replies import REPLICAS, Reply, cause_of, is_elsewhere, reply_of
from flotilla_mixer.adapters.redisquota.waiting import Asked, Waiting
from flotilla_mixer.kit.adapter import Environment
from flotilla_mixer.kit.counters import TIMEOUT, UNREACHABLE
from flotilla_shared.runtime.backoff import Backoff

MOST_AT_ONCE = 128  # calls of a batch: a Redis needs about a millisecond for them
FIRST_WAIT, LONGEST_WAIT = 0.05, 2.0  # seconds before another try
ASKING = b"*1\r\n$6\r\nASKING\r\n"

Connect = Callable[[], Awaitable[Connection]]  # gives an open one, to a Redis that may count
Take = Callable[[Asked, Reply], None]  # the reply may be an error of Redis


class Links:
    """All links to one Redis, which ask what is in its line. `take` hears the reply to each call.

    `script` is what each Redis must know before it is asked. `lost` is called when a link has ended.
    """

    def __init__(
        self,
        waiting: Waiting,
        environment: Environment,
        connect: Connect,
        connect_seconds: float,
        script: str,
        take: Take,
        lost: Callable[[], None] = lambda: None,
        replicas: Replicas = NO_REPLICAS,
    ) -> None:
        self.away = False
        self.ready = asyncio.Event()  # while one link or more is connected
        self.line = Line()
        self._waiting = waiting
        self._environment = environment
        self._connect = connect
        self._connect_seconds = connect_seconds
        self._script = script
        self.take = take
        self._ended = lost
        self._replicas = replicas
        self._connected = 0
        self._renewals = 0
        self._misplaced = False  # the last thing that Redis said is that it may not count

    def start(self, number: int, name: str) -> None:
        """So many links."""
        for each in range(number):
            self._environment.spawn(self.run(), f"{name} {each}")

    def put(self, asked: Asked) -> None:
        """Ask, or answer without Redis while it is away."""
        if self.away:
            self._waiting.give_up(asked, UNREACHABLE)
        else:
            self.line.put(asked)

    def renew(self) -> None:
        """Redis is elsewhere now: each link connects again before it asks another time."""
        self._renewals += 1

    async def run(self) -> None:
        """One link, until its line is closed."""
        backoff = Backoff(FIRST_WAIT, LONGEST_WAIT)
        while not self.line.closed:
            try:
                await self._live(backoff)
            except (RedisError, OSError, ValueError, TimeoutError) as error:
                self._lost(error)
                await asyncio.sleep(backoff.next())

    async def _live(self, backoff: Backoff) -> None:
        """From connecting to the error that ends it."""
        renewals = self._renewals
        try:
            connection = await self._join()
        except (RedisError, OSError, ValueError):
            self._is_away()
            raise
        self._found()
        try:
            while batch := await self.line.next(MOST_AT_ONCE):
                # Nothing is due, so what can be read is the end of the connection.
                if renewals != self._renewals or await connection.can_read():
                    renewals = self._renewals
                    await connection.disconnect(nowait=True)
                    connection = await self._again(batch)
                await self._ask(connection, batch)
                backoff.reset()
        finally:
            await connection.disconnect(nowait=True)
            self._connected -= 1
            if not self._connected:
                self.ready.clear()

    async def _join(self) -> Connection:
        """A connection that is open, to a Redis that knows the script."""
        async with asyncio.timeout(self._connect_seconds):
            connection = await self._connect()
            try:
                await self._load(connection)
            except BaseException:
                await connection.disconnect(nowait=True)
                raise
        return connection

    async def _load(self, connection: Connection) -> None:
        await connection.send_command("SCRIPT LOAD", self._script)
        await connection.read_response()

    async def _again(self, batch: Sequence[Asked]) -> Connection:
        """The connection was closed while nobody asked: the batch, of which nothing was sent, gets a new one."""
        try:
            async with asyncio.timeout_at(_last(batch)):
                return await self._join()
        except BaseException:
            self._fail(batch)
            raise

    async def _ask(self, connection: Connection, batch: Sequence[Asked]) -> None:
        """All replies come in order, or the connection is given up: what comes late would be taken for another's."""
        due, unknown = deque(batch), list[Asked]()
        try:
            async with asyncio.timeout_at(_last(batch)):
                elsewhere = await self._exchange(connection, due, unknown)
                if unknown:
                    # A Redis that was started anew, or flushed, has forgotten the script; it did nothing for these.
                    await self._load(connection)
                    due, unknown = deque(unknown), []
                    elsewhere = await self._exchange(connection, due, None) or elsewhere
        except BaseException:
            self._fail([*due, *unknown])
            raise
        if elsewhere is not None:
            raise elsewhere
        self._misplaced = False

    async def _exchange(
        self, connection: Connection, due: deque[Asked], unknown: list[Asked] | None
    ) -> RedisError | None:
        """Send what is due, and hear each reply, but put those for which Redis lacks the script into `unknown`. Gives what
        Redis said if it is no place to count.
        """
        await connection.send_packed_command([*_commands(due), *self._replicas.commands()], check_health=False)
        replies: list[Reply] = []
        for asked in due:
            if asked.asking:
                await reply_of(connection)
            replies.append(await reply_of(connection))
        kept = not self._replicas.number or self._replicas.have(await reply_of(connection))
        elsewhere = None
        for reply in replies:
            asked = due.popleft()
            if unknown is not None and isinstance(reply, NoScriptError):
                unknown.append(asked)
                continue
            if isinstance(reply, RedisError) and is_elsewhere(reply):
                elsewhere = reply
            self._hear(asked, reply, kept)
        return elsewhere

    def _hear(self, asked: Asked, reply: Reply, kept: bool) -> None:
        """What was granted and could be forgotten is not told."""
        if kept or not isinstance(reply, list) or reply[:1] == [0]:
            self.take(asked, reply)
        else:
            self._environment.complain(REPLICAS, "too few replicas of redis have what was granted")
            self._waiting.give_up(asked, REPLICAS)

    def _fail(self, batch: Sequence[Asked]) -> None:
        for asked in batch:
            self._waiting.give_up(asked, UNREACHABLE)

    def _found(self) -> None:
        self._connected += 1
        self.away = False
        self.ready.set()
        self._environment.works_again("redis is there again")

    def _lost(self, error: Exception) -> None:
        """A connection that breaks is not the end of Redis: calls wait for the next one. Silence is, and a Redis that may
        not count and says so twice.
        """
        cause, said = cause_of(error), str(error) or "no answer in time"
        self._environment.complain(cause, "redis is not reached", error=said)
        misplaced, self._misplaced = self._misplaced, is_elsewhere(error)
        if cause == TIMEOUT or (misplaced and self._misplaced):
            self._is_away()
        self._ended()

    def _is_away(self) -> None:
        if not self._connected:
            self.away = True
            self._fail(self.line.leave())


def _commands(due: deque[Asked]) -> list[bytes]:
    return [ASKING + asked.command if asked.asking else asked.command for asked in due]


def _last(batch: Sequence[Asked]) -> float:
    """When nobody of these waits any more."""
    return max(asked.until for asked in batch)
