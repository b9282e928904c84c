"""Who has acknowledged what: the ledger, the states for Galley, the hops of the trace."""

import asyncio

import pytest

from flotilla_pilot.compile.resource import TYPES, CompiledProxy
from flotilla_pilot.delivery.ledger import NOBODY, Ledger, Outcome
from flotilla_pilot.delivery.request import Dialect
from flotilla_pilot.status.reporter import StatusReporter, object_states
from flotilla_pilot.testing.discovery import SHORT, TableCompiler, compiled
from flotilla_pilot.testing.edge import Edge, route_object, workload
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ObjectKey, Problem

X, Y, Z = (ObjectKey(kinds.VIRTUAL_SERVICES, "default", name) for name in "xyz")


def keys(*found: ObjectKey) -> frozenset[ObjectKey]:
    return frozenset(found)


def counts(edge: Edge) -> dict[str, tuple[int, int, int]]:
    """Object name -> concerned, acknowledged, rejected."""
    return {
        key.name: (each.proxies_concerned, each.proxies_acknowledged, each.proxies_rejected)
        for key, each in object_states(edge.delivery).items()
    }


class TestLedger:
    def test_it_adds_up_and_forgets(self) -> None:
        ledger = Ledger()
        ledger.record("one", Outcome(keys(X, Y), keys(X), keys(Y)))
        ledger.record("two", Outcome(keys(X), keys(X), keys()))
        assert vars_of(ledger, X) == (2, 2, 0)
        assert vars_of(ledger, Y) == (1, 0, 1)
        ledger.record("one", NOBODY)
        assert vars_of(ledger, X) == (1, 1, 0)
        assert vars_of(ledger, Y) == (0, 0, 0)
        assert list(ledger.by_connection()) == ["two"]

    def test_a_new_version_is_acknowledged_by_nobody_yet(self) -> None:
        ledger = Ledger()
        ledger.record("one", Outcome(keys(X, Y), keys(X), keys(Y)))
        ledger.changed(keys(X, Z))
        assert vars_of(ledger, X) == (1, 0, 0)
        assert vars_of(ledger, Y) == (1, 0, 1)
        assert vars_of(ledger, Z) == (0, 0, 0)


def vars_of(ledger: Ledger, key: ObjectKey) -> tuple[int, int, int]:
    found = ledger.counts(key)
    return found.concerned, found.acknowledged, found.rejected


@pytest.fixture
def compiler() -> TableCompiler:
    made = TableCompiler({"lds": {"l": "l1"}, "rds": {"r": "r1"}})
    made.depends_on = {"l": keys(Z), "r": keys(X, Z)}
    return made


OBJECTS = [route_object(name, "1") for name in "xyz"]


class TestStates:
    async def test_an_object_without_proxies(self, edge: Edge) -> None:
        edge.publish(OBJECTS)
        assert counts(edge) == {"x": (0, 0, 0), "y": (0, 0, 0), "z": (0, 0, 0)}

    async def test_proxies_count_when_they_have_taken_all_that_is_made_of_it(
        self, edge: Edge, dialect: Dialect
    ) -> None:
        edge.publish(OBJECTS)
        async with edge.client(dialect) as client:
            await client.subscribe("lds")
            listeners = await client.next()
            await client.subscribe("rds", "r")
            await client.taken()
            assert counts(edge)["z"] == (1, 0, 0)
            await client.ack(listeners)
            await edge.answered()
            assert counts(edge) == {"x": (1, 1, 0), "y": (0, 0, 0), "z": (1, 1, 0)}
            await client.finish()
        assert counts(edge)["z"] == (0, 0, 0)

    async def test_a_rejection_counts_until_the_next_version(
        self, edge: Edge, compiler: TableCompiler, dialect: Dialect
    ) -> None:
        edge.publish(OBJECTS)
        async with edge.client(dialect) as client:
            await client.subscribe("rds", "r")
            await client.nack(await client.next(), "weights")
            await edge.answered()
            assert counts(edge)["x"] == (1, 0, 1)
            compiler.table = {**compiler.table, "rds": {"r": "r2"}}
            edge.publish([route_object("x", "2"), *OBJECTS[1:]])
            assert counts(edge)["x"] == (1, 0, 0)
            await client.taken()
            await edge.answered()
            assert counts(edge)["x"] == (1, 1, 0)

    async def test_a_change_that_changes_no_resource_is_taken_at_once(self, edge: Edge, dialect: Dialect) -> None:
        edge.publish(OBJECTS)
        async with edge.client(dialect) as client:
            await client.subscribe("rds", "r")
            await client.taken()
            await edge.answered()
            edge.publish([route_object("x", "2"), *OBJECTS[1:]])
            await edge.answered()
            assert counts(edge)["x"] == (1, 1, 0)

    async def test_what_a_reconnecting_proxy_holds_is_acknowledged(self, edge: Edge) -> None:
        edge.publish(OBJECTS)
        version = compiled({"rds": {"r": "r1"}}).resources[SHORT["rds"]]["r"].version
        async with edge.client("delta") as client:
            await client.subscribe("rds", "r", initial={"r": version})
            assert (await client.next()).resources == {}
            assert counts(edge)["x"] == (1, 1, 0)


class WithProblems(TableCompiler):
    def compile(self, snapshot, proxy) -> CompiledProxy:  # type: ignore[no-untyped-def]
        problems = {
            X: (Problem("conflict", "spec.hosts", "two want one name", "error"),),
            Y: (Problem("unused", "spec.hosts", "nobody asks", "warning"),),
        }
        return CompiledProxy({type_url: {} for type_url in TYPES}, problems)


class TestProblems:
    @pytest.fixture
    def compiler(self) -> TableCompiler:
        return WithProblems()

    async def test_errors_mean_not_accepted_and_warnings_do_not(self, edge: Edge) -> None:
        edge.publish(OBJECTS)
        async with edge.client("delta") as one, edge.client("delta", workload("web-v2", 2)) as two:
            for client in (one, two):
                await client.subscribe("lds")
                await client.taken()
            await edge.answered()
            states = object_states(edge.delivery)
        assert (states[X].accepted, [each.code for each in states[X].problems]) == (False, ["conflict"])
        assert (states[Y].accepted, [each.code for each in states[Y].problems]) == (True, ["unused"])
        assert (states[Z].accepted, states[Z].problems) == (True, ())


class TestReporter:
    async def test_it_hands_on_the_newest_states(self, edge: Edge) -> None:
        told: asyncio.Queue[dict[ObjectKey, str]] = asyncio.Queue()
        reporter = StatusReporter(
            edge.delivery,
            lambda states: told.put_nowait({key: each.version for key, each in states.items()}),
            interval_seconds=0.01,
        )
        await reporter.start()
        try:
            assert await told.get() == {}
            edge.publish([OBJECTS[0]])
            assert await told.get() == {X: "1"}
            edge.publish([route_object("x", "2")])
            assert await told.get() == {X: "2"}
        finally:
            await reporter.stop()


def hops(edge: Edge, **about: str) -> list[tuple[object, ...]]:
    return [(each["hop"], each["name"], each["version"], each["detail"]) for each in edge.trace.hops(**about)]


class TestTrace:
    async def test_sent_and_answered_once_a_version_and_type(
        self, edge: Edge, compiler: TableCompiler, dialect: Dialect
    ) -> None:
        edge.publish(OBJECTS)
        async with edge.client(dialect) as client:
            await client.subscribe("rds", "r")
            await client.taken()
            await edge.answered()
            first = [("pilot.sent", "x", "1", "rds"), ("pilot.acked", "x", "1", "rds")]
            assert hops(edge, name="x") == first
            compiler.table = {**compiler.table, "rds": {"r": "r2"}}
            edge.publish([OBJECTS[0], OBJECTS[1], route_object("z", "2")])
            await client.nack(await client.next(), "no")
            await edge.answered()
            assert hops(edge, name="x") == first, "its version has not changed"
            assert hops(edge, name="z", version="2") == [
                ("pilot.sent", "z", "2", "rds"),
                ("pilot.rejected", "z", "2", "rds"),
            ]
            assert {each["proxy"] for each in edge.trace.hops()} == {workload().id}

    async def test_a_removed_object_leaves_a_hop(self, edge: Edge, compiler: TableCompiler, dialect: Dialect) -> None:
        edge.publish(OBJECTS)
        async with edge.client(dialect) as client:
            await client.subscribe("lds")
            await client.taken()
            await edge.answered()
            compiler.table = {"lds": {}}
            edge.publish(OBJECTS[:2])
            await client.taken()
            await edge.answered()
        assert hops(edge, name="z")[-2:] == [("pilot.sent", "z", "", "lds"), ("pilot.acked", "z", "", "lds")]
