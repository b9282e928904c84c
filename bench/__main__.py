"""`make bench`, or `python -m bench [start] [pods] [templates] [scopes] [memory] ...`: all of it in one run.

Four services and the monolith are measured one after the other, each with a mesh of its own.

Prints Markdown tables, the ratio first in each; docs/reference/benchmarks.md holds the last one that was kept.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import (
    admission,
    authorization,
    change,
    galley,
    gateway,
    kubernetes,
    memory,
    mixer,
    native,
    overload,
    page,
    pods,
    policy,
    quotas,
    reload,
    scopes,
    senders,
    start,
    templates,
    validation,
)
from bench.meshes import running

ALONE: dict[str, Callable[[], str]] = {
    "pods": pods.measure,
    "native": native.measure,
    "page": page.measure,
    "senders": senders.measure,
    "kubernetes": kubernetes.measure,
    "templates": templates.measure,
    "scopes": scopes.measure,
    "galley": galley.measure,
    "validation": validation.measure,
    "admission": admission.measure,
    "quotas": quotas.measure,
    "authorization": authorization.measure,
}
"""What needs no mesh."""

SERVERS: dict[str, Callable[[argparse.Namespace], str]] = {"overload": overload.measure, "reload": reload.measure}
"""What starts one server by itself."""

PARTS: dict[str, Callable[..., str]] = {
    "memory": memory.measure,
    "change": change.measure,
    "gateway": gateway.measure,
    "policy": policy.measure,
    "mixer": mixer.measure,
}
# What the two designs are compared by.
COMPARED = ("memory", "change", "gateway")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description="Measures a mesh on this machine.")
    parser.add_argument("parts", nargs="*", choices=["start", *ALONE, *SERVERS, *PARTS, []], help="default: all")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each load (default 8)")
    parser.add_argument("--changes", type=int, default=60, help="changes of configuration (default 60)")
    parser.add_argument("--overload-seconds", type=float, default=30.0, help="of twice the load (default 30)")
    parser.add_argument("--reloads", type=int, default=1000, help="changes of configuration under load (default 1000)")
    given = parser.parse_args()
    wanted = given.parts or ["start", *ALONE, *SERVERS, *PARTS]
    print(f"{platform.platform()}, Python {platform.python_version()}\n")
    with tempfile.TemporaryDirectory(prefix="fb") as folder:
        if "start" in wanted:
            print(start.measure(Path(folder)), flush=True)
        for name, measure in ALONE.items():
            if name in wanted:
                print(measure(), flush=True)
        for name, serve in SERVERS.items():
            if name in wanted:
                print(serve(given), flush=True)
        for shape, parts in (("four services", tuple(PARTS)), ("the monolith", COMPARED)):
            chosen = [part for part in parts if part in wanted]
            if chosen:
                print(f"## {shape.capitalize()}\n")
                with running(Path(folder) / shape[:4].strip(), monolith=shape == "the monolith") as mesh:
                    for part in chosen:
                        print(PARTS[part](mesh, given), flush=True)


if __name__ == "__main__":
    main()
