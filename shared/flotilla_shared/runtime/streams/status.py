"""What became of each object, back to Galley: the reporter's end of `flotilla.status.v1`.

Reports are coalesced: at most one in an interval, and only what changed; the first of a stream holds everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

import grpc

from flotilla_protos.flotilla.status.v1.status_pb2 import ObjectStatus, StatusAck, StatusReport
from flotilla_protos.flotilla.status.v1.status_pb2 import Problem as WireProblem
from flotilla_shared.model.objects import ObjectKey, Problem
from flotilla_shared.runtime.backoff import Backoff
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger

METHOD = "/flotilla.status.v1.ConfigurationStatus/Report"
INTERVAL_SECONDS = 1.0

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ObjectState:
    """One object in the eyes of a reporter. `version` is the version that it speaks of."""

    version: str
    accepted: bool = True
    problems: tuple[Problem, ...] = ()
    proxies_concerned: int = 0
    proxies_acknowledged: int = 0
    proxies_rejected: int = 0


States = Mapping[ObjectKey, ObjectState]


class StatusReceiver(Protocol):
    """Galley's end. `caller` is the reporter's verified identity."""

    def receive(self, report: StatusReport, caller: str) -> None: ...


def make_report(reporter: str, sequence: int, before: States | None, after: States) -> StatusReport | None:
    """What to tell who knows `before` (None: nothing); None where there is nothing to tell."""
    known: States = before if before is not None else {}
    changed = {key: state for key, state in after.items() if known.get(key) != state}
    gone = [key for key in known if key not in after]
    if before is not None and not changed and not gone:
        return None
    report = StatusReport(reporter=reporter, sequence=sequence, full=before is None)
    report.objects.extend(_encode(key, state) for key, state in changed.items())
    report.objects.extend(
        ObjectStatus(collection=key.collection, namespace=key.namespace, name=key.name, removed=True) for key in gone
    )
    return report


def _encode(key: ObjectKey, state: ObjectState) -> ObjectStatus:
    return ObjectStatus(
        collection=key.collection,
        namespace=key.namespace,
        name=key.name,
        version=state.version,
        accepted=state.accepted,
        problems=[WireProblem(code=each.code, field=each.field, text=each.text) for each in state.problems],
        proxies_concerned=state.proxies_concerned,
        proxies_acknowledged=state.proxies_acknowledged,
        proxies_rejected=state.proxies_rejected,
    )


def key_of(status: ObjectStatus) -> ObjectKey:
    return ObjectKey(status.collection, status.namespace, status.name)


class StatusClient:
    """Component. `update` as often as one likes; what is sent is the newest, once in `interval_seconds`."""

    def __init__(
        self,
        *,
        open_channel: Callable[[], grpc.aio.Channel],
        reporter: str,
        interval_seconds: float = INTERVAL_SECONDS,
        backoff: Backoff | None = None,
    ) -> None:
        self._open_channel = open_channel
        self._reporter = reporter
        self._interval_seconds = interval_seconds
        self._backoff = backoff or Backoff(first=0.2, cap=2.0)
        self._tasks = Tasks("status")
        self._states: States = {}
        self._changed = asyncio.Event()
        self._known = False  # whether there is anything to say at all
        self.last_error = ""

    async def start(self) -> None:
        """Begin; returns at once."""
        self._tasks.spawn(self._keep(), "keep")

    async def stop(self) -> None:
        await self._tasks.stop()

    def update(self, states: States) -> None:
        """The whole of what the reporter knows now; the mapping must not be changed afterwards."""
        self._states, self._known = states, True
        self._changed.set()

    async def _keep(self) -> None:
        while True:
            while not self._known:
                await self._changed.wait()
            try:
                await self._stream()
            except grpc.aio.AioRpcError as error:
                self.last_error = f"{error.code().name}: {error.details()}"
                _log.debug("status stream lost", error=self.last_error)
            except (OSError, RuntimeError, ValueError) as error:
                self.last_error = str(error)
            await asyncio.sleep(self._backoff.next())

    async def _stream(self) -> None:
        channel = self._open_channel()
        try:
            call = channel.stream_stream(
                METHOD, request_serializer=StatusReport.SerializeToString, response_deserializer=StatusAck.FromString
            )()
            told: States | None = None
            for sequence in count(1):
                self._changed.clear()
                states = self._states
                report = make_report(self._reporter, sequence, told, states)
                if report is not None:
                    await call.write(report)
                    if await call.read() is grpc.aio.EOF:
                        return
                    self._backoff.reset()
                    self.last_error, told = "", states
                    await asyncio.sleep(self._interval_seconds)
                await self._until_changed(call)
        finally:
            await channel.close()

    async def _until_changed(self, call: Any) -> None:
        """Wait for news, or for the end of the stream: a receiver that comes back must be told everything."""
        changed = asyncio.create_task(self._changed.wait())
        ended = asyncio.create_task(_ended(call))
        try:
            await asyncio.wait({changed, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done() and not changed.done():
                ended.result()
        finally:
            for task in (changed, ended):
                task.cancel()
            await asyncio.gather(changed, ended, return_exceptions=True)


async def _ended(call: Any) -> None:
    """Return or raise when the stream has ended: nothing is sent by the receiver but acknowledgements."""
    code = await call.code()
    raise ConnectionError(f"the status stream ended: {code.name}")


class DirectStatus:
    """Component: reports to a receiver in the same process, as StatusClient does over the wire."""

    def __init__(
        self, receiver: StatusReceiver, caller: str, reporter: str, interval_seconds: float = INTERVAL_SECONDS
    ) -> None:
        self._receiver = receiver
        self._caller = caller
        self._reporter = reporter
        self._interval_seconds = interval_seconds
        self._tasks = Tasks("status")
        self._states: States = {}
        self._changed = asyncio.Event()
        self.last_error = ""

    async def start(self) -> None:
        """Begin; returns at once."""
        self._tasks.spawn(self._keep(), "keep")

    async def stop(self) -> None:
        await self._tasks.stop()

    def update(self, states: States) -> None:
        """The whole of what the reporter knows now; the mapping must not be changed afterwards."""
        self._states = states
        self._changed.set()

    async def _keep(self) -> None:
        told: States | None = None
        for sequence in count(1):
            await self._changed.wait()
            self._changed.clear()
            states = self._states
            report = make_report(self._reporter, sequence, told, states)
            if report is not None:
                self._receiver.receive(report, self._caller)
                told = states
                await asyncio.sleep(self._interval_seconds)
