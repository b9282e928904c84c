"""`flotilla trace-change`."""

from __future__ import annotations

import json
from argparse import Namespace

from flotilla_cli.commands.place import run_dir
from flotilla_cli.mesh import Mesh
from flotilla_cli.trace import Trace, parse_name


def run(arguments: Namespace) -> None:
    name = parse_name(arguments.object)
    trace = Mesh.attach(run_dir(arguments)).trace(*name, arguments.version)
    if arguments.json:
        print(json.dumps(trace.as_json(), indent=2))
    else:
        show(trace)


def show(trace: Trace) -> None:
    """The table, and one sentence on what is still missing."""
    from rich.markup import escape
    from rich.table import Table

    from flotilla_cli.status.table import terminal

    table = Table(title=f"{trace.object} version {trace.version}", title_justify="left", box=None, pad_edge=False)
    for column in ("after ms", "hop", "proxy", "detail"):
        table.add_column(column, justify="right" if column == "after ms" else "left")
    began = trace.hops[0].at_ns
    for hop in trace.hops:
        table.add_row(f"{(hop.at_ns - began) / 1e6:.1f}", hop.hop, hop.proxy, escape(hop.detail))
    console = terminal()
    console.print(table)
    console.print(verdict(trace), markup=False)


def verdict(trace: Trace) -> str:
    proxies = len({hop.proxy for hop in trace.of("pilot.acked")})
    if rejected := trace.of("pilot.rejected"):
        return f"Refused by {rejected[0].proxy}: {rejected[0].detail}"
    if trace.missing:
        return f"Not complete: {trace.missing[0]} is missing."
    if trace.unanswered:
        return f"Not complete: {', '.join(sorted(trace.unanswered))} has not answered yet."
    if trace.for_mixer:
        return "Complete: Mixer works by it."
    return f"Complete: acknowledged by {proxies} {'proxy' if proxies == 1 else 'proxies'}."
