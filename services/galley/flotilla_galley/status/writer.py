"""Writing the status of custom resources: by the leader alone, coalesced, at a bounded rate, never over a newer object."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import msgspec

from flotilla_galley.analysis.message import Message
from flotilla_galley.snapshot.ledger import Entry
from flotilla_galley.sources.cluster import ClusterSource
from flotilla_galley.status.board import StatusBoard
from flotilla_galley.status.conditions import Status, next_status, patch_of
from flotilla_galley.status.rate import Rate
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.errors import Conflict, Forbidden, KubeError, NotFound
from flotilla_shared.runtime.kube.resources import Resource
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.metrics import ServiceMetrics

INTERVAL_SECONDS = 1.0
WRITES_A_SECOND, BURST = 50.0, 100
AT_ONCE = 4
# How long an API server that fails, or a right that is missing, is left alone.
PAUSE_SECONDS = 10.0

_log = get_logger(__name__)


class StatusMetrics:
    def __init__(self, metrics: ServiceMetrics) -> None:
        self.writes = metrics.counter(
            "galley_status_writes_total", "Writes of the status of custom resources", ["result"]
        )
        self.pending = metrics.gauge("galley_status_pending", "Objects whose status is looked at next")


class StatusWriter:
    """Component. `touch` names objects whose status may have to change; they are looked at once a second, and
    each is written once a second at most.

    `entry` gives an object as the publisher has it, `analysis` what analyzers say of it. While `lead` has not been
    called, nothing is written; it looks at all objects, since whoever led before may have left any of them undone.
    """

    def __init__(
        self,
        client: KubeClient,
        source: ClusterSource,
        entry: Callable[[ObjectKey], Entry | None],
        board: StatusBoard,
        metrics: StatusMetrics,
        *,
        analysis: Callable[[ObjectKey], Iterable[Message]] = lambda key: (),
        interval_seconds: float = INTERVAL_SECONDS,
        pause_seconds: float = PAUSE_SECONDS,
        rate: Rate | None = None,
    ) -> None:
        self._client = client
        self._source = source
        self._entry = entry
        self._board = board
        self._metrics = metrics
        self._analysis = analysis
        self._interval_seconds = interval_seconds
        self._pause_seconds = pause_seconds
        self._rate = rate or Rate(WRITES_A_SECOND, BURST)
        self._leading = False
        self._touched: dict[ObjectKey, None] = {}
        self._due: dict[ObjectKey, None] = {}
        self._written: dict[ObjectKey, float] = {}
        self._news = asyncio.Event()
        self._without_status: set[Resource] = set()
        self._tasks = Tasks("status writer")
        self._end: Callable[[], None] = lambda: None

    async def start(self) -> None:
        """Begin; returns at once."""
        self._end = self._board.subscribe(self.touch)
        self._tasks.spawn(self._keep(), "keep")

    async def stop(self) -> None:
        self._end()
        self._end = lambda: None
        await self._tasks.stop()

    def lead(self) -> None:
        """This replica writes from now on."""
        self._leading = True
        self._without_status.clear()
        self.touch(each.source.key for each in self._source.judged())

    def lose(self) -> None:
        """Another one may write."""
        self._leading = False
        self._touched.clear()
        self._due.clear()

    def touch(self, keys: Iterable[ObjectKey]) -> None:
        """Look at the status of these objects."""
        if self._leading:
            self._touched.update(dict.fromkeys(keys))
            self._news.set()

    async def _keep(self) -> None:
        while True:
            if not self._due:
                await self._news.wait()
                await asyncio.sleep(self._interval_seconds)
            self._collect()
            await self._round()
            self._metrics.pending.set(len(self._due))

    def _collect(self) -> None:
        """What was touched last comes first: who has just changed an object waits for it, and not for thousands of others.

        An object that was written within the interval waits until that is over, whatever happens to it.
        """
        self._news.clear()
        since = _clock() - self._interval_seconds
        self._written = {key: at for key, at in self._written.items() if at > since}
        ready = {key: None for key in self._touched if key not in self._written}
        for key in ready:
            self._due.pop(key, None)
        self._due.update(ready)
        self._touched = {key: None for key in self._touched if key in self._written}
        if self._touched:
            self._news.set()

    async def _round(self) -> None:
        """Some of what is due, for as long as touches are collected."""
        end = _clock() + self._interval_seconds
        while self._due and _clock() < end:
            keys = [self._due.popitem()[0] for _ in range(min(AT_ONCE, len(self._due)))]
            await asyncio.gather(*(self._attempt(key) for key in keys))

    async def _attempt(self, key: ObjectKey) -> None:
        try:
            await self._write(key)
        except Conflict:  # somebody changed it meanwhile: the watch tells, and it is looked at again
            self._metrics.writes.labels("conflict").inc()
            self.touch([key])
        except NotFound:
            self._not_found(key)
        except KubeError as error:
            kind = "forbidden" if isinstance(error, Forbidden) else "error"
            self._metrics.writes.labels(kind).inc()
            _log.warning("status not written", object=str(key), error=str(error))
            self.touch([key])
            await asyncio.sleep(self._pause_seconds)
        except Exception:  # noqa: BLE001  # the other objects' status must go on
            self._metrics.writes.labels("error").inc()
            _log.exception("status cannot be made", object=str(key))

    def _not_found(self, key: ObjectKey) -> None:
        """The object has gone; or its definition, an old one, has no status to write."""
        resource = self._source.resource(key.collection)
        if resource is not None and self._source.held(key) is not None:
            self._without_status.add(resource)
            _log.warning("status cannot be written: its definition has none", resource=str(resource))

    async def _write(self, key: ObjectKey) -> None:
        """Raises KubeError."""
        resource, item, entry = self._source.resource(key.collection), self._source.held(key), self._entry(key)
        judged = self._source.judgement(key)
        if resource is None or item is None or entry is None or judged is None or resource in self._without_status:
            return
        meta = item.metadata
        if (judged.uid, judged.generation) != (meta.uid, meta.generation):
            return  # not judged yet as it is now: it is touched again once it has been
        existing = decode_status(item.status)
        status = next_status(existing, entry, meta.generation, self._board.of(key), _now(), self._analysis(key))
        if status is None:
            return
        await self._rate.take()
        if not self._leading:
            return
        body = {"metadata": {"resourceVersion": meta.resource_version}, "status": patch_of(existing, status)}
        namespace = meta.namespace if resource.namespaced else ""
        self._written[key] = _clock()
        await self._client.patch(resource.path(namespace, meta.name, "status"), body)
        self._metrics.writes.labels("written").inc()


def _clock() -> float:
    return asyncio.get_running_loop().time()


def decode_status(raw: msgspec.Raw) -> Status:
    """A status as plain data; empty for none, or for one that is no mapping."""
    try:
        return msgspec.json.decode(raw, type=Status)
    except msgspec.DecodeError:
        return {}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
