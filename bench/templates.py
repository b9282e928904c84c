"""What Pilot's compilation costs for the meshes that Istio measures itself by (the templates of vectors/today/benchmarks).

One process: a snapshot in, bytes out, nothing cached. Every resource is charged with the time since the one before it, so
that the types add up to the whole. The ratio is to istiod's time for the same resources without its cache, measured on
another machine of two cores; the floor is the time to join the same finished bytes to one response.
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Iterable
from pathlib import Path

from bench.table import table
from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.compile.resource import CLUSTER, ENDPOINTS, LISTENER, ROUTES, CompiledProxy, CompiledResource
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_pilot.testing.benchmarks import BenchmarkMesh, benchmark_meshes
from flotilla_shared.model.objects import ObjectKey

REPEATS, JOINS = 3, 50
SHORT = {CLUSTER: "clusters", LISTENER: "listeners", ROUTES: "routes", ENDPOINTS: "endpoints"}
HEADER = (
    "to istiod",
    "template",
    "type",
    "resources",
    "KB",
    "CPU ms",
    "istiod ms",
    "us a resource",
    "another proxy ms",
    "floor ms",
)

ISTIOD: dict[str, dict[str, float]] = {
    "gateways": {ROUTES: 45, CLUSTER: 24, LISTENER: 20},
    "gateways-shared": {ROUTES: 97, CLUSTER: 20, LISTENER: 0.04},
    "http": {ROUTES: 0.65, CLUSTER: 1.9, LISTENER: 0.12},
    "auto": {ROUTES: 1.2, CLUSTER: 2.6, LISTENER: 1.9},
    "tcp": {CLUSTER: 2.6, LISTENER: 0.72},
    "telemetry-api": {ROUTES: 1.1, CLUSTER: 4.9, LISTENER: 4.3},
    "virtualservice": {ROUTES: 2.1, CLUSTER: 1.8, LISTENER: 0.23},
    "serviceentry-workloadentry": {ROUTES: 1.2, CLUSTER: 8.0, LISTENER: 3},
    "authorizationpolicy": {LISTENER: 3.2},
}
"""istiod's milliseconds for one generation, one core, its cache off; where they varied, the least."""


def measure() -> str:
    folder = Path(os.environ.get("FLOTILLA_VECTORS", "../shared/vectors")) / "today" / "benchmarks"
    if not folder.is_dir():
        return f"No templates at {folder}: set FLOTILLA_VECTORS to the folder that holds today/benchmarks.\n"
    rows = [row for mesh in benchmark_meshes(folder) for row in _rows(mesh)]
    return table("Compiling Istio's benchmark templates (ms of CPU)", HEADER, rows)


class ChargedCache(ResourceCache):
    """A cache that notes what each type's resources cost: the CPU time since the resource before, in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.spent: dict[str, float] = {}
        self._last = time.process_time()

    def intern(self, type_url: str, name: str, body: bytes, depends_on: Iterable[ObjectKey]) -> CompiledResource:
        found = super().intern(type_url, name, body, depends_on)
        now = time.process_time()
        self.spent[type_url] = self.spent.get(type_url, 0) + now - self._last
        self._last = now
        return found


def _rows(mesh: BenchmarkMesh) -> Iterable[tuple[object, ...]]:
    snapshot = mesh.snapshot()
    spent: dict[str, list[float]] = {each: [] for each in mesh.types}
    for _ in range(REPEATS):
        cache, compiled, again = _compiled(snapshot, mesh)
        for each in mesh.types:
            spent[each].append(cache.spent.get(each, 0) * 1000)
    for type_url, found in spent.items():
        held = list(compiled.resources[type_url].values())
        size = sum(len(each.body) for each in held) / 1000
        own, theirs = statistics.median(found), ISTIOD.get(mesh.name, {}).get(type_url)
        ratio = own / theirs if theirs else "-"
        each_us = own * 1000 / max(len(held), 1)
        yield (
            ratio, mesh.name, SHORT[type_url], len(held), size, own, theirs or "-", each_us, again, _floor(held)
        )  # fmt: skip


def _compiled(snapshot: MeshSnapshot, mesh: BenchmarkMesh) -> tuple[ChargedCache, CompiledProxy, float]:
    """A first compilation with all that it cost, and the milliseconds of one for another proxy of the same scope."""
    gc.collect()
    cache = ChargedCache()
    compiler = Compiler(cache)
    compiled = compiler.compile(snapshot, mesh.proxy)
    began = time.process_time()
    compiler.compile(snapshot, mesh.proxy)
    return cache, compiled, (time.process_time() - began) * 1000


def _floor(held: list[CompiledResource]) -> float:
    """Milliseconds to join the finished parts of a response."""
    began = time.process_time()
    for _ in range(JOINS):
        b"".join(each.part for each in held)
    return (time.process_time() - began) * 1000 / JOINS
