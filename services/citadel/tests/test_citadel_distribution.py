"""The root in every namespace of an API server that is written to by others, fails, and loses namespaces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from flotilla_citadel.publish.config_map import KEY, LABEL, MARK, NAME, Publication
from flotilla_citadel.publish.distribution import RootDistribution
from flotilla_citadel.publish.namespaces import Standing, State
from flotilla_citadel.publish.worklist import Worklist
from flotilla_shared.runtime.backoff import Backoff
from flotilla_shared.runtime.kube.metrics import NO_METRICS
from flotilla_shared.runtime.kube.resources import CONFIG_MAPS, NAMESPACES
from flotilla_shared.testing.apiserver import ApiServer, Fault, running

ROOT, OTHER, MARKED = "our root\n", "their root\n", "istio-system/cluster.local/default"
SYSTEM = ("default", "kube-system", "kube-public", "kube-node-lease", "local-path-storage", "istio-system")
TERMINATING = "unable to create new content in namespace shop because it is being terminated"


def quick(work: Any) -> Worklist:
    return Worklist(work, backoff=lambda: Backoff(0.001, 0.002))


class Distributed:
    """A replica's distribution over an API server."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.client = server.client()
        self.told: list[tuple[str, State]] = []
        self.distribution = RootDistribution(
            self.client, Publication(ROOT, MARKED), metrics=NO_METRICS, on_standing=self._hear, worklist=quick
        )

    def _hear(self, namespace: str, standing: Standing) -> None:
        self.told.append((namespace, standing.state))

    async def start(self, *, leads: bool = True) -> None:
        await self.client.start()
        self.distribution.lead(leads)
        await self.distribution.start()

    async def stop(self) -> None:
        await self.distribution.stop()
        await self.client.stop()

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            await self.server.until(holds)

    async def stands(self, namespace: str, state: State) -> str:
        def so() -> bool:
            found = self.distribution.standings.get(namespace)
            return found is not None and found.state is state

        await self.until(so)
        return self.distribution.standings.get(namespace).reason

    def holders(self) -> set[str]:
        """Namespaces whose ConfigMap holds our root."""
        found = self.server.store.kind(str(CONFIG_MAPS))
        return {namespace for (namespace, name), item in found.items() if name == NAME and item["data"] == {KEY: ROOT}}


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with running(NAMESPACES, CONFIG_MAPS) as found:
        for name in SYSTEM:
            found.put(NAMESPACES, name)
        yield found


@pytest.fixture
async def leader(server: ApiServer) -> AsyncIterator[Distributed]:
    made = Distributed(server)
    yield made
    await made.stop()


async def test_every_namespace_gets_it_but_those_without_workloads(leader: Distributed) -> None:
    await leader.start()
    await leader.until(lambda: leader.holders() == {"default", "kube-system", "istio-system"})
    written = leader.server.get(CONFIG_MAPS, NAME, "kube-system")
    assert written["metadata"]["labels"] == {LABEL: "true"}
    assert written["metadata"]["annotations"] == {MARK: MARKED}
    leader.server.put(NAMESPACES, "shop")  # one that was made a moment ago
    await leader.until(lambda: "shop" in leader.holders())
    await leader.stands("shop", State.PUBLISHED)
    assert len(leader.server.of("create", "namespaces")) == 4  # each is written once


async def test_what_is_edited_or_deleted_comes_back(leader: Distributed) -> None:
    await leader.start()
    await leader.until(lambda: "default" in leader.holders())
    leader.server.put(CONFIG_MAPS, NAME, "default", data={KEY: OTHER, "x": "y"})
    await leader.until(lambda: leader.server.of("patch") and "default" in leader.holders())
    leader.server.remove(CONFIG_MAPS, NAME, "default")
    await leader.until(lambda: "default" in leader.holders())
    (patched,) = leader.server.of("patch")
    assert patched.body["metadata"]["resourceVersion"]


async def test_a_foreign_one_is_told_and_left_until_it_goes(leader: Distributed) -> None:
    leader.server.put(CONFIG_MAPS, NAME, "shop", data={KEY: OTHER})
    leader.server.put(NAMESPACES, "shop")
    await leader.start()
    reason = await leader.stands("shop", State.FOREIGN)
    assert reason.startswith("ConfigMap shop/istio-ca-root-cert holds another root")
    await leader.until(lambda: "default" in leader.holders())
    assert leader.server.get(CONFIG_MAPS, NAME, "shop")["data"] == {KEY: OTHER}
    assert leader.told.count(("shop", State.FOREIGN)) == 1
    leader.server.remove(CONFIG_MAPS, NAME, "shop")
    await leader.until(lambda: "shop" in leader.holders())


async def test_only_the_leader_writes_and_all_know(leader: Distributed) -> None:
    follower = Distributed(leader.server)
    await follower.start(leads=False)
    await follower.stands("default", State.WAITING)
    assert not leader.server.of("create")
    await leader.start()
    await follower.stands("default", State.PUBLISHED)
    leader.distribution.lead(False)
    leader.server.remove(CONFIG_MAPS, NAME, "default")
    await leader.stands("default", State.WAITING)
    follower.distribution.lead(True)
    await follower.until(lambda: "default" in follower.holders())
    await follower.stop()


FAULTS = [
    Fault("create", 403, "Forbidden", 'User "x" cannot create resource "configmaps"', plural="configmaps", times=2),
    Fault("create", 500, "InternalError", plural="configmaps", times=3),
    Fault("create", 409, "AlreadyExists", plural="configmaps"),
    Fault("create", 409, "Conflict", plural="configmaps"),
    Fault("list", 403, "Forbidden", plural="configmaps", times=2),
    Fault("list", 503, "ServiceUnavailable", plural="namespaces", times=2),
    Fault("watch", 410, "Expired", plural="configmaps"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.verb}-{fault.code}-{fault.reason}")
async def test_what_fails_is_tried_again(leader: Distributed, fault: Fault) -> None:
    leader.server.fail(Fault(**vars(fault)))
    await leader.start()
    await leader.until(lambda: leader.holders() == {"default", "kube-system", "istio-system"})


async def test_a_right_that_is_missing_is_told_with_its_words(leader: Distributed) -> None:
    words = 'configmaps is forbidden: User "x" cannot create resource "configmaps" in the namespace "default"'
    leader.server.fail(Fault("create", 403, "Forbidden", words, plural="configmaps", times=1000))
    await leader.start()
    reason = await leader.stands("default", State.FAILED)
    assert reason == f"ConfigMap default/{NAME} cannot be written: {words}"


async def test_a_repair_that_lost_against_another_edit_is_made_anew(leader: Distributed) -> None:
    await leader.start()
    await leader.until(lambda: "default" in leader.holders())
    leader.server.fail(Fault("patch", 409, "Conflict"))
    leader.server.put(CONFIG_MAPS, NAME, "default", data={KEY: OTHER})
    await leader.until(lambda: len(leader.server.of("patch")) == 2 and "default" in leader.holders())


GOING = [
    Fault("create", 403, "Forbidden", TERMINATING),
    Fault("create", 404, "NotFound", 'namespaces "shop" not found'),
]


@pytest.mark.parametrize("fault", GOING, ids=["terminating", "gone"])
async def test_a_namespace_that_goes_away_meanwhile_is_quiet(leader: Distributed, fault: Fault) -> None:
    await leader.start()
    await leader.until(lambda: len(leader.holders()) == 3)
    leader.server.fail(Fault(**vars(fault)))
    leader.server.put(NAMESPACES, "shop")
    await leader.until(lambda: len(leader.server.of("create")) == 4 and not len(leader.distribution._work))
    leader.server.remove(NAMESPACES, "shop")
    leader.server.put(NAMESPACES, "next")
    await leader.until(lambda: "next" in leader.holders())
    assert not [state for _, state in leader.told if state is not State.PUBLISHED]
    assert len(leader.server.of("create")) == 5  # and it is not tried again


async def test_a_terminating_namespace_is_left_alone(leader: Distributed) -> None:
    leader.server.put(NAMESPACES, "shop", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    await leader.start()
    await leader.until(lambda: len(leader.holders()) == 3)
    leader.server.put(CONFIG_MAPS, NAME, "shop", data={KEY: OTHER})
    leader.server.put(NAMESPACES, "next")
    await leader.until(lambda: "next" in leader.holders())
    assert leader.distribution.standings.get("shop") is None
    assert leader.holders() == {"default", "kube-system", "istio-system", "next"}
