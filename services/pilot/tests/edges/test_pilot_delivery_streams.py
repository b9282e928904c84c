"""Streams over a real port with real certificates."""

import asyncio

import grpc

from flotilla_pilot.delivery.request import Dialect
from flotilla_pilot.testing.discovery import AdsClient, TableCompiler, sotw_request
from flotilla_pilot.testing.edge import Edge, route_object, workload


async def connect(client: AdsClient) -> None:
    """Ask for every type as Envoy does, and acknowledge."""
    for short, names in (("cds", ()), ("eds", ("a",)), ("lds", ()), ("rds", ("r",))):
        await client.subscribe(short, *names)
        await client.taken()


class TestPushes:
    async def test_a_change_reaches_the_proxy_and_nothing_else_does(
        self, edge: Edge, compiler: TableCompiler, dialect: Dialect
    ) -> None:
        async with edge.client(dialect) as client:
            await connect(client)
            edge.publish([route_object("unrelated", "1")])
            compiler.table = {**compiler.table, "rds": {"r": "r2"}}
            edge.publish([route_object("related", "1")])
            response = await client.next()
            assert (response.type, list(response.resources.values())) == ("rds", ["r2"])

    async def test_all_proxies_get_it(self, edge: Edge, compiler: TableCompiler, dialect: Dialect) -> None:
        nodes = [workload(f"web-v{number}", number) for number in range(1, 6)]
        clients = [edge.client(dialect, node) for node in nodes]
        for client in clients:
            await client.__aenter__()
            await connect(client)
        compiler.table = {**compiler.table, "lds": {"l": "l2"}}
        edge.publish([route_object("any", "1")])
        said = [(await client.next()).said for client in clients]
        assert said == [("lds", ("l2",) if dialect == "sotw" else ("l",), ())] * 5
        for client in clients:
            await client.__aexit__(None, None, None)

    async def test_one_proxy_that_cannot_be_compiled_for_does_not_hold_up_others(
        self, edge: Edge, compiler: TableCompiler
    ) -> None:
        other = workload("web-v2", 2)
        async with edge.client("delta") as first, edge.client("delta", other) as second:
            await connect(first)
            await connect(second)
            compiler.broken.add(workload().id)
            compiler.table = {**compiler.table, "rds": {"r": "r2"}}
            edge.publish([route_object("any", "1")])
            assert (await second.next()).resources == {"r": "r2"}
            compiler.broken.clear()
            edge.publish([route_object("any", "2")])
            assert (await first.next()).resources == {"r": "r2"}
        assert edge.metric("pilot_total_xds_internal_errors") == ["pilot_total_xds_internal_errors 1.0"]

    async def test_a_new_proxy_that_cannot_be_compiled_for_is_told(self, edge: Edge, compiler: TableCompiler) -> None:
        compiler.broken.add(workload().id)
        async with edge.client("delta") as client:
            await client.subscribe("cds")
            assert (await client.lost()).code is grpc.StatusCode.INTERNAL

    async def test_patience_with_a_proxy_that_never_asks_for_endpoints(self, hasty_edge: Edge) -> None:
        async with hasty_edge.client("delta") as client:
            await client.subscribe("cds")
            await client.taken()
            await client.subscribe("lds")
            assert (await client.next()).type == "lds"

    async def test_a_slow_reader_gets_the_newest_and_skips_what_came_between(
        self, edge: Edge, compiler: TableCompiler
    ) -> None:
        """A window's worth is under way already; then nothing piles up."""
        async with edge.client("sotw") as client:
            await client.subscribe("lds")
            await client.taken()
            (connection,) = edge.delivery.connections
            for number in range(50):
                compiler.table = {"lds": {"l": f"{number:03} " + "x" * 1_000_000}}
                edge.publish([route_object("any", str(number))])
                await edge.thread.compile(edge.publish([route_object("any", f"{number}+")]).snapshot, [])
            came = []
            while not came or not came[-1].startswith("049"):
                (body,) = (await client.next()).resources.values()
                came.append(body)
            assert len(came) < 50
            assert len(connection.session.watches) == 1

    async def test_a_reader_that_reads_nothing_is_closed(self, hasty_edge: Edge, compiler: TableCompiler) -> None:
        async with hasty_edge.client("sotw") as client:
            await client.subscribe("lds")
            await client.taken()
            (connection,) = hasty_edge.delivery.connections
            for number in range(60):
                compiler.table = {"lds": {"l": f"{number}" + "x" * 2_000_000}}
                hasty_edge.publish([route_object("any", str(number))])
                if connection.ended.is_set():
                    break
                await asyncio.sleep(0.02)
            await asyncio.wait_for(connection.ended.wait(), 20)
        assert hasty_edge.metric("pilot_xds_write_timeout") == ["pilot_xds_write_timeout 1.0"]


class TestEnds:
    async def test_the_proxy_leaves(self, edge: Edge, dialect: Dialect) -> None:
        async with edge.client(dialect) as client:
            await connect(client)
            assert edge.metric("pilot_xds ") == ["pilot_xds 1.0"]
            await client.finish()
        assert len(edge.delivery.connections) == 0
        assert edge.metric("pilot_xds ") == ["pilot_xds 0.0"]

    async def test_a_cancelled_stream_is_forgotten(self, edge: Edge, dialect: Dialect) -> None:
        async with edge.client(dialect) as client:
            await connect(client)
            (connection,) = edge.delivery.connections
        await asyncio.wait_for(connection.ended.wait(), 5)
        assert len(edge.delivery.connections) == 0

    async def test_stop_ends_every_stream_with_unavailable(self, edge: Edge, dialect: Dialect) -> None:
        async with edge.client(dialect) as client:
            await connect(client)
            await edge.delivery.stop()
            lost = await client.lost()
            assert (lost.code, lost.text) == (grpc.StatusCode.UNAVAILABLE, "Pilot is stopping")

    async def test_a_message_that_is_no_request(self, edge: Edge, dialect: Dialect) -> None:
        async with edge.client(dialect) as client:
            await connect(client)
            await client.send(b"\xff\xff\xff")
            assert (await client.lost()).code is grpc.StatusCode.INVALID_ARGUMENT

    async def test_too_many_names(self, edge: Edge) -> None:
        async with edge.client("sotw") as client:
            await connect(client)
            await client.send(sotw_request("rds", tuple(f"r{number}" for number in range(20_001))))
            lost = await client.lost()
            assert lost.code is grpc.StatusCode.INVALID_ARGUMENT
            assert "20001 resource names" in lost.text


class TestReadiness:
    async def test_nothing_is_answered_before_everything_is_there(self, edge: Edge, dialect: Dialect) -> None:
        edge.unready = "Galley has not sent istio/mesh/v1alpha1/MeshConfig"
        async with edge.client(dialect) as client:
            lost = await client.lost()
            assert lost.code is grpc.StatusCode.UNAVAILABLE
            assert "MeshConfig" in lost.text
        assert edge.metric("pilot_xds_refused_streams") == ['pilot_xds_refused_streams{code="UNAVAILABLE"} 1.0']


class TestWire:
    async def test_metrics_count_types_and_rejections(self, edge: Edge, dialect: Dialect) -> None:
        async with edge.client(dialect) as client:
            await client.subscribe("lds")
            await client.nack(await client.next(), "Error adding/updating listener(s) l: no")
            await client.finish()
        assert 'pilot_xds_pushes{type="lds"} 1.0' in edge.metric("pilot_xds_pushes")
        assert edge.metric("pilot_xds_lds_reject") == ["pilot_xds_lds_reject 1.0"]
        assert edge.metric("pilot_total_xds_rejects") == ['pilot_total_xds_rejects{type="lds"} 1.0']
