"""Requests with the mesh, beside the same applications without it: rate, latency, CPU.

The page goes in by the gateway; details is called through two sidecars, without the gateway and without Python in between.
"""

from __future__ import annotations

import argparse
import asyncio

from bench.cost import cpu_seconds
from bench.load import LoadResult, run_load
from bench.memory import pids
from bench.meshes import APPLICATIONS, PORT, applications_alone
from bench.table import table
from flotilla_cli.mesh import Mesh

CONNECTIONS = 8
CASES = (
    ("the page (4 applications)", "productpage", "/productpage"),
    ("details (1 application)", "details", "/details/0"),
)


def measure(mesh: Mesh, given: argparse.Namespace) -> str:
    """Interleaved: with and without, page by page, one connection and several."""
    rows = []
    with applications_alone() as alone:
        for what, application, path in CASES:
            for connections in (1, CONNECTIONS):
                direct = _direct(application, path, connections, given.seconds, alone)
                meshed = _meshed(mesh, application, path, connections, given.seconds)
                rows += [_row(f"{what}, {connections} at a time, no mesh", direct, direct)]
                rows += [_row(f"{what}, {connections} at a time, mesh", meshed, direct)]
    header = (
        "ratio",
        "what",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "failed",
        "CPU ms/request",
        "of it Envoys",
        "control plane",
    )
    return table(f"Requests through the mesh ({given.seconds:.0f} s each)", header, rows)


Measured = tuple[LoadResult, float, float, float]


def _direct(application: str, path: str, connections: int, seconds: float, alone: dict[str, int]) -> Measured:
    address = APPLICATIONS[application][0]
    before = cpu_seconds(alone.values())
    load = asyncio.run(run_load(address, PORT, path, connections=connections, seconds=seconds))
    return load, cpu_seconds(alone.values()) - before, 0.0, 0.0


def _meshed(mesh: Mesh, application: str, path: str, connections: int, seconds: float) -> Measured:
    """The page goes in by the gateway; details goes through the sidecars of productpage and of itself."""
    groups: dict[str, list[int]] = {"Envoy": [], "application": [], "control": []}
    for kind, pid in pids(mesh):
        groups[kind if kind in groups else "control"].append(pid)
    before = {kind: cpu_seconds(group) for kind, group in groups.items()}
    if application == "productpage":
        load = asyncio.run(run_load("127.0.0.1", 8080, path, connections=connections, seconds=seconds))
    else:
        target = f"http://{application}:{PORT}{path}"
        load = asyncio.run(run_load("127.0.3.1", 15002, target, connections=connections, seconds=seconds))
    used = {kind: cpu_seconds(group) - before[kind] for kind, group in groups.items()}
    return load, sum(used.values()), used["Envoy"], used["control"]


def _row(what: str, measured: Measured, base: Measured) -> tuple[object, ...]:
    load, cpu, envoys, control = measured
    each = 1000 / max(1, load.answered)
    return (
        load.per_second / base[0].per_second,
        what,
        load.per_second,
        load.percentile(0.5) * 1000,
        load.percentile(0.99) * 1000,
        load.failed,
        cpu * each,
        envoys * each,
        control * each,
    )
