"""The store of a consumer: deltas in, immutable collections out."""

import pytest

from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ConfigObject, Delta, ObjectKey
from flotilla_shared.runtime.streams.carrier import DeltaRefused
from flotilla_shared.runtime.streams.store import ObjectStore
from flotilla_shared.runtime.trace import HopRecorder

VS, MESH = kinds.VIRTUAL_SERVICES, kinds.MESH_CONFIG
A, B = (ObjectKey(VS, "default", name) for name in "ab")


def route_object(name: str, version: str) -> ConfigObject:
    return ConfigObject(ObjectKey(VS, "default", name), version, None)


class Store:
    """A store that counts."""

    def __init__(self) -> None:
        self.changes = 0
        self.trace = HopRecorder("pilot")
        self.store = ObjectStore("pilot", (VS, MESH), self.trace, self._count)

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
        with pytest.raises(DeltaRefused, match=r"Pilot does not use .*istio/networking/v1alpha3/gateways"):
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
