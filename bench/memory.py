"""Memory of each process of an idle mesh. The ratio is to one Envoy."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from bench.cost import memory
from bench.table import table
from flotilla_cli.mesh import Mesh


def pids(mesh: Mesh) -> Iterator[tuple[str, int]]:
    """(kind, pid) of all processes of the mesh."""
    status = mesh.status()
    yield "supervisor", status.raw["supervisor"]["pid"]
    seen: set[int] = set()
    for name, part in status.services.items():
        if part.pid and part.pid not in seen:
            seen.add(part.pid)
            yield name if name in (*status.raw["supervisor"]["processes"], "agent") else "monolith", part.pid
    for workload in status.raw["workloads"]:
        if (workload["envoy"] or {}).get("pid"):
            yield "Envoy", workload["envoy"]["pid"]
        if (workload["application"] or {}).get("pid"):
            yield "application", workload["application"]["pid"]


def measure(mesh: Mesh, _: argparse.Namespace) -> str:
    found: dict[str, list[int]] = {}
    for kind, pid in pids(mesh):
        found.setdefault(kind, []).append(pid)
    cost = {kind: [memory(pid) for pid in group] for kind, group in found.items()}
    envoy = sum(each.proportional for each in cost["Envoy"]) / len(cost["Envoy"])
    rows = [
        (
            sum(each.proportional for each in group) / len(group) / envoy,
            kind,
            len(group),
            sum(each.resident for each in group) / len(group),
            sum(each.proportional for each in group) / len(group),
            sum(each.proportional for each in group),
        )
        for kind, group in cost.items()
    ]
    total = sum(row[5] for row in rows)
    rows.append((total / envoy, "all", sum(row[2] for row in rows), 0.0, 0.0, total))
    header = ("ratio", "process", "number", "RSS each MiB", "PSS each MiB", "PSS all MiB")
    return table("Memory of an idle mesh", header, rows)
