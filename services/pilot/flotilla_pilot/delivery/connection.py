"""One connected proxy: its stream's session, what waits for it, and how its stream ends."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import grpc

from flotilla_pilot.compile.resource import CompiledProxy
from flotilla_pilot.delivery.metrics import SHORT, DeliveryMetrics
from flotilla_pilot.delivery.publication import Publication
from flotilla_pilot.delivery.request import Dialect, RequestRefused, parse_request
from flotilla_pilot.delivery.session import Session
from flotilla_pilot.delivery.tracing import StreamTrace
from flotilla_pilot.delivery.watch import Sent
from flotilla_pilot.model.proxy import Proxy
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.serving import Peer
from flotilla_shared.runtime.trace import HopRecorder
from flotilla_shared.runtime.whole_writes import WholeWrites

Write = Callable[[bytes], Awaitable[None]]
Read = Callable[[], Awaitable[object]]

_log = get_logger(__name__)


class StreamEnded(Exception):
    """The stream is to end with this status; OK when the proxy ended it."""

    def __init__(self, code: grpc.StatusCode, text: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: for a proxy to read what is sent to it, and for what make-before-break waits for."""

    write: float = 30.0
    warming: float = 1.0


@dataclass(eq=False)
class Connection:
    """One ADS stream of one proxy. Made by delivery; `serve` is its life. All on one event loop."""

    name: str
    proxy: Proxy
    peer: Peer
    dialect: Dialect
    metrics: DeliveryMetrics
    recorder: HopRecorder
    on_change: Callable[["Connection"], None]
    patience: Patience = field(default_factory=Patience)
    since: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.session = Session(self.dialect, self)
        self.publication: Publication | None = None
        self.heard = 0  # requests of the proxy, so that a probe can see a new one
        self._offered: tuple[Publication, CompiledProxy] | None = None
        self._wake = asyncio.Event()
        self._news = asyncio.Event()
        self._probe = False
        self._impatient = False
        self._timer: asyncio.TimerHandle | None = None
        self._writing = asyncio.Lock()
        self._ending: asyncio.Future[StreamEnded] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()
        self._trace = StreamTrace(self.recorder, self.proxy.node_id)

    def offer(self, publication: Publication, compiled: CompiledProxy) -> None:
        """What the proxy is to hold. Only the newest waits: a slow reader skips what came between."""
        self._offered = (publication, compiled)
        self._wake.set()

    def ask_for_life(self) -> None:
        """Send something that a living proxy answers."""
        self._probe = True
        self._wake.set()

    def close(self, code: grpc.StatusCode, text: str) -> None:
        """End the stream with this status, after the message that is being written."""
        if not self._ending.done():
            self._ending.set_result(StreamEnded(code, text))

    async def heard_or_ended(self, before: int) -> None:
        """Return when the proxy has sent more than `before` requests, or its stream has ended."""
        while self.heard <= before and not self.ended.is_set():
            self._news.clear()
            await self._news.wait()

    async def serve(self, first: bytes, read: Read, write: Write) -> StreamEnded:
        """Serve until the stream ends, and say how. `read` gives EOF (grpc.aio's) at the proxy's end."""
        writes = WholeWrites(write)
        tasks = {
            asyncio.create_task(self._listen(first, read, writes.write), name=f"ads:{self.name}:requests"),
            asyncio.create_task(self._push(writes.write), name=f"ads:{self.name}:pushes"),
        }
        try:
            waited: set[asyncio.Future[Any]] = {*tasks, self._ending}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            await writes.finish()
            if self._ending.done():
                return self._ending.result()
            return _how_it_ended(next(task for task in tasks if task.done()))
        finally:
            for task in tasks:
                task.cancel()
            try:
                await asyncio.gather(*tasks, return_exceptions=True)
            finally:
                self._end()

    def _end(self) -> None:
        self._ending.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self.ended.set()
        self._news.set()

    async def _listen(self, first: bytes, read: Read, write: Write) -> None:
        message: object = first
        while message is not grpc.aio.EOF:
            assert isinstance(message, bytes)
            self.heard += 1
            self._news.set()
            async with self._writing:
                try:
                    out = self.session.request(parse_request(self.dialect, message))
                except RequestRefused as refused:
                    raise StreamEnded(grpc.StatusCode.INVALID_ARGUMENT, str(refused)) from refused
                await self._write(write, out)
            message = await read()
        raise StreamEnded(grpc.StatusCode.OK)

    async def _push(self, write: Write) -> None:
        while True:
            await self._wake.wait()
            async with self._writing:
                self._wake.clear()
                offered, self._offered = self._offered, None
                if offered is not None:
                    await self._push_one(write, *offered)
                if self._probe:
                    self._probe = False
                    await self._write(write, self.session.probe())
                if self._impatient:
                    self._impatient = False
                    await self._write(write, self.session.expire())

    def _watch_patience(self) -> None:
        """Keep a timer running for as long as the session waits for something."""
        if not self.session.waiting:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.patience.warming, self._lose_patience)

    def _lose_patience(self) -> None:
        self._timer, self._impatient = None, True
        self._wake.set()

    async def _push_one(self, write: Write, publication: Publication, compiled: CompiledProxy) -> None:
        first = self.publication is None
        self.publication = publication
        out = self.session.push(publication.snapshot.version, compiled)
        await self._write(write, out)
        if out and not first:
            self.metrics.convergence.observe(time.monotonic() - publication.since)
        self.on_change(self)

    async def _write(self, write: Write, messages: list[bytes]) -> None:
        self._watch_patience()
        for message in messages:
            try:
                async with asyncio.timeout(self.patience.write):
                    await write(message)
            except TimeoutError as error:
                self.metrics.write_timeouts.inc()
                text = f"the proxy has read nothing for {self.patience.write:g} s"
                raise StreamEnded(grpc.StatusCode.DEADLINE_EXCEEDED, text) from error

    def sent(self, sent: Sent) -> None:
        """As the session's observer."""
        short = SHORT[sent.type_url]
        self.metrics.pushes.labels(short).inc()
        self.metrics.size.labels(short).observe(len(sent.message))
        if self.publication is not None:
            self._trace.sent(sent, self.publication.snapshot.objects)
        self.on_change(self)

    def acknowledged(self, sent: Sent) -> None:
        self._trace.acknowledged(sent)
        self.on_change(self)

    def rejected(self, sent: Sent, text: str) -> None:
        self._trace.rejected(sent)
        self.metrics.rejects[sent.type_url].inc()
        self.metrics.total_rejects.labels(SHORT[sent.type_url]).inc()
        _log.warning(
            "configuration rejected by a proxy",
            proxy=self.proxy.node_id,
            type=SHORT[sent.type_url],
            resources=sorted(self.session.watches[sent.type_url].rejected)[:20],
            error=text,
        )
        self.on_change(self)

    def expired(self, type_url: str) -> None:
        self.metrics.expired.labels(SHORT[type_url]).inc()


def _how_it_ended(task: "asyncio.Task[None]") -> StreamEnded:
    error = task.exception()
    if isinstance(error, StreamEnded):
        return error
    if isinstance(error, grpc.aio.UsageError | grpc.RpcError | asyncio.InvalidStateError):
        return StreamEnded(grpc.StatusCode.OK)  # the proxy has gone while we wrote
    _log.error("stream failed", exc_info=error)
    return StreamEnded(grpc.StatusCode.INTERNAL, "Pilot failed on this stream; its log says why")
