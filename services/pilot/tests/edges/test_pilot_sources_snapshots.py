"""From what came in to snapshots."""

import asyncio
import time

import pytest

from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.delivery.compiling import CompilingThread
from flotilla_pilot.delivery.publication import Publication
from flotilla_pilot.model.snapshot import MeshSettings
from flotilla_pilot.sources.snapshots import SnapshotBuilder
from flotilla_pilot.testing.edge import route_object
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import Delta, ObjectKey
from flotilla_shared.runtime.debounce import Debounce
from flotilla_shared.runtime.streams.store import ObjectStore
from flotilla_shared.runtime.trace import HopRecorder

VS, MESH = kinds.VIRTUAL_SERVICES, kinds.MESH_CONFIG
A, B = (ObjectKey(VS, "default", name) for name in "ab")


class Builder:
    """A snapshot builder over a store, and what it published."""

    def __init__(self) -> None:
        self.debounce = Debounce(0, 1)
        self.trace = HopRecorder("pilot")
        self.store = ObjectStore("pilot", (VS, MESH), self.trace, self.debounce.touch)
        self.thread = CompilingThread(Compiler())
        self.published: asyncio.Queue[Publication] = asyncio.Queue()
        self.failures = 0
        self.builder = SnapshotBuilder(
            self.store,
            self.debounce,
            self.thread,
            MeshSettings(),
            self.trace,
            self.published.put_nowait,
            self._fail,
        )

    def _fail(self) -> None:
        self.failures += 1


@pytest.fixture
async def built():  # type: ignore[no-untyped-def]
    running = Builder()
    await running.builder.start()
    yield running
    await running.builder.stop()
    await running.thread.stop()


class TestSnapshots:
    async def test_nothing_is_built_of_a_part(self, built: Builder) -> None:
        await built.store.apply(Delta(VS, "1", (route_object("a", "1"),)))
        await asyncio.sleep(0.05)
        assert built.published.empty()
        await built.store.apply(Delta(MESH, "1"))
        publication = await built.published.get()
        assert set(publication.snapshot.objects) == {A}
        assert publication.changed == {A}
        assert publication.since <= time.monotonic()

    async def test_what_changed_since_the_last_one(self, built: Builder) -> None:
        await built.store.apply(Delta(MESH, "1"))
        await built.store.apply(Delta(VS, "1", (route_object("a", "1"), route_object("b", "1"))))
        await built.published.get()
        await built.store.apply(Delta(VS, "2", (route_object("a", "2"),), (B,), full=False))
        assert (await built.published.get()).changed == {A, B}
        hops = [(each["name"], each["version"]) for each in built.trace.hops() if each["hop"] == "pilot.compiled"]
        assert sorted(hops[-2:]) == [("a", "2"), ("b", "")]

    async def test_there_and_back_is_no_new_snapshot(self, built: Builder) -> None:
        await built.store.apply(Delta(MESH, "1"))
        await built.store.apply(Delta(VS, "1", (route_object("a", "1"),)))
        first = await built.published.get()
        built.debounce.touch()
        await built.store.apply(Delta(VS, "2", (route_object("a", "2"),)))
        second = await built.published.get()
        assert first.snapshot.version != second.snapshot.version
        assert built.published.empty()

    async def test_a_build_that_fails_keeps_the_last_and_heals(
        self, built: Builder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await built.store.apply(Delta(MESH, "1"))
        with monkeypatch.context() as broken:
            broken.setattr("flotilla_pilot.compile.containment.build_snapshot", lambda *_: 1 / 0)
            await built.store.apply(Delta(VS, "1"))
            while not built.failures:
                await asyncio.sleep(0.01)
        await built.store.apply(Delta(VS, "2", (route_object("a", "1"),)))
        assert set((await built.published.get()).snapshot.objects) == {A}
