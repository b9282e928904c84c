"""Galley whole: as objects on one loop, and as a process that is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from flotilla_galley.distribution.distributor import Distributor
from flotilla_galley.publisher import Publisher
from flotilla_galley.snapshot.last_good import LastGood
from flotilla_galley.sources.mesh import MeshSource
from flotilla_galley.sources.readings import DirectorySource
from flotilla_galley.status.board import StatusBoard
from flotilla_galley.status.view import problems_view, snapshot_view, status_view
from flotilla_galley.testing.process import Process
from flotilla_shared.model.kinds import MESH_CONFIG, WORKLOAD_ENTRIES
from flotilla_shared.runtime.readiness import Readiness
from flotilla_shared.runtime.trace import HopRecorder

GOOD = "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: x}\nspec: {address: 1.2.3.4}\n"


def put(file: Path, text: str) -> None:
    """Whole at once: whoever reads it meanwhile finds the old text or the new one, and never half of it."""
    draft = file.with_name(f".{file.name}.draft")
    draft.write_text(text)
    draft.replace(file)


def overwrite(file: Path, text: str) -> None:
    """Where it lies, as some editors do it; as long as the text before, so that no moment shows less of it."""
    raw = text.encode()
    assert len(raw) == file.stat().st_size
    with file.open("r+b", buffering=0) as opened:
        opened.write(raw)


class Running:
    """A publisher over a folder, and a way to wait for its next publication."""

    def __init__(self, folder: Path, last_good: Path) -> None:
        self.published = asyncio.Event()
        self.distributor = Distributor(lambda: None)  # type: ignore[arg-type,return-value]
        self.trace = HopRecorder("galley")
        self.readiness = Readiness()
        publish = self.distributor.publish

        def noting(snapshot: Any) -> None:
            publish(snapshot)
            self.published.set()

        self.distributor.publish = noting  # type: ignore[method-assign]
        self.publisher = Publisher(
            objects=DirectorySource(folder),
            mesh=MeshSource(folder.parent / "mesh.yaml", "istio-system"),
            watched=[folder, folder.parent / "mesh.yaml"],
            last_good=LastGood(last_good),
            distributor=self.distributor,
            trace=self.trace,
            synced=self.readiness.condition("configuration read"),
            quiet_seconds=0.01,
            longest_seconds=1,
        )

    async def next(self) -> dict[str, str]:
        """name -> address after the next publication."""
        await self.published.wait()
        self.published.clear()
        return self.now()

    def now(self) -> dict[str, str]:
        assert self.distributor.snapshot is not None
        items = self.distributor.snapshot.collections[WORKLOAD_ENTRIES].items
        return {key.name: item.spec.address for key, item in items.items()}


@pytest.fixture
async def running(folder: Path, tmp_path: Path) -> AsyncIterator[Running]:
    (folder / "a.yaml").write_text(GOOD)
    running = Running(folder, tmp_path / "last-good")
    await running.publisher.start()
    yield running
    await running.publisher.stop()


async def test_a_change_of_a_file_is_published(running: Running, folder: Path) -> None:
    assert await running.next() == {"x": "1.2.3.4"}
    assert running.readiness.ready
    overwrite(folder / "a.yaml", GOOD.replace("1.2.3.4", "1.2.3.5"))
    assert await running.next() == {"x": "1.2.3.5"}
    put(folder / "a.yaml", GOOD.replace("1.2.3.4", "1.2.3.6"))
    assert await running.next() == {"x": "1.2.3.6"}
    put(folder / "b.yaml", GOOD.replace("name: x", "name: y"))
    assert await running.next() == {"x": "1.2.3.6", "y": "1.2.3.4"}
    (folder / "a.yaml").unlink()
    assert await running.next() == {"y": "1.2.3.4"}


async def test_the_mesh_configuration_is_followed(running: Running, folder: Path) -> None:
    await running.next()
    put(folder.parent / "mesh.yaml", "trustDomain: td.example\n")
    await running.next()
    assert running.distributor.snapshot is not None
    (item,) = running.distributor.snapshot.collections[MESH_CONFIG].items.values()
    assert item.spec.trust_domain == "td.example"


async def test_a_replaced_directory_is_found_again(running: Running, folder: Path) -> None:
    await running.next()
    other = folder.parent / "other"
    other.mkdir()
    (other / "a.yaml").write_text(GOOD.replace("1.2.3.4", "9.9.9.9"))
    folder.rename(folder.parent / "old")
    other.rename(folder)
    assert await running.next() == {"x": "9.9.9.9"}


async def test_the_hops_of_a_change(running: Running, folder: Path) -> None:
    await running.next()
    put(folder / "a.yaml", GOOD.replace("1.2.3.4", "1.2.3.5"))
    await running.next()
    versions = list(dict.fromkeys(hop["version"] for hop in running.trace.hops(name="x")))
    assert len(versions) == 2
    for version in versions:
        hops = running.trace.hops(name="x", version=str(version))
        assert [hop["hop"] for hop in hops] == ["galley.read", "galley.published"]
        assert hops[0]["detail"] == "a.yaml:2"


async def test_a_bad_change_publishes_nothing_and_is_shown(running: Running, folder: Path) -> None:
    await running.next()
    put(folder / "a.yaml", GOOD.replace("1.2.3.4", "'a b'"))
    put(folder / "b.yaml", GOOD.replace("name: x", "name: y"))  # makes a publication to wait for
    assert await running.next() == {"x": "1.2.3.4", "y": "1.2.3.4"}
    ledgers = running.publisher.ledgers
    status = status_view(ledgers, running.distributor.snapshot, StatusBoard(), {"name": "x"})
    (shown,) = status["objects"]  # type: ignore[misc]
    assert (shown["state"], shown["file"], shown["kind"]) == ("last-good", "a.yaml", "WorkloadEntry")
    assert shown["problems"][0]["line"] == 4
    problems = problems_view(ledgers)
    assert [each["object"] for each in problems["objects"]] == [f"{WORKLOAD_ENTRIES}/default/x"]  # type: ignore[attr-defined]
    assert WORKLOAD_ENTRIES in snapshot_view(running.distributor.snapshot)
    assert snapshot_view(None) == {}


async def test_a_restart_begins_with_what_was_kept(running: Running, folder: Path, tmp_path: Path) -> None:
    await running.next()
    await running.publisher.stop()
    (folder / "a.yaml").write_text("kind: [\n")
    again = Running(folder, tmp_path / "last-good")
    await again.publisher.start()
    assert await again.next() == {"x": "1.2.3.4"}
    await again.publisher.stop()


async def test_a_killed_process_loses_nothing(folder: Path, tmp_path: Path) -> None:
    (folder / "a.yaml").write_text(GOOD)
    process = Process(folder, tmp_path)

    async def state_of(pid: subprocess.Popen[bytes]) -> list[tuple[str, str]]:
        while True:
            status = (await process.get("/debug/status")).json()
            states = [(each["name"], each["state"]) for each in status["objects"] if each["kind"] == "WorkloadEntry"]
            if states and status["collections"]:  # given out, and so kept before
                return states
            assert pid.poll() is None
            await asyncio.sleep(0.05)

    first = process.start()
    try:
        assert await state_of(first) == [("x", "published")]
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    (folder / "a.yaml").write_text(GOOD.replace("1.2.3.4", "'a b'"))
    second = process.start()
    try:
        assert await state_of(second) == [("x", "last-good")]
        ready = await process.get("/readyz", process.monitoring)
        assert (ready.status_code, ready.json()["conditions"]["configuration read"]) == (503, "met")
        while "cannot be read" not in ready.text:  # why there is no certificate
            await asyncio.sleep(0.05)
            ready = await process.get("/readyz", process.monitoring)
        assert (await process.get("/healthz", process.monitoring)).status_code == 200
        assert "galley_last_good_objects 1.0" in (await process.get("/metrics", process.monitoring)).text
        page = (await process.get("/")).text
        assert "galley" in page
        assert "waiting" in page or "cannot be read" in page
        assert (await process.get("/debug/trace?name=x")).status_code == 200
        assert (await process.get("/debug/nothing")).status_code == 404
    finally:
        second.terminate()
        assert second.wait() == 0
