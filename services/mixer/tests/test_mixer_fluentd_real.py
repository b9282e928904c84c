"""The fluentd adapter against FluentServer (npm's @fluent-org/logger): what arrives, and what becomes of entries in an outage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from flotilla_mixer.testing.fluentd_handler import MOMENT, access, access_record, fluentd_handler, tagged
from flotilla_mixer.testing.fluentd_server import FluentdServer
from flotilla_mixer.testing.handlers import Background
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

pytestmark = pytest.mark.real

KEY, PASSWORD = "the shared key", "the password of mary"
LOOPS = {"uvloop": uvloop.new_event_loop}
OUTAGE_SECONDS = 20.0
ENTRIES_A_SECOND, TURN_SECONDS = 5_000, 0.02
RETURN_SECONDS = 10.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "password").write_text(PASSWORD)
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[FluentdServer]:
    found = FluentdServer(folder)
    found.start()
    yield found
    found.stop()


async def until(what: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.01)


async def sent(server: FluentdServer, numbers: range, **changes: Any) -> Background:
    """A handler's whole life: it has reported these."""
    background = Background()
    handler = fluentd_handler(server.address, background, **changes)
    handler.report([access(numbers)])
    await background.stop(20)
    await handler.close()
    return background


@pytest.mark.parametrize("changes", [{}, {"compression": "GZIP"}, {"requireAckResponse": False}])
async def test_entries_arrive_as_they_were_reported(server: FluentdServer, changes: dict[str, Any]) -> None:
    background = await sent(server, range(2500), **changes)
    assert background.counted("sent") == {"": 2500}
    await until(lambda: len(server.received()) == 2500)
    assert [entry.record for entry in server.received()] == [access_record(number) for number in range(2500)]
    assert [entry.moment - MOMENT for entry in server.received()] == list(range(2500))


async def test_tags(server: FluentdServer) -> None:
    background = Background()
    handler = fluentd_handler(server.address, background)
    handler.report([tagged(("a.b", 1), ("c", 2), ("a.b", 3))])
    await background.stop(20)
    await handler.close()
    await until(lambda: len(server.received()) == 3)
    found = sorted((entry.tag, entry.record["number"], entry.record["name"]) for entry in server.received())
    assert found == [("a.b", 1, "tagged.instance.ns"), ("a.b", 3, "tagged.instance.ns"), ("c", 2, "tagged.instance.ns")]


# security


def secured(folder: Path, **more: Any) -> dict[str, Any]:
    return {"sharedKeyFile": str(folder / "key"), "selfHostname": "mixer.test", **more}


def as_mary(folder: Path) -> dict[str, Any]:
    return secured(folder, username="mary", passwordFile=str(folder / "password"))


@pytest.fixture
def certificates(folder: Path) -> dict[str, str]:
    """Files of an authority (`ca`), and of one certificate that both sides use."""
    authority = CertificateAuthorityForTests()
    found = authority.certificate("spiffe://cluster.local/ns/test/sa/fluentd", ("fluentd.test",))
    for name, content in (("ca", authority.root_pem.encode()), ("cert", found.chain_pem), ("key", found.key_pem)):
        (folder / f"{name}.pem").write_bytes(content)
    return {name: str(folder / f"{name}.pem") for name in ("ca", "cert", "key")}


def trusting(certificates: dict[str, str], *, own: bool = False) -> dict[str, Any]:
    tls = {"caFile": certificates["ca"], "serverName": "fluentd.test"}
    return {"tls": {**tls, "certificateFile": certificates["cert"], "keyFile": certificates["key"]} if own else tls}


async def arrived(server: FluentdServer, changes: dict[str, Any]) -> None:
    server.start()
    try:
        background = await sent(server, range(1500), **changes)
        await until(lambda: len(server.received()) == 1500)
    finally:
        server.stop()
    assert (background.counted("sent"), background.counted("backend_errors")) == ({"": 1500}, {})


async def test_a_shared_key(folder: Path) -> None:
    await arrived(FluentdServer(folder, KEY), secured(folder))


async def test_a_user(folder: Path) -> None:
    await arrived(FluentdServer(folder, KEY, {"mary": PASSWORD}), as_mary(folder))


async def test_tls(folder: Path, certificates: dict[str, str]) -> None:
    pair = {name: certificates[name] for name in ("cert", "key")}
    await arrived(FluentdServer(folder, tls=pair), trusting(certificates))


async def test_tls_with_a_certificate_of_ours_a_key_and_a_user(folder: Path, certificates: dict[str, str]) -> None:
    server = FluentdServer(folder, KEY, {"mary": PASSWORD}, certificates)
    await arrived(server, {**as_mary(folder), **trusting(certificates, own=True), "compression": "GZIP"})


async def refused(server: FluentdServer, cause: str, changes: dict[str, Any]) -> None:
    """It does not take what is sent, for this reason. One that hears no PING may close before its greeting is read."""
    background = Background()
    handler = fluentd_handler(server.address, background, **changes)
    handler.report([access([1])])
    await until(lambda: cause in background.counted("backend_errors"))
    assert background.counted("backend_errors").keys() <= {cause, "unreachable"}
    await background.stop(0)
    await handler.close()


async def test_who_is_refused(folder: Path, certificates: dict[str, str]) -> None:
    server = FluentdServer(folder, KEY, {"mary": PASSWORD}, certificates)
    server.start()
    try:
        whole = {**as_mary(folder), **trusting(certificates, own=True)}
        await refused(server, "tls", {**whole, "tls": {}})
        await refused(server, "tls", {**whole, **trusting(certificates)})  # it wants a certificate
        await refused(server, "refused", {**whole, "username": "john"})
        await refused(server, "refused", {**secured(folder), **trusting(certificates, own=True)})
        await refused(server, "refused", trusting(certificates, own=True))  # it wants a key
        await refused(server, "refused", {**whole, "selfHostname": "fluentd.test"})
        (folder / "key").write_text("another")
        await refused(server, "refused", whole)
        assert server.received() == []
    finally:
        server.stop()


# outages


async def test_a_server_that_stands_still_gets_everything_later(server: FluentdServer) -> None:
    background = Background()
    handler = fluentd_handler(server.address, background)
    handler.report([access(range(10))])
    await until(lambda: len(server.received()) == 10)
    server.hold(True)
    handler.report([access(range(10, 10_000))])
    await asyncio.sleep(0.5)
    assert background.counted("waiting") == {"": 9990}
    server.hold(False)
    await background.stop(20)
    await handler.close()
    await until(lambda: len(server.received()) == 10_000)
    assert [entry.record["number"] for entry in server.received()] == list(range(10_000))


async def test_an_outage_costs_what_the_counter_says_and_ends_by_itself(server: FluentdServer) -> None:
    """5,000 entries a second, and the server is away for 20 s: reports return at once, what waits is bounded, and every
    entry is the server's or counted by the handler.
    """
    background, slowest, given = Background(), 0.0, 0
    handler = fluentd_handler(server.address, background)
    loop, turn = asyncio.get_running_loop(), int(ENTRIES_A_SECOND * TURN_SECONDS)
    begun = loop.time()

    async def report(seconds: float) -> None:
        nonlocal slowest, given
        end = loop.time() + seconds
        while loop.time() < end:
            before = time.thread_time()
            try:
                handler.report([access(range(given, given + turn))])
            except ValueError as error:
                assert "fluentd instance buffer full; dropping log entry" in str(error)  # noqa: PT017
            slowest = max(slowest, time.thread_time() - before)
            given += turn
            await asyncio.sleep(TURN_SECONDS)

    await report(2.0)
    server.stop()
    await report(OUTAGE_SECONDS)
    assert background.counted("waiting")[""] <= 20_000
    before = len(server.received())
    server.start()
    back = loop.time()
    reporting = asyncio.create_task(report(5.0))
    await until(lambda: len(server.received()) > before, RETURN_SECONDS)
    resumed = loop.time() - back
    await reporting
    await background.stop(30)
    await handler.close()
    dropped = background.counted("dropped")
    received = [entry.record["number"] for entry in server.received()]
    await until(lambda: len({entry.record["number"] for entry in server.received()}) == given - sum(dropped.values()))
    print(
        f"{given} entries in {loop.time() - begun:.0f} s, {sum(dropped.values())} dropped, "
        f"{len(received) - len(set(received))} twice; delivery resumed {resumed:.1f} s after the server's return; "
        f"a report of {turn} took {slowest * 1e3:.2f} ms at most"
    )
    assert dropped.keys() == {"full"}
    assert background.counted("sent") == {"": given - dropped["full"]}


async def test_a_server_that_comes_and_goes_has_all_entries(server: FluentdServer) -> None:
    """Stopped at once, in the middle of batches, ten times: at least once is what acknowledgements promise."""
    background, given = Background(), 0
    handler = fluentd_handler(server.address, background)
    for _ in range(10):
        for _ in range(5):
            handler.report([access(range(given, given + 200))])
            given += 200
            await asyncio.sleep(0.005)
        server.stop()
        server.start()
    await background.stop(30)
    await handler.close()
    assert background.counted("dropped") == {}
    await until(lambda: {entry.record["number"] for entry in server.received()} == set(range(given)))
