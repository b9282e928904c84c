"""Whatever happens in whatever order: an object's status is written once a second at most, never without a change, and ends right.

Time is the loop's own: it jumps to the next timer as soon as nothing else is to be done.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from flotilla_galley.snapshot.ledger import Entry, State
from flotilla_galley.status.board import StatusBoard
from flotilla_galley.status.conditions import next_status
from flotilla_galley.status.rate import Rate
from flotilla_galley.status.writer import StatusMetrics, StatusWriter, decode_status
from flotilla_protos.flotilla.status.v1.status_pb2 import ObjectStatus, StatusReport
from flotilla_protos.istio.networking.v1alpha3.workload_entry_pb2 import WorkloadEntry
from flotilla_shared.model.kinds import WORKLOAD_ENTRIES
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.runtime.kube.errors import Conflict, KubeError, Unreachable
from flotilla_shared.runtime.kube.objects import ObjectMeta
from flotilla_shared.runtime.kube.resources import Resource
from flotilla_shared.runtime.metrics import ServiceMetrics

ENTRIES = Resource("networking.istio.io", "v1", "workloadentries", True, "WorkloadEntry")
KEYS = [ObjectKey(WORKLOAD_ENTRIES, "x", name) for name in "abcdefghij"]


class Jumping(selectors.DefaultSelector):
    """Does not wait: the time until the next timer is over."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if not found and timeout:
            self.now += timeout
        return found


@contextmanager
def jumping_loop() -> Iterator[asyncio.AbstractEventLoop]:
    selector = Jumping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    try:
        yield loop
    finally:
        loop.close()


@dataclass
class World:
    """The API server, the watch of it and the publisher, as far as the writer knows them. A write is seen `lag` seconds later."""

    lag: float
    stored: dict[ObjectKey, Any] = field(default_factory=dict)
    seen: dict[ObjectKey, Any] = field(default_factory=dict)
    writes: list[tuple[float, ObjectKey]] = field(default_factory=list)
    changes: int = 0
    delays: list[float] = field(default_factory=list)
    faults: list[KubeError] = field(default_factory=list)
    writer: StatusWriter | None = None

    def store(self, key: ObjectKey, *, generation: int, status: Any) -> None:
        version = int(self.stored[key].metadata.resource_version) + 1 if key in self.stored else 1
        meta = ObjectMeta(key.name, key.namespace, "u", str(version), generation)
        self.stored[key] = SimpleNamespace(metadata=meta, status=msgspec.Raw(msgspec.json.encode(status)))
        asyncio.get_running_loop().call_later(self.lag, self._see, key, self.stored[key])

    def _see(self, key: ObjectKey, item: Any) -> None:
        before = self.seen.get(key)
        if before is None or int(before.metadata.resource_version) < int(item.metadata.resource_version):
            self.seen[key] = item  # timers of one moment come in any order, a watch's events do not
        assert self.writer is not None
        self.writer.touch([key])

    async def patch(self, path: str, body: Any) -> None:
        key = next(key for key in KEYS if f"/{key.name}/status" in path)
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(self.delays.pop(0) if self.delays else 0.01)
        if self.faults:
            raise self.faults.pop()
        held = self.stored[key]
        if body["metadata"]["resourceVersion"] != held.metadata.resource_version:
            raise Conflict(409, "Conflict", "it has changed")
        self.writes.append((began, key))
        status = {
            name: value for name, value in {**decode_status(held.status), **body["status"]}.items() if value is not None
        }
        self.store(key, generation=held.metadata.generation, status=status)

    def entry(self, key: ObjectKey) -> Entry:
        version = str(self.seen[key].metadata.generation)
        return Entry(key, State.PUBLISHED, "", 0, ConfigObject(key, version, WorkloadEntry()))

    def source(self) -> Any:
        def judgement(key: ObjectKey) -> Any:
            meta = self.seen[key].metadata
            return SimpleNamespace(uid=meta.uid, generation=meta.generation, source=SimpleNamespace(key=key))

        return SimpleNamespace(
            resource=lambda collection: ENTRIES,
            held=self.seen.get,
            judgement=judgement,
            judged=lambda: [judgement(key) for key in self.seen],
        )


def _touch(world: World, board: StatusBoard, key: ObjectKey, number: int) -> None:
    assert world.writer is not None
    world.writer.touch([key])


def _change(world: World, board: StatusBoard, key: ObjectKey, number: int) -> None:
    """Somebody writes another spec."""
    world.changes += 1
    held = world.stored[key]
    world.store(key, generation=held.metadata.generation + 1, status=decode_status(held.status))


def _report(world: World, board: StatusBoard, key: ObjectKey, number: int) -> None:
    world.changes += 1
    version = str(world.seen[key].metadata.generation)
    status = ObjectStatus(
        collection=key.collection, namespace=key.namespace, name=key.name, version=version, accepted=True
    )
    status.proxies_concerned, status.proxies_acknowledged = 3, number
    board.receive(StatusReport(reporter="pilot/0", objects=[status]), "")


def _strip(world: World, board: StatusBoard, key: ObjectKey, number: int) -> None:
    """Somebody takes the status away."""
    world.changes += 1
    world.store(key, generation=world.stored[key].metadata.generation, status={})


def _fault(world: World, board: StatusBoard, key: ObjectKey, number: int) -> None:
    world.faults.append(Conflict(409, "Conflict", "no") if number % 2 else Unreachable("away"))


def _lead(world: World, board: StatusBoard, key: ObjectKey, number: int) -> None:
    assert world.writer is not None
    world.writer.lose()
    world.writer.lead()


HAPPENS: list[Callable[[World, StatusBoard, ObjectKey, int], None]] = [_touch, _change, _report, _strip, _fault, _lead]
EVENTS = st.tuples(
    st.sampled_from([0.0, 0.001, 0.1, 0.5, 0.99, 1.0, 3.0]),
    st.sampled_from(HAPPENS),
    st.sampled_from(KEYS),
    st.integers(0, 3),
)
# Longer than all faults that there may be last, with the pause after each.
QUIET_SECONDS = 300.0


async def happened(events: list[Any], lag: float, delays: list[float]) -> tuple[World, StatusBoard, int]:
    """The world after the events and minutes in which nothing happens, and how much was written in the last half of that."""
    world, board = World(lag, delays=list(delays)), StatusBoard()
    metrics, rate = StatusMetrics(ServiceMetrics("galley")), Rate(1e6, 1_000_000)
    client: Any = world
    writer = StatusWriter(client, world.source(), world.entry, board, metrics, rate=rate, pause_seconds=2.0)
    world.writer = writer
    for key in KEYS:
        world.changes += 1
        world.store(key, generation=1, status={})
    await asyncio.sleep(lag)
    await writer.start()
    writer.lead()
    for wait, happens, key, number in events:
        await asyncio.sleep(wait)
        happens(world, board, key, number)
    await asyncio.sleep(QUIET_SECONDS / 2)
    before = len(world.writes)
    await asyncio.sleep(QUIET_SECONDS / 2)
    await writer.stop()
    return world, board, len(world.writes) - before


DELAYS = st.lists(st.sampled_from([0.001, 0.1, 0.5, 0.95, 1.2]), max_size=30)


@given(st.lists(EVENTS, max_size=25), st.sampled_from([0.0, 0.05, 1.5]), DELAYS)
@example([(0.0, _report, KEYS[0], number % 4) for number in range(20)], 0.0, [])
@example([(0.1, _report, KEYS[0], number % 4) for number in range(40)], 0.0, [])
@example([(0.99, _strip, KEYS[0], 0), (0.001, _strip, KEYS[0], 0)] * 8, 1.5, [])
# While others wait for their turn, those of the turn before are touched.
@example(
    [(2.0, _report, key, 1) if key is KEYS[2] else (0.0, _report, key, 1) for key in KEYS[2:6]],
    0.0,
    [0.95] * 4 + [0.1] * 9,
)
def test_one_write_a_second_and_none_without_a_change(events: list[Any], lag: float, delays: list[float]) -> None:
    with jumping_loop() as loop:
        world, board, late = loop.run_until_complete(happened(events, lag, delays))
    assert late == 0
    assert len(world.writes) <= world.changes
    for key in KEYS:
        times = [at for at, written in world.writes if written == key]
        assert all(later - earlier >= 1.0 - 1e-9 for earlier, later in pairwise(times))
        item = world.stored[key]
        generation = item.metadata.generation
        assert next_status(decode_status(item.status), world.entry(key), generation, board.of(key), "now") is None
