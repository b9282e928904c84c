"""`make bench`, or `python -m bench [start] [memory] [gateway] [change]`: all of it in one run, one mesh.

Prints Markdown tables, the ratio first in each; docs/reference/benchmarks.md holds the last one that was kept.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import change, gateway, memory, start
from bench.meshes import running

PARTS: dict[str, Callable[..., str]] = {
    "memory": memory.measure,
    "gateway": gateway.measure,
    "change": change.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description="Measures a mesh on this machine.")
    parser.add_argument("parts", nargs="*", choices=["start", *PARTS, []], help="default: all")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each load (default 8)")
    parser.add_argument("--changes", type=int, default=60, help="changes of configuration (default 60)")
    given = parser.parse_args()
    wanted = given.parts or ["start", *PARTS]
    print(f"{platform.platform()}, Python {platform.python_version()}\n")
    with tempfile.TemporaryDirectory(prefix="fb") as folder:
        if "start" in wanted:
            print(start.measure(Path(folder)), flush=True)
        if any(part in PARTS for part in wanted):
            with running(Path(folder) / "m") as mesh:
                for part in (part for part in PARTS if part in wanted):
                    print(PARTS[part](mesh, given), flush=True)


if __name__ == "__main__":
    main()
