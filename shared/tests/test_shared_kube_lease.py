"""Leader election: one leads, another takes over, nobody leads what it cannot renew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from flotilla_shared.runtime.kube.lease import LeaderElection, LeaseTimes
from flotilla_shared.runtime.kube.resources import LEASES
from flotilla_shared.testing.apiserver import ApiServer, Fault, running

# Renewed each 20 ms; whoever cannot for 10 s of give_up is never the case unless a test says so.
QUICK = LeaseTimes(duration=1, give_up=10, retry=0.02)


class Replica:
    """One replica, and what it was told."""

    def __init__(self, server: ApiServer, name: str, times: LeaseTimes = QUICK) -> None:
        self.told: list[str] = []
        self.client = server.client()
        self.election = LeaderElection(
            self.client,
            "istio-system",
            "leader",
            name,
            lambda: self.told.append("lead"),
            lambda: self.told.append("lose"),
            times=times,
        )

    async def start(self) -> None:
        await self.client.start()
        await self.election.start()

    async def stop(self) -> None:
        await self.election.stop()
        await self.client.stop()


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with running(LEASES) as found:
        yield found


@pytest.fixture
async def replica(server: ApiServer) -> AsyncIterator[Callable[..., Replica]]:
    made: list[Replica] = []

    def make(name: str, times: LeaseTimes = QUICK) -> Replica:
        made.append(Replica(server, name, times))
        return made[-1]

    yield make
    for each in made:
        await each.stop()


async def until(server: ApiServer, holds: Callable[[], object]) -> None:
    await asyncio.wait_for(server.until(holds), 20)


def spec(server: ApiServer) -> dict[str, object]:
    found: dict[str, object] = server.get(LEASES, "leader", "istio-system")["spec"]
    return found


async def test_one_leads_and_gives_back(server: ApiServer, replica: Callable[..., Replica]) -> None:
    one, two = replica("one"), replica("two")
    await one.start()
    await until(server, lambda: one.election.leading)
    await two.start()
    await until(server, lambda: two.election.holder == "one")
    await one.stop()
    assert one.told == ["lead", "lose"]
    await until(server, lambda: two.election.leading)
    assert (spec(server)["holderIdentity"], spec(server)["leaseTransitions"]) == ("two", 1)
    assert (two.told, two.election.holder) == (["lead"], "two")


async def test_a_holder_that_is_silent_is_followed(server: ApiServer, replica: Callable[..., Replica]) -> None:
    server.put(
        LEASES,
        "leader",
        "istio-system",
        metadata={"labels": {"by": "the chart"}},
        spec={"holderIdentity": "gone", "leaseDurationSeconds": 1, "renewTime": "2099-01-01T00:00:00.000000Z"},
    )
    one = replica("one")
    await one.start()
    await until(server, lambda: one.election.holder == "gone")
    assert not one.election.leading
    await until(server, lambda: one.election.leading)
    assert spec(server)["leaseTransitions"] == 1
    assert server.get(LEASES, "leader", "istio-system")["metadata"]["labels"] == {"by": "the chart"}


async def test_a_lease_without_a_holder_is_taken(server: ApiServer, replica: Callable[..., Replica]) -> None:
    server.put(LEASES, "leader", "istio-system")
    one = replica("one")
    await one.start()
    await until(server, lambda: one.election.leading)
    assert not server.of("create")


async def test_a_time_has_six_digits(server: ApiServer, replica: Callable[..., Replica]) -> None:
    one = replica("one")
    await one.start()
    await until(server, lambda: one.election.leading)
    for name in ("renewTime", "acquireTime"):
        assert len(str(spec(server)[name])) == len("2026-01-02T03:04:05.000000Z")


async def test_who_cannot_renew_loses_and_comes_back(server: ApiServer, replica: Callable[..., Replica]) -> None:
    one = replica("one", LeaseTimes(duration=1, give_up=0.1, retry=0.02))
    await one.start()
    await until(server, lambda: one.election.leading)
    server.fail(Fault("get", 500, "InternalError", "etcd is away", times=10**9))
    await until(server, lambda: not one.election.leading)
    assert (one.told, one.election.last_error) == (["lead", "lose"], "etcd is away")
    server._faults.clear()
    await until(server, lambda: one.election.leading)
    assert one.election.last_error == ""


async def test_who_is_robbed_loses(server: ApiServer, replica: Callable[..., Replica]) -> None:
    one = replica("one")
    await one.start()
    await until(server, lambda: one.election.leading)
    thief = {"holderIdentity": "thief", "leaseDurationSeconds": 3600, "renewTime": "2026-01-01T00:00:00.000000Z"}
    server.put(LEASES, "leader", "istio-system", spec=thief)
    await until(server, lambda: one.told == ["lead", "lose"])


async def test_a_write_over_another_version_takes_nothing(server: ApiServer, replica: Callable[..., Replica]) -> None:
    server.put(LEASES, "leader", "istio-system")
    server.fail(Fault("patch", 409, "Conflict", times=2))
    one = replica("one")
    await one.start()
    await until(server, lambda: one.election.leading)
    assert len(server.of("patch")) >= 3
    assert all(each.body["metadata"]["resourceVersion"] for each in server.of("patch"))
