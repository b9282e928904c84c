"""Faults of what Galley reads and writes: what was published stays, and nothing flaps to empty on the way."""

from __future__ import annotations

import gc
import os
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import structlog

from flotilla_galley.snapshot.last_good import LastGood
from flotilla_galley.testing.over_cluster import ENTRIES, ROUTES, OverCluster, put
from flotilla_shared.model.kinds import WORKLOAD_ENTRIES
from flotilla_shared.runtime.kube.resources import CONFIG_MAPS, CRDS
from flotilla_shared.testing.apiserver import Fault, running

CRD = "workloadentries.networking.istio.io"
KEPT = {"x/a": "1.1.1.1", "x/b": "1.1.1.2"}


@pytest.fixture
async def galley(tmp_path: Path) -> AsyncIterator[OverCluster]:
    """Two objects, published; the server, at `galley.server`, is the test's to harm."""
    async with running(CONFIG_MAPS, CRDS, ENTRIES, ROUTES) as server:
        server.put(CRDS, CRD)
        for name, address in KEPT.items():
            put(server, name.removeprefix("x/"), address)
        client = server.client()
        await client.start()
        made = OverCluster(server, client, tmp_path / "last-good")
        await made.start()
        await made.until(lambda: made.addresses() == KEPT)
        yield made
        await made.stop()
        await client.stop()


async def seen_through(galley: OverCluster) -> None:
    """Wait for a change that comes after the fault; nothing published since it began lacked what was there before."""
    put(galley.server, "c", "1.1.1.3")
    await galley.until(lambda: galley.addresses().get("x/c") == "1.1.1.3")
    assert all(KEPT.items() <= each.items() for each in galley.history[1:]), galley.history


async def gone(galley: OverCluster) -> None:
    """Nobody listens at its address for a while."""
    await galley.server.stop()
    await galley.until(lambda: "no connection" in galley.objects.state(WORKLOAD_ENTRIES))
    await galley.server.start()


async def failing(galley: OverCluster) -> None:
    """It listens, and can do nothing."""
    for verb in ("watch", "list"):
        galley.server.fail(Fault(verb, code=503, reason="ServiceUnavailable", times=8))
    galley.server.end_watches()
    await galley.until(lambda: "fails" in galley.objects.state(WORKLOAD_ENTRIES))


async def cut_in_an_object(galley: OverCluster) -> None:
    """Each watch breaks in the middle of a line."""
    watches = len(galley.server.of("watch", "workloadentries"))
    galley.server.cut_watches()
    await galley.until(lambda: len(galley.server.of("watch", "workloadentries")) > watches)


async def too_old(galley: OverCluster) -> None:
    """410, as an event of the watch: the list is taken anew."""
    lists = len(galley.server.of("list", "workloadentries"))
    galley.server.fail(Fault("watch", code=410, reason="Expired", event=True, plural="workloadentries"))
    galley.server.end_watches()
    await galley.until(lambda: len(galley.server.of("list", "workloadentries")) > lists)


async def too_old_at_once(galley: OverCluster) -> None:
    """410 as the answer, and then a list that fails first."""
    lists = len(galley.server.of("list", "workloadentries"))
    galley.server.fail(Fault("watch", code=410, reason="Expired", plural="workloadentries"))
    galley.server.fail(Fault("list", code=500, plural="workloadentries"))
    galley.server.fail(Fault("list", cut=True, plural="workloadentries"))
    galley.server.end_watches()
    await galley.until(lambda: len(galley.server.of("list", "workloadentries")) > lists + 2)


async def forbidden(galley: OverCluster) -> None:
    """The right to read is taken away and given back."""
    for verb in ("watch", "list"):
        galley.server.fail(Fault(verb, code=403, reason="Forbidden", times=4, plural="workloadentries"))
    galley.server.end_watches()
    await galley.until(lambda: "forbidden" in galley.objects.state(WORKLOAD_ENTRIES))


async def starting(galley: OverCluster) -> None:
    """It answers 404 for a kind whose definition it knows."""
    galley.server.withdraw(ENTRIES, keep=True)
    await galley.until(lambda: "not served" in galley.objects.state(WORKLOAD_ENTRIES))
    galley.server.serve(ENTRIES)


async def starting_without_definitions(galley: OverCluster) -> None:
    """It answers 404 for everything."""
    galley.server.withdraw(CRDS, keep=True)
    galley.server.withdraw(ENTRIES, keep=True)
    await galley.until(lambda: "not served" in galley.objects.state(WORKLOAD_ENTRIES))
    galley.server.serve(CRDS, ENTRIES)


FAULTS = (
    gone,
    failing,
    cut_in_an_object,
    too_old,
    too_old_at_once,
    forbidden,
    starting,
    starting_without_definitions,
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: each.__name__)
async def test_faults_of_the_api_server(fault: Callable[[OverCluster], object], galley: OverCluster) -> None:
    await fault(galley)  # type: ignore[misc]
    assert galley.addresses() == KEPT
    await seen_through(galley)


async def test_what_goes_during_a_fault_is_gone_after_it(galley: OverCluster) -> None:
    await galley.server.stop()
    galley.server.remove(ENTRIES, "b", "x")
    put(galley.server, "a", "1.1.1.9")
    assert galley.addresses() == KEPT
    await galley.server.start()
    await galley.until(lambda: galley.addresses() == {"x/a": "1.1.1.9"})
    assert {} not in galley.history[1:]


class TestFullDisk:
    """`last-good/` cannot be written: a link of the file that is written first leads to the device that is always full."""

    @staticmethod
    def fill(folder: Path) -> None:
        for file in folder.iterdir():
            file.with_name(f".{file.name}.new").symlink_to("/dev/full")

    async def test_it_is_published_and_told(self, galley: OverCluster, tmp_path: Path) -> None:
        folder = tmp_path / "last-good"
        self.fill(folder)
        with structlog.testing.capture_logs() as logs:
            put(galley.server, "c", "1.1.1.3")
            await galley.until(lambda: galley.addresses().get("x/c") == "1.1.1.3")
        (told,) = [each for each in logs if "cannot be kept" in each["event"]]
        assert "No space left" in told["error"]
        assert {key.full_name for key in LastGood(folder).load().entries if key.collection == WORKLOAD_ENTRIES} == set(
            KEPT
        )
        assert not [file for file in folder.iterdir() if file.name.startswith(".istio-networking-v1alpha3-workload")]

    async def test_it_is_tried_again(self, galley: OverCluster, tmp_path: Path) -> None:
        """With the next reading, changed or not: what was not written is known."""
        folder = tmp_path / "last-good"
        self.fill(folder)
        put(galley.server, "c", "1.1.1.3")
        await galley.until(lambda: galley.addresses().get("x/c") == "1.1.1.3")
        for _ in range(2):  # the collection's file was full, then that of the origins
            await galley.publisher.read()
        kept = LastGood(folder).load().entries
        assert {key.full_name: entry.file for key, entry in kept.items() if key.collection == WORKLOAD_ENTRIES} == {
            f"x/{name}": f"WorkloadEntry/x/{name}" for name in "abc"
        }

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        assert LastGood(tmp_path / "file" / "last-good").load().entries == {}


@pytest.mark.parametrize("jump", [-86400 * 365, 86400 * 365], ids=["back", "forth"])
async def test_the_clock_jumps(jump: float, galley: OverCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions are of the content, and waiting goes by the steady clock."""
    before = {name: item.version for name, item in galley.now().items()}
    now, now_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: now() + jump)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + int(jump) * 10**9)
    galley.server.cut_watches()
    await seen_through(galley)
    assert {name: item.version for name, item in galley.now().items() if name != "x/c"} == before


async def test_memory_is_flat(galley: OverCluster) -> None:
    """Changes, cut watches and whole new lists leave nothing behind but the last state."""
    wide = "x" * 2000

    async def churn(rounds: int, begin: int) -> None:
        for number in range(begin, begin + rounds):
            for name in ("a", "b"):
                put(galley.server, name, f"1.1.{number % 250}.1", annotations={"istio.io/a": wide})
            if number % 5 == 0:
                await too_old(galley)
            await galley.until(lambda n=number: set(galley.addresses().values()) == {f"1.1.{n % 250}.1"})
            galley.history.clear()
            galley.server.asked.clear()
            galley.server.store.past.clear()
        gc.collect()

    await churn(10, 0)
    tracemalloc.start()
    try:
        begun = held()
        await churn(30, 10)
        grown = held() - begun
    finally:
        tracemalloc.stop()
    # A leak of what changes would be two objects of over 2 kB in each of 30 rounds.
    assert grown < 30 * 2000, grown


def held() -> int:
    """Bytes that live and were asked for by Galley's sources, ledgers and snapshots, or by the reflectors."""
    rooms = ("sources", "snapshot", "validation", "transforms")
    wanted = [tracemalloc.Filter(True, f"*/flotilla_galley/{room}/*") for room in rooms]
    snapshot = tracemalloc.take_snapshot().filter_traces([*wanted, tracemalloc.Filter(True, "*/runtime/kube/*")])
    return sum(each.size for each in snapshot.statistics("filename"))


def test_the_device_that_is_full() -> None:
    """What the tests of a full disk lean on."""
    with pytest.raises(OSError, match="No space left"), Path("/dev/full").open("wb", buffering=0) as full:
        os.write(full.fileno(), b"x")
