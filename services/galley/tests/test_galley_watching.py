"""A directory as it changes under Galley: swaps of links, renames, bursts, signals."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from flotilla_galley.config import GalleySettings
from flotilla_galley.distribution.distributor import Distributor
from flotilla_galley.platforms.machine import Machine
from flotilla_galley.publisher import Publisher
from flotilla_galley.snapshot.last_good import LastGood
from flotilla_galley.sources import folder as folders
from flotilla_galley.sources.folder import read_folder
from flotilla_galley.sources.mesh import MeshSource
from flotilla_galley.sources.readings import DirectorySource
from flotilla_galley.sources.reload_signal import ReloadOnSignal
from flotilla_shared.model.kinds import WORKLOAD_ENTRIES
from flotilla_shared.runtime.readiness import Readiness
from flotilla_shared.runtime.trace import HopRecorder

ENTRY = "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {{name: {name}}}\nspec: {{address: {address}}}\n"
MANY = 1000


class Watching:
    """A publisher over a folder; `history` has what was published, one after the other."""

    def __init__(self, folder: Path, quiet_seconds: float = 0.01, watched: bool = True) -> None:
        self.history: list[dict[str, str]] = []
        self.published = asyncio.Condition()
        self.distributor = Distributor(lambda: None)  # type: ignore[arg-type,return-value]
        publish = self.distributor.publish

        def noting(snapshot: Any) -> None:
            publish(snapshot)
            items = snapshot.collections[WORKLOAD_ENTRIES].items
            self.history.append({key.name: item.spec.address for key, item in items.items()})

        self.distributor.publish = noting  # type: ignore[method-assign]
        self.directory = DirectorySource(folder)
        self.publisher = Publisher(
            objects=self.directory,
            mesh=MeshSource(None, "istio-system"),
            watched=[folder] if watched else [],
            last_good=LastGood(folder.parent / "last-good"),
            distributor=self.distributor,
            trace=HopRecorder("galley"),
            synced=Readiness().condition("configuration read"),
            quiet_seconds=quiet_seconds,
            longest_seconds=30,
        )

    async def until(self, wanted: dict[str, str]) -> None:
        while not self.history or self.history[-1] != wanted:
            await asyncio.sleep(0.01)


@pytest.fixture
async def watching(folder: Path) -> AsyncIterator[Callable[..., Any]]:
    made: list[Watching] = []

    async def make(place: Path = folder, **options: Any) -> Watching:
        made.append(Watching(place, **options))
        await made[-1].publisher.start()
        return made[-1]

    yield make
    for each in made:
        await each.publisher.stop()


class Mount:
    """A ConfigMap as the kubelet mounts it: files are links through `..data`, which is swapped by a rename."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = 0

    def swap(self, **addresses: str) -> None:
        """Each name becomes a file with one entry of that name."""
        self.number += 1
        fresh = self.folder / f"..2026_{self.number}"
        fresh.mkdir()
        for name, address in addresses.items():
            (fresh / f"{name}.yaml").write_text(ENTRY.format(name=name, address=address))
        link = self.folder / "..data_tmp"
        link.symlink_to(fresh.name)
        before = (self.folder / "..data").resolve()
        link.rename(self.folder / "..data")
        for name in addresses:
            if not (self.folder / f"{name}.yaml").is_symlink():
                (self.folder / f"{name}.yaml").symlink_to(f"..data/{name}.yaml")
        for file in self.folder.glob("*.yaml"):
            if file.stem not in addresses:
                file.unlink()
        if self.number > 1:
            for old in before.iterdir():
                old.unlink()
            before.rmdir()


async def test_a_config_map_that_is_swapped(watching: Callable[..., Any], folder: Path) -> None:
    mount = Mount(folder)
    mount.swap(a="1.1.1.1", b="1.1.1.2")
    galley = await watching()
    assert galley.history == [{"a": "1.1.1.1", "b": "1.1.1.2"}]
    mount.swap(a="1.1.1.3", b="1.1.1.4")
    await galley.until({"a": "1.1.1.3", "b": "1.1.1.4"})
    mount.swap(b="1.1.1.5", c="1.1.1.6")
    await galley.until({"b": "1.1.1.5", "c": "1.1.1.6"})
    assert {} not in galley.history


def test_a_swap_in_the_middle_of_a_reading(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never some files of before and some of after."""
    mount = Mount(folder)
    mount.swap(a="1.1.1.1", b="1.1.1.2")
    read, swaps = folders.read_text, [lambda: mount.swap(a="1.1.1.3", b="1.1.1.4")]

    def reading(file: Path) -> str:
        text = read(file)
        if swaps:
            swaps.pop()()
        return text

    monkeypatch.setattr(folders, "read_text", reading)
    found = read_folder(folder)
    assert {name: text.split("address: ")[1][:7] for name, text in found.texts.items()} == {
        "a.yaml": "1.1.1.3",
        "b.yaml": "1.1.1.4",
    }
    assert found.problems == ()


async def test_a_burst_is_one_snapshot(watching: Callable[..., Any], folder: Path) -> None:
    def write(address: str) -> None:
        for number in range(MANY):
            draft = folder / ".draft"
            draft.write_text(ENTRY.format(name=f"e{number}", address=address))
            draft.replace(folder / f"{number}.yaml")

    galley = await watching(quiet_seconds=0.5)
    await asyncio.to_thread(write, "1.1.1.1")
    await galley.until({f"e{number}": "1.1.1.1" for number in range(MANY)})
    (folder / "more.yaml").write_text(ENTRY.format(name="more", address="1.1.1.2"))
    await galley.until({**{f"e{number}": "1.1.1.1" for number in range(MANY)}, "more": "1.1.1.2"})
    assert [len(each) for each in galley.history] == [0, MANY, MANY + 1]


async def test_one_bad_document_harms_no_other(watching: Callable[..., Any], folder: Path) -> None:
    """Not in its own file, and not one that was good before; whatever is bad of it."""
    good = "---\n".join(ENTRY.format(name=name, address="1.1.1.1") for name in "ab")
    (folder / "a.yaml").write_text(good)
    galley = await watching()
    bad = ("{", "- 1", "a: &a [*a]", "kind: [x]", "!!python/object:os.system {}", "kind: X\napiVersion: v1\n", "\t")
    for number, text in enumerate(bad):
        address = f"1.1.1.{number + 2}"
        draft = folder / ".draft"
        draft.write_text(f"{text}\n---\n{ENTRY.format(name='b', address=address)}")
        draft.replace(folder / "a.yaml")
        await galley.until({"a": "1.1.1.1", "b": address})
        assert "1 problems of files" in galley.directory.state


async def test_a_signal_reads_anew(watching: Callable[..., Any], folder: Path) -> None:
    """Where no event of the file system comes; of several signals at once one reading."""
    galley = await watching(watched=False)
    reload = ReloadOnSignal(galley.publisher.touch)
    await reload.start()
    try:
        (folder / "a.yaml").write_text(ENTRY.format(name="a", address="1.1.1.1"))
        assert galley.history == [{}]
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGUSR1)
        await galley.until({"a": "1.1.1.1"})
    finally:
        await reload.stop()
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


async def test_elsewhere_than_in_the_main_thread_no_signal_is_listened_for() -> None:
    async def life() -> bool:
        reload = ReloadOnSignal(lambda: None)
        await reload.start()
        await reload.stop()
        return reload._listening

    assert await asyncio.to_thread(lambda: asyncio.run(life())) is False


def test_what_a_directory_says_of_itself(folder: Path) -> None:
    machine = Machine(GalleySettings(config_dir=folder))
    view = machine.topics()["sources"]
    assert view() == {str(folder): "not read yet"}
    (folder / "a.yaml").write_text(ENTRY.format(name="a", address="1.1.1.1") + "---\nkind: [\n")
    machine.sources.objects.read()
    assert view() == {str(folder): "1 files, 1 objects, 1 problems of files and documents"}
    folder.rename(folder.with_name("away"))
    machine.sources.objects.read()
    assert str(view()[str(folder)]).startswith("lost: what it held stays; ")
