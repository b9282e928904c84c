"""Galley with 10,000 objects: reading them, a change on its way to a hundred sinks, a thousand sinks held.

Whole processes: a Galley with real mTLS, on Kubernetes (an API server in memory, over HTTP) and with a directory, and a server
of the same kind that only sends what it is given: nothing can be cheaper. CPU is the process's; times are this machine's, which
may be busy.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.cost import cpu_seconds, memory
from bench.sinks import Sinks
from bench.table import percentile, table
from flotilla_galley.snapshot.encoded import encode_resource, field_bytes, text_field
from flotilla_galley.sources.cluster_objects import resources_of
from flotilla_galley.sources.documents import read_objects
from flotilla_galley.validation.validate import validate_object
from flotilla_shared.model.kinds import VIRTUAL_SERVICES, by_collection
from flotilla_shared.runtime.kube.resources import CONFIG_MAPS, CRDS, LEASES, VALIDATING_WEBHOOKS
from flotilla_shared.testing.apiserver import running

OBJECTS, IN_A_FILE, CHANGES, SINKS, MANY = 10_000, 10, 30, 100, 1_000
DEBOUNCE_SECONDS = 0.1
HEADER = ("ratio", "what", "measured", "unit", "bar")
KIND = by_collection(VIRTUAL_SERVICES)
assert KIND is not None
RESOURCE = resources_of(KIND)[0]
Change = Callable[[int], Awaitable[None]]


def measure() -> str:
    return asyncio.run(_measure())


async def _measure() -> str:
    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory(prefix="fb") as place:
        floor = await _noop(_folder(place, "noop"))
        _folder(place, "empty/config")
        async with _process("galley", _folder(place, "empty"), "0") as (process, _):
            empty = cpu_seconds([process.pid])
            rows.append(("-", "a Galley without any object: CPU until ready", empty, "s", "-"))
        rows += floor.rows("no-op server", None)
        async with _cluster(_folder(place, "kubernetes")) as change:
            rows += await _galley(_folder(place, "kubernetes"), "Kubernetes", change, floor, empty)
        async with _directory(_folder(place, "machine")) as change:
            rows += await _galley(_folder(place, "machine"), "directory", change, floor, empty)
    return table(f"Galley with {OBJECTS:,} VirtualServices", HEADER, rows)


def _folder(place: str, name: str) -> Path:
    folder = Path(place) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclass(frozen=True)
class Pushes:
    """What a number of changes took, each to all of the sinks."""

    cpu_ms: float
    seconds: list[float]

    def rows(self, what: str, floor: Pushes | None) -> Iterator[tuple[object, ...]]:
        ratio = self.cpu_ms / floor.cpu_ms if floor is not None else 1.0
        yield ratio, f"{what}: CPU of a change, {SINKS} sinks", self.cpu_ms, "ms", 50 if floor else "-"
        bar = 100 if floor else "-"
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            yield "-", f"{what}: change to the last sink, {name}", percentile(self.seconds, share) * 1000, "ms", bar


async def _galley(folder: Path, what: str, change: Change, floor: Pushes, empty: float) -> list[tuple[object, ...]]:
    async with _process("galley", folder, str(DEBOUNCE_SECONDS)) as (process, port):
        loaded, held = cpu_seconds([process.pid]), memory(process.pid)
        rows: list[tuple[object, ...]] = [
            ((loaded - empty) / 5, f"{what}: CPU to load {OBJECTS:,} objects", loaded - empty, "s", 5),
            (held.resident / 300, f"{what}: memory when ready (RSS)", held.resident, "MiB", 300),
        ]
        async with Sinks(port, folder, VIRTUAL_SERVICES, SINKS) as sinks:
            pushes = await _push(process.pid, sinks, change, DEBOUNCE_SECONDS)
        rows += pushes.rows(f"{what}, beyond the debounce", floor)
        before, began = cpu_seconds([process.pid]), time.perf_counter()
        async with Sinks(port, folder, VIRTUAL_SERVICES, MANY) as sinks:
            spent, took = cpu_seconds([process.pid]) - before, time.perf_counter() - began
            rows.append(("-", f"{what}: {MANY} sinks get everything, CPU", spent, "s", "-"))
            rows.append(("-", f"{what}: {MANY} sinks get everything, time", took, "s", "-"))
            many = memory(process.pid).resident
            rows.append(("-", f"{what}: memory with {MANY} sinks (RSS)", many, "MiB", "-"))
            before = cpu_seconds([process.pid])
            began = time.perf_counter()
            await change(CHANGES)
            took = await sinks.next() - began - DEBOUNCE_SECONDS
            spent = cpu_seconds([process.pid]) - before
            rows.append(("-", f"{what}: a change to the last of {MANY} sinks", took * 1000, "ms", "-"))
            rows.append(("-", f"{what}: CPU of that change", spent * 1000, "ms", "-"))
    return rows


async def _push(pid: int, sinks: Sinks, change: Change, waited_on_purpose: float) -> Pushes:
    before, seconds = cpu_seconds([pid]), []
    for number in range(CHANGES):
        began = time.perf_counter()
        await change(number)
        seconds.append(await sinks.next() - began - waited_on_purpose)
    return Pushes((cpu_seconds([pid]) - before) / CHANGES * 1000, seconds)


async def _noop(folder: Path) -> Pushes:
    """The same bytes to as many sinks, by who does nothing else."""
    source = read_objects("bench", yaml.safe_dump(_object(0, 1)))[0][0]
    item = validate_object(source).item
    assert item is not None
    response = text_field(1, "0" * 16) + text_field(2, VIRTUAL_SERVICES) + field_bytes(3, encode_resource(item))
    async with _process("noop", folder) as (process, port):

        async def send(_: int) -> None:
            assert process.stdin is not None
            process.stdin.write(response.hex().encode() + b"\n")
            process.stdin.flush()

        async with Sinks(port, folder, VIRTUAL_SERVICES, SINKS, incremental=False) as sinks:
            return await _push(process.pid, sinks, send, 0)


@contextlib.asynccontextmanager
async def _process(kind: str, folder: Path, *arguments: str) -> AsyncIterator[tuple[subprocess.Popen[bytes], int]]:
    command = [sys.executable, "-m", "bench.galley_process", kind, str(folder), *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield process, int(await asyncio.to_thread(process.stdout.readline))
    finally:
        process.kill()
        process.communicate()


@contextlib.asynccontextmanager
async def _cluster(folder: Path) -> AsyncIterator[Change]:
    """An API server that holds the objects, and a way to change one."""
    async with running(CONFIG_MAPS, CRDS, LEASES, VALIDATING_WEBHOOKS, RESOURCE) as server:
        server.put(LEASES, "istio-galley-leader", "istio-system")
        for number in range(OBJECTS):
            _put(server, number, 3)
        (folder / "kubeconfig").write_text(
            "{current-context: c, contexts: [{name: c, context: {cluster: k}}],"
            f" clusters: [{{name: k, cluster: {{server: '{server.url}'}}}}]}}"
        )

        async def change(number: int) -> None:
            _put(server, number * 7, 4 + number)

        yield change


def _put(server: Any, number: int, attempts: int) -> None:
    found = _object(number, attempts)
    metadata = found["metadata"]
    server.put(
        RESOURCE, metadata["name"], metadata["namespace"], spec=found["spec"], metadata={"labels": metadata["labels"]}
    )


@contextlib.asynccontextmanager
async def _directory(folder: Path) -> AsyncIterator[Change]:
    config = _folder(str(folder), "config")

    def write(file: int, attempts: int) -> None:
        first = file * IN_A_FILE
        found = [_object(number, attempts if number == first else 3) for number in range(first, first + IN_A_FILE)]
        fresh = config / ".fresh"
        fresh.write_text(yaml.dump_all(found, Dumper=yaml.CSafeDumper))
        fresh.replace(config / f"{file:04}.yaml")

    for file in range(OBJECTS // IN_A_FILE):
        write(file, 3)

    async def change(number: int) -> None:
        write(number * 7, 4 + number)

    yield change


def _object(number: int, attempts: int) -> dict[str, Any]:
    namespace = f"ns-{number % 20}"
    host = f"s{number:05}.{namespace}.svc.cluster.local"
    route = [{"destination": {"host": host, "subset": f"v{each}"}, "weight": 50} for each in (1, 2)]
    rule = {
        "match": [{"uri": {"prefix": "/api"}}],
        "timeout": "5s",
        "retries": {"attempts": attempts, "perTryTimeout": "2s"},
        "route": route,
    }
    metadata = {"name": f"s{number:05}", "namespace": namespace, "labels": {"app": f"s{number:05}"}}
    spec = {"hosts": [host], "http": [rule]}
    return {"apiVersion": RESOURCE.api_version, "kind": RESOURCE.kind, "metadata": metadata, "spec": spec}
