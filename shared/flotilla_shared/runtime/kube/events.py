"""Events: what a service did or saw, where `kubectl describe` shows it."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.errors import AlreadyExists, KubeError, NotFound
from flotilla_shared.runtime.kube.resources import EVENTS
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger

QUEUE = 256
REMEMBERED = 1024
# An event that comes again within this time is counted up, as the API server keeps events for an hour.
AGAIN_SECONDS = 600.0
MESSAGE_CHARACTERS = 1024

_log = get_logger(__name__)
EventType = Literal["Normal", "Warning"]


@dataclass(frozen=True, slots=True)
class Regarding:
    """The object that an event is about. A cluster-scoped one has its events in namespace `default`."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""
    uid: str = ""


@dataclass(frozen=True, slots=True)
class _Happening:
    regarding: Regarding
    reason: str
    message: str
    type: EventType

    def name(self) -> str:
        """The same happening has the same name, whichever replica saw it."""
        parts = (self.regarding.uid, self.regarding.kind, self.reason, self.message, self.type)
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
        return f"{self.regarding.name[:230]}.{digest}"


@dataclass
class _Written:
    count: int
    at: float


class EventWriter:
    """Component. `write` never waits and never raises: events are for people, and may be lost.

    `component` is who speaks (`istio-galley`), `instance` which replica. The same event again is counted up.
    """

    def __init__(self, client: KubeClient, component: str, instance: str = "") -> None:
        self.lost = 0
        self._client = client
        self._component = component
        self._instance = instance
        self._queue: asyncio.Queue[_Happening] = asyncio.Queue(QUEUE)
        self._written: OrderedDict[_Happening, _Written] = OrderedDict()
        self._tasks = Tasks("events")

    async def start(self) -> None:
        """Begin to write."""
        self._tasks.spawn(self._keep(), "keep")

    async def stop(self) -> None:
        await self._tasks.stop()

    def write(self, regarding: Regarding, reason: str, message: str, type: EventType = "Normal") -> None:
        """`reason` is one word in capitals and small letters (`RootMismatch`), `message` one sentence."""
        try:
            self._queue.put_nowait(_Happening(regarding, reason, message[:MESSAGE_CHARACTERS], type))
        except asyncio.QueueFull:
            self.lost += 1

    async def _keep(self) -> None:
        while True:
            happening = await self._queue.get()
            try:
                await self._write(happening)
            except KubeError as error:
                self.lost += 1
                _log.debug("event not written", reason=happening.reason, error=str(error))

    async def _write(self, happening: _Happening) -> None:
        written = self._written.get(happening)
        now = time.monotonic()
        if written is not None and now - written.at < AGAIN_SECONDS:
            written.count, written.at = written.count + 1, now
            await self._count_up(happening, written.count)
            return
        self._written[happening] = _Written(1, now)
        self._written.move_to_end(happening)
        if len(self._written) > REMEMBERED:
            self._written.popitem(last=False)
        await self._create(happening)

    async def _count_up(self, happening: _Happening, count: int) -> None:
        try:
            path = EVENTS.path(_namespace(happening), happening.name())
            await self._client.patch(path, {"count": count, "lastTimestamp": _now()})
        except NotFound:  # kept for an hour only
            await self._create(happening)

    async def _create(self, happening: _Happening) -> None:
        try:
            await self._client.create(EVENTS.path(_namespace(happening)), self._event(happening))
        except AlreadyExists:  # of an earlier life, or of another replica
            await self._client.patch(EVENTS.path(_namespace(happening), happening.name()), {"lastTimestamp": _now()})

    def _event(self, happening: _Happening) -> dict[str, Any]:
        regarding, now = happening.regarding, _now()
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": happening.name(), "namespace": _namespace(happening)},
            "involvedObject": {
                "apiVersion": regarding.api_version,
                "kind": regarding.kind,
                "name": regarding.name,
                **({"namespace": regarding.namespace} if regarding.namespace else {}),
                **({"uid": regarding.uid} if regarding.uid else {}),
            },
            "reason": happening.reason,
            "message": happening.message,
            "type": happening.type,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": self._component, **({"host": self._instance} if self._instance else {})},
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
        }


def _namespace(happening: _Happening) -> str:
    return happening.regarding.namespace or "default"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
