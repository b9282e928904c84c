"""Requests through the gateway without Mixer, with reports, and with reports and checks: what Mixer costs a mesh.

The mesh configuration is changed and changed back while the mesh runs; the ratio is to the mesh without Mixer.
"""

from __future__ import annotations

import argparse
import asyncio

from bench.cost import cpu_seconds
from bench.load import LoadResult, run_load
from bench.memory import pids
from bench.table import table
from flotilla_cli.mesh import Mesh

MESH_CONFIG = ("MeshConfig", "istio-system", "istio")
LINES = ("mixerCheckServer", "mixerReportServer")
SETTINGS = (
    ("no Mixer", LINES),
    ("reports", ("mixerCheckServer",)),
    ("reports and checks", ()),
)
# What is called: the page is four applications in Python; details is two sidecars and one application.
CASES = (
    ("the page by the gateway", "127.0.0.1", 8080, "/productpage"),
    ("details, sidecar to sidecar", "127.0.3.1", 15002, "http://details:9080/details/0"),
)
CONNECTIONS = 8


def measure(mesh: Mesh, given: argparse.Namespace) -> str:
    rows = []
    base: dict[tuple[str, int], LoadResult] = {}
    original = mesh.plan.mesh_file.read_text()
    try:
        for setting, without in SETTINGS:
            _configure(mesh, original, without)
            for what, host, port, path in CASES:
                for connections in (1, CONNECTIONS):
                    load, used = _loaded(mesh, host, port, path, connections, given.seconds)
                    first = base.setdefault((what, connections), load)
                    rows.append(_row(f"{what}, {connections} at a time, {setting}", load, used, first))
    finally:
        _configure(mesh, original, ())
    header = ("ratio", "what", "requests/s", "p50 ms", "p99 ms", "failed", "CPU ms/request", "Envoys", "Mixer")
    return table(
        f"What Mixer costs a request ({given.seconds:.0f} s each)", header, sorted(rows, key=lambda row: row[1])
    )


def _configure(mesh: Mesh, original: str, without: tuple[str, ...]) -> None:
    """The mesh configuration without some of its lines, with every proxy."""
    text = "".join(line for line in original.splitlines(keepends=True) if not line.startswith(without or ("\0",)))
    if text == mesh.plan.mesh_file.read_text():
        return
    before = mesh.trace(*MESH_CONFIG).version
    mesh.plan.mesh_file.write_text(text)
    mesh.wait_applied(*MESH_CONFIG, unlike=before)


def _loaded(
    mesh: Mesh, host: str, port: int, path: str, connections: int, seconds: float
) -> tuple[LoadResult, dict[str, float]]:
    groups: dict[str, list[int]] = {}
    for kind, pid in pids(mesh):
        groups.setdefault(kind, []).append(pid)
    before = {kind: cpu_seconds(group) for kind, group in groups.items()}
    load = asyncio.run(run_load(host, port, path, connections=connections, seconds=seconds))
    return load, {kind: cpu_seconds(group) - before[kind] for kind, group in groups.items()}


def _row(what: str, load: LoadResult, used: dict[str, float], base: LoadResult) -> tuple[object, ...]:
    each = 1000 / max(1, load.answered)
    return (
        load.per_second / base.per_second,
        what,
        load.per_second,
        load.percentile(0.5) * 1000,
        load.percentile(0.99) * 1000,
        load.failed,
        sum(used.values()) * each,
        used.get("Envoy", 0.0) * each,
        used.get("mixer", 0.0) * each,
    )
