"""Delivery as a whole: publications in, streams served."""

import asyncio
import contextlib
from collections.abc import Mapping
from itertools import count

import grpc

from flotilla_pilot.delivery.compiling import CompilingThread
from flotilla_pilot.delivery.connection import Connection, Patience, Read, StreamEnded, Write
from flotilla_pilot.delivery.connections import PROBE_SECONDS, Connections, DuplicateProxy, TooManyChannels
from flotilla_pilot.delivery.ledger import NOBODY, Ledger, outcome_of
from flotilla_pilot.delivery.metrics import DeliveryMetrics
from flotilla_pilot.delivery.publication import Publication
from flotilla_pilot.delivery.pushes import Pusher
from flotilla_pilot.delivery.request import Dialect
from flotilla_pilot.model.proxy import Proxy
from flotilla_shared.model.objects import ObjectKey, Problem
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.serving import Peer
from flotilla_shared.runtime.trace import HopRecorder

STOP_SECONDS = 3.0

_log = get_logger(__name__)


class Delivery:
    """Component. Serves streams with what is published; between two publications nothing is sent unasked.

    `changed` is set whenever the ledger may have changed; whoever reports clears it.
    """

    def __init__(
        self,
        thread: CompilingThread,
        metrics: DeliveryMetrics,
        recorder: HopRecorder,
        patience: Patience | None = None,
        probe_seconds: float = PROBE_SECONDS,
    ) -> None:
        self.connections = Connections(probe_seconds)
        self.ledger = Ledger()
        self.changed = asyncio.Event()
        self._metrics = metrics
        self._recorder = recorder
        self._patience = patience or Patience()
        self._pusher = Pusher(thread, metrics, self.changed.set)
        self._numbers = count(1)
        self._unrecorded: set[Connection] = set()
        self.stopping = False
        self.connections.subscribe(self._left)
        metrics.connected.set_function(lambda: len(self.connections))

    @property
    def publication(self) -> Publication | None:
        """The newest; None until the first, until when no stream may be served."""
        return self._pusher.publication

    @property
    def withheld(self) -> Mapping[ObjectKey, tuple[Problem, ...]]:
        """What is wrong with objects for which proxies do not get the newest publication."""
        return self._pusher.withheld

    async def start(self) -> None:
        await self._pusher.start()

    async def stop(self) -> None:
        """End every stream with UNAVAILABLE, so that proxies turn to another Pilot or try again."""
        self.stopping = True
        connections = list(self.connections)
        for each in connections:
            each.close(grpc.StatusCode.UNAVAILABLE, "Pilot is stopping")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                for each in connections:
                    await each.ended.wait()
        await self._pusher.stop()

    def publish(self, publication: Publication) -> None:
        """From now on this snapshot is served; all connected proxies are compiled for anew."""
        self._pusher.turn_to(publication)
        self.ledger.changed(publication.changed)
        for each in self.connections:
            self._pusher.queue.put(each)
        self.changed.set()

    async def serve(
        self, proxy: Proxy, peer: Peer, dialect: Dialect, first: bytes, read: Read, write: Write
    ) -> StreamEnded:
        """Serve one stream until it ends, and say how. There must have been a publication."""
        connection = Connection(
            name=f"{proxy.node_id}-{next(self._numbers)}",
            proxy=proxy,
            peer=peer,
            dialect=dialect,
            metrics=self._metrics,
            recorder=self._recorder,
            on_change=self._note,
            patience=self._patience,
        )
        try:
            await self.connections.join(connection)
        except DuplicateProxy as refused:
            return StreamEnded(grpc.StatusCode.ALREADY_EXISTS, str(refused))
        except TooManyChannels as refused:
            return StreamEnded(grpc.StatusCode.RESOURCE_EXHAUSTED, str(refused))
        if self.stopping:
            connection.close(grpc.StatusCode.UNAVAILABLE, "Pilot is stopping")
        self._pusher.queue.put(connection)
        _log.info("proxy connected", proxy=proxy.node_id, peer=peer.address, dialect=dialect)
        try:
            return await connection.serve(first, read, write)
        finally:
            self.connections.leave(connection)
            _log.info("proxy left", proxy=proxy.node_id, stream=connection.name)

    def record_outcomes(self) -> None:
        """Bring the ledger up to date. A proxy that the newest publication has not reached yet is left as
        `publish` put it: what it acknowledged was of an older one.
        """
        newest = self.publication
        for connection in self._unrecorded:
            if connection.publication is newest and connection in self.connections:
                self.ledger.record(connection.name, outcome_of(connection.session))
        self._unrecorded.clear()

    def _note(self, connection: Connection) -> None:
        self._unrecorded.add(connection)
        self.changed.set()

    def _left(self, connection: Connection) -> None:
        self._pusher.queue.discard(connection)
        self._unrecorded.discard(connection)
        self.ledger.record(connection.name, NOBODY)
        self.changed.set()
