"""Streams as gRPC carries them: slow sinks, large snapshots, limits, lists and certificates that change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from flotilla_galley.access_file import AccessFile
from flotilla_galley.distribution.access import AccessList
from flotilla_galley.distribution.limits import StreamLimits, TokenBucket
from flotilla_galley.testing.wire import (
    ACCOUNT,
    NAME,
    PILOT,
    GalleyPort,
    ask,
    establish,
    snapshot,
    workload,
)
from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import Resources
from flotilla_shared.model.kinds import GATEWAYS, WORKLOAD_ENTRIES
from flotilla_shared.runtime.tls import open_channel
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

MEGABYTE = "x" * 2**20


@pytest.fixture
async def port(authority: CertificateAuthorityForTests) -> AsyncIterator[GalleyPort]:
    async with GalleyPort(authority) as port:
        yield port


def versions(response: Resources) -> dict[str, str]:
    return {each.metadata.name: each.metadata.version for each in response.resources}


async def refused(channel: grpc.aio.Channel) -> grpc.aio.AioRpcError:
    """How a stream ends that is not let in."""
    call = establish(channel)
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await call.read()
    await call.code()
    return ended.value


async def test_a_snapshot_of_many_megabytes_and_who_is_slow(port: GalleyPort) -> None:
    """Who does not read holds up nobody, and is then given what is newest and nothing that came between."""
    large = [workload(f"w{number}", MEGABYTE) for number in range(12)]
    port.distributor.publish(snapshot(*large))
    async with port.channel() as one, port.channel() as other:
        slow, quick = establish(one), establish(other)
        await slow.write(ask(WORKLOAD_ENTRIES))
        await quick.write(ask(WORKLOAD_ENTRIES))
        first = await quick.read()
        assert (len(first.resources), first.ByteSize() > 12 * 2**20) == (12, True)
        response = first
        for number in range(20):
            await quick.write(ask(WORKLOAD_ENTRIES, response.nonce, incremental=True))
            changed = snapshot(*large, workload("small", f"1.1.1.{number}"), before=port.distributor.snapshot)
            port.distributor.publish(changed)
            response = await quick.read()
            assert list(versions(response)) == ["ns/small"]
        assert versions(await slow.read()) == versions(first)
        await slow.write(ask(WORKLOAD_ENTRIES, "1"))
        second = await slow.read()
        assert (second.nonce, versions(second)["ns/small"]) == ("2", versions(response)["ns/small"])


async def test_a_stream_says_of_which_version_its_source_is(port: GalleyPort) -> None:
    async with port.channel() as channel:
        call = establish(channel)
        metadata = dict(await call.initial_metadata())
    assert metadata["config.source.version"]


async def test_what_a_sink_asks_for_last_decides_how_it_is_answered(port: GalleyPort) -> None:
    port.distributor.publish(snapshot(workload("a")))
    async with port.channel() as channel:
        call = establish(channel)
        await call.write(ask(WORKLOAD_ENTRIES))
        for incremental, names in ((False, ["ns/a"]), (True, ["ns/b"]), (False, ["ns/a", "ns/b", "ns/c"])):
            response = await call.read()
            assert (response.incremental, list(versions(response))) == (incremental, names)
            await call.write(ask(WORKLOAD_ENTRIES, response.nonce, incremental=not incremental))
            known = list(port.distributor.snapshot.collections[WORKLOAD_ENTRIES].items.values())  # type: ignore[union-attr]
            fresh = workload("abc"[len(known)] if len(known) < 3 else "d")
            port.distributor.publish(snapshot(*known, fresh, before=port.distributor.snapshot))


async def test_versions_that_are_held_are_not_sent_again(port: GalleyPort) -> None:
    held = [workload("a"), workload("b")]
    port.distributor.publish(snapshot(*held))
    async with port.channel() as channel:
        call = establish(channel)
        request = ask(WORKLOAD_ENTRIES, incremental=True)
        request.initial_resource_versions.update({item.key.full_name: item.version for item in held})
        await call.write(request)
        first = await call.read()
        assert (first.incremental, versions(first), list(first.removed_resources)) == (True, {}, [])
        await call.write(ask(WORKLOAD_ENTRIES, first.nonce, incremental=True))
        port.distributor.publish(snapshot(held[0], before=port.distributor.snapshot))
        assert list((await call.read()).removed_resources) == ["ns/b"]


async def test_more_streams_than_there_may_be(authority: CertificateAuthorityForTests) -> None:
    async with GalleyPort(authority, StreamLimits(most=1)) as port:
        port.distributor.publish(snapshot())
        async with port.channel() as channel:
            first = establish(channel)
            await first.write(ask(GATEWAYS))
            await first.read()
            error = await refused(channel)
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "mcp_max_streams" in str(error.details())
            await first.done_writing()
            assert await first.read() is grpc.aio.EOF
            again = establish(channel)
            await again.write(ask(GATEWAYS))
            assert (await again.read()).collection == GATEWAYS
    assert (
        'istio_mcp_recv_failures_total{code="RESOURCE_EXHAUSTED",component="galley",error="request"} 1.0' in port.text
    )


def test_a_bucket_of_tokens() -> None:
    now = [0.0]
    bucket = TokenBucket(2, 3, lambda: now[0])
    assert [bucket.wait_seconds() for _ in range(5)] == [0, 0, 0, 0.5, 1.0]
    now[0] = 1.5
    assert bucket.wait_seconds() == 0
    now[0] = 100
    assert [bucket.wait_seconds() for _ in range(4)] == [0, 0, 0, 0.5], "no more than the burst is saved up"


async def test_who_asks_too_fast_waits_alone(authority: CertificateAuthorityForTests) -> None:
    limits = StreamLimits(requests_per_second=0.001, requests_burst=1)
    async with GalleyPort(authority, limits) as port, port.channel() as one, port.channel() as other:
        port.distributor.publish(snapshot())
        hasty, patient = establish(one), establish(other)
        await hasty.write(ask(GATEWAYS))
        await hasty.write(ask(WORKLOAD_ENTRIES))
        assert (await hasty.read()).collection == GATEWAYS
        waiting = asyncio.ensure_future(hasty.read())
        await patient.write(ask(WORKLOAD_ENTRIES))
        assert (await patient.read()).collection == WORKLOAD_ENTRIES
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_a_list_that_changes_ends_the_streams_that_it_no_longer_grants(port: GalleyPort, tmp_path: Path) -> None:
    file = tmp_path / "access.yaml"
    file.write_text(f"allowed: [{PILOT}]\n")
    access = AccessFile(file, port.distributor)
    await access.start()
    port.distributor.access = lambda: access.current
    port.distributor.publish(snapshot())
    try:
        async with port.channel() as channel:
            call = establish(channel)
            await call.write(ask(GATEWAYS))
            await call.write(ask(GATEWAYS, (await call.read()).nonce))
            file.write_text(f"isBlackList: true\nallowed: [{PILOT}]\n")
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await call.read()
            assert ended.value.code() is grpc.StatusCode.PERMISSION_DENIED
            assert (await refused(channel)).code() is grpc.StatusCode.UNAUTHENTICATED
            file.unlink()
            assert (await refused(channel)).code() is grpc.StatusCode.UNAUTHENTICATED
    finally:
        await access.stop()
    assert access.current == AccessList(denied=frozenset({PILOT})), "a file that went away changes nothing"


async def test_a_new_certificate_and_a_new_root(port: GalleyPort) -> None:
    """Both count from the next handshake on; streams that are open go on."""
    other = CertificateAuthorityForTests("other")
    port.distributor.publish(snapshot())
    foreign = replace(other.certificate(PILOT), root_pem=port.authority.root_pem.encode())
    async with port.channel() as channel:
        old = establish(channel)
        await old.write(ask(GATEWAYS))
        first = await old.read()
        async with open_channel(port.address, NAME, foreign) as stranger:
            assert (await refused(stranger)).code() is grpc.StatusCode.UNAVAILABLE
        fresh = port.authority.certificate(ACCOUNT.format("galley"), (NAME,))
        port.identity.replace(replace(fresh, root_pem=fresh.root_pem + other.root_pem.encode()))
        async with open_channel(port.address, NAME, foreign) as welcome:
            call = establish(welcome)
            await call.write(ask(GATEWAYS))
            assert (await call.read()).collection == GATEWAYS
        await old.write(ask(GATEWAYS, first.nonce, error="no"))
        await old.write(ask(GATEWAYS))
        assert (await old.read()).nonce == "2"
