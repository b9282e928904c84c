"""From deltas to snapshots."""

import asyncio
import time

import pytest

from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.delivery.compiling import CompilingThread
from flotilla_pilot.delivery.publication import Publication
from flotilla_pilot.model.snapshot import MeshSettings
from flotilla_pilot.sources.debounce import Debounce
from flotilla_pilot.sources.snapshots import SnapshotBuilder
from flotilla_pilot.sources.store import ObjectStore
from flotilla_pilot.testing.edge import route_object
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import Delta, ObjectKey
from flotilla_shared.runtime.streams.carrier import DeltaRefused
from flotilla_shared.runtime.trace import HopRecorder

VS, MESH = kinds.VIRTUAL_SERVICES, kinds.MESH_CONFIG
A, B = (ObjectKey(VS, "default", name) for name in "ab")


class Store:
    """A store that counts."""

    def __init__(self) -> None:
        self.changes = 0
        self.trace = HopRecorder("pilot")
        self.store = ObjectStore((VS, MESH), self.trace, self._count)

    def _count(self) -> None:
        self.changes += 1

    def versions(self) -> dict[str, str]:
        return {key.name: item.version for key, item in self.store.objects[VS].items()}


@pytest.fixture
def stored() -> Store:
    return Store()


class TestStore:
    async def test_full_replaces_and_partial_changes(self, stored: Store) -> None:
        await stored.store.apply(Delta(VS, "1", (route_object("a", "1"), route_object("b", "1"))))
        assert stored.versions() == {"a": "1", "b": "1"}
        await stored.store.apply(Delta(VS, "2", (route_object("a", "2"),), (B,), full=False))
        assert stored.versions() == {"a": "2"}
        await stored.store.apply(Delta(VS, "3", (route_object("b", "3"),)))
        assert stored.versions() == {"b": "3"}

    async def test_what_was_handed_out_never_changes(self, stored: Store) -> None:
        await stored.store.apply(Delta(VS, "1", (route_object("a", "1"),)))
        before = stored.store.objects
        await stored.store.apply(Delta(VS, "2", (), (A,), full=False))
        assert list(before[VS]) == [A]
        assert list(stored.store.objects[VS]) == []

    async def test_missing_until_said_even_if_empty(self, stored: Store) -> None:
        assert stored.store.missing == (VS, MESH)
        await stored.store.apply(Delta(MESH, "1"))
        assert stored.store.missing == (VS,)
        await stored.store.apply(Delta(VS, "1"))
        assert stored.store.missing == ()
        assert stored.changes == 2

    async def test_the_same_again_is_no_change(self, stored: Store) -> None:
        for _ in range(3):
            await stored.store.apply(Delta(VS, "1", (route_object("a", "1"),)))
        assert stored.changes == 1

    async def test_a_collection_that_nobody_asked_for_is_refused(self, stored: Store) -> None:
        with pytest.raises(DeltaRefused, match="istio/networking/v1alpha3/gateways"):
            await stored.store.apply(Delta(kinds.GATEWAYS, "1"))

    async def test_hops_of_what_changed(self, stored: Store) -> None:
        await stored.store.apply(Delta(VS, "1", (route_object("a", "1"), route_object("b", "1"))))
        await stored.store.apply(Delta(VS, "2", (route_object("a", "1"),)))
        hops = [(each["hop"], each["name"], each["version"], each["detail"]) for each in stored.trace.hops()]
        assert hops == [
            ("pilot.received", "a", "1", ""),
            ("pilot.received", "b", "1", ""),
            ("pilot.received", "b", "", "removed"),
        ]


class TestDebounce:
    async def test_a_burst_is_one(self) -> None:
        debounce = Debounce(quiet=0.05, most=10)
        for _ in range(5):
            debounce.touch()
        await debounce.settled()
        again = asyncio.create_task(debounce.settled())
        await asyncio.sleep(0)
        assert not again.done()
        debounce.touch()
        await again

    async def test_changes_without_end_are_cut_off(self) -> None:
        debounce = Debounce(quiet=0.2, most=0.3)

        async def restless() -> None:
            while True:
                debounce.touch()
                await asyncio.sleep(0.01)

        task = asyncio.create_task(restless())
        await asyncio.wait_for(debounce.settled(), 20)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def test_it_gives_when_the_first_change_came(self) -> None:
        debounce = Debounce(quiet=0, most=1)
        debounce.touch()
        assert await debounce.settled() <= time.monotonic()


class Builder:
    """A snapshot builder over a store, and what it published."""

    def __init__(self) -> None:
        self.debounce = Debounce(0, 1)
        self.trace = HopRecorder("pilot")
        self.store = ObjectStore((VS, MESH), self.trace, self.debounce.touch)
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
            broken.setattr("flotilla_pilot.delivery.compiling.build_snapshot", lambda *_: 1 / 0)
            await built.store.apply(Delta(VS, "1"))
            while not built.failures:
                await asyncio.sleep(0.01)
        await built.store.apply(Delta(VS, "2", (route_object("a", "1"),)))
        assert set((await built.published.get()).snapshot.objects) == {A}
