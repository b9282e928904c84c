"""Who is to be brought up to date: a queue keyed by connection."""

import asyncio
import time
from collections.abc import Callable
from itertools import islice

import grpc

from flotilla_pilot.compile.containment import Withheld
from flotilla_pilot.delivery.compiling import CompilingThread
from flotilla_pilot.delivery.connection import Connection
from flotilla_pilot.delivery.metrics import DeliveryMetrics
from flotilla_pilot.delivery.publication import Publication
from flotilla_shared.model.objects import ObjectKey, Problem
from flotilla_shared.runtime.lifecycle import Tasks

CHUNK = 16


class PushQueue:
    """Connections in the order in which they were put; one that waits already keeps its place."""

    def __init__(self) -> None:
        self._waiting: dict[Connection, float] = {}
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, connection: Connection) -> None:
        self._waiting.setdefault(connection, time.monotonic())
        self._filled.set()

    def discard(self, connection: Connection) -> None:
        self._waiting.pop(connection, None)

    async def take(self, most: int) -> list[tuple[Connection, float]]:
        """The next connections, at least one, each with when it was put (time.monotonic); waits for it."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        taken = list(islice(self._waiting.items(), most))
        for connection, _ in taken:
            del self._waiting[connection]
        return taken


class Pusher:
    """Component. Compiles for the connections in the queue, always with the newest publication, and offers it.

    A connection that is put again while it is compiled for comes once more. `publication` is the newest; None
    until the first, before which no connection is taken in; `withheld` has the problems of objects for which proxies
    keep what they have.
    """

    def __init__(
        self, thread: CompilingThread, metrics: DeliveryMetrics, on_withheld: Callable[[], None] = lambda: None
    ) -> None:
        self.queue = PushQueue()
        self.publication: Publication | None = None
        self.withheld: dict[ObjectKey, tuple[Problem, ...]] = {}
        self._on_withheld = on_withheld
        self._thread = thread
        self._metrics = metrics
        self._tasks = Tasks("pusher")

    async def start(self) -> None:
        self._tasks.spawn(self._run(), "run")

    async def stop(self) -> None:
        await self._tasks.stop()

    async def _run(self) -> None:
        while True:
            taken = await self.queue.take(CHUNK)
            publication = self.publication
            assert publication is not None
            compiled = await self._thread.compile(publication.snapshot, [each.proxy for each, _ in taken])
            now = time.monotonic()
            for (connection, since), outcome in zip(taken, compiled, strict=True):
                self._metrics.queue_time.observe(now - since)
                if isinstance(outcome, Withheld):
                    self._failed(connection, publication, outcome)
                else:
                    connection.offer(publication, outcome)

    def turn_to(self, publication: Publication) -> None:
        """From now on this one is compiled for; what was withheld under the last is forgotten."""
        self.publication, self.withheld = publication, {}

    def _failed(self, connection: Connection, publication: Publication, outcome: Withheld) -> None:
        """One proxy's failure: it keeps what it has, and if it has nothing its stream ends visibly."""
        self._metrics.internal_errors.inc()
        if publication is self.publication:
            self.withheld.update(outcome.problems)
            self._on_withheld()
        if connection.publication is None:
            connection.close(grpc.StatusCode.INTERNAL, "Pilot failed to compile for this proxy; its log says why")
