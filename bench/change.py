"""From a changed file to the last proxy's acknowledgement, hop by hop. The ratio is to the whole way's median."""

from __future__ import annotations

import argparse

from bench.table import percentile, table
from flotilla_cli.demo import routes
from flotilla_cli.mesh import Mesh
from flotilla_cli.trace import Trace

REVIEWS = ("VirtualService", "default", "reviews")
SEEN = "file written -> galley.read"
# Each line of the table: from the first hop of the left to the first (or the last) of the right.
HOPS = (
    ("galley.read", "galley.published", "first"),
    ("galley.published", "galley.sent", "first"),
    ("galley.sent", "pilot.received", "first"),
    ("pilot.received", "pilot.compiled", "first"),
    ("pilot.compiled", "pilot.sent", "first"),
    ("pilot.sent", "pilot.acked", "last"),
)


def measure(mesh: Mesh, given: argparse.Namespace) -> str:
    files: list[float] = []
    spans: dict[str, list[float]] = {SEEN: []} | {f"{left} -> {right}": [] for left, right, _ in HOPS}
    texts = (routes.SHIFTED, routes.EVERYBODY_V1)
    version = mesh.trace(*REVIEWS).version
    for number in range(given.changes):
        file = mesh.write(routes.FILE, texts[number % 2])
        written = file.stat().st_mtime_ns
        trace = mesh.wait_applied(*REVIEWS, unlike=version)
        version = trace.version
        files.append((_at(trace, "pilot.acked", "last", written) - written) / 1e6)
        spans[SEEN].append((_at(trace, "galley.read", "first", written) - written) / 1e6)
        for left, right, which in HOPS:
            begin, end = _at(trace, left, "first", written), _at(trace, right, which, written)
            spans[f"{left} -> {right}"].append((end - begin) / 1e6)
    whole = percentile(files, 0.5)
    rows = [(1.0, "file written -> last ack", whole, percentile(files, 0.99), max(files))]
    rows += [
        (percentile(values, 0.5) / whole, name, percentile(values, 0.5), percentile(values, 0.99), max(values))
        for name, values in spans.items()
    ]
    proxies = len({hop.proxy for hop in trace.of("pilot.acked")})
    title = f"A change to the last of {proxies} acknowledgements (ms, {given.changes} changes)"
    return table(title, ("ratio", "hop", "p50", "p99", "most"), rows)


def _at(trace: Trace, hop: str, which: str, after: int) -> int:
    """When a hop happened first or last; a version that was there before passes again, so earlier hops do not count."""
    times = sorted(found.at_ns for found in trace.of(hop) if found.at_ns >= after)
    if not times:
        return after
    return times[0] if which == "first" else times[-1]
