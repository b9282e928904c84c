"""Fuzzing: `python -m tests.fuzz [--seconds N] [TARGET ...]`, each target for so long under atheris; all by default.

What was learned is kept in `.fuzz/<target>` and is where the next run begins; an input that harms is left in `.fuzz/found`
with its target's name, and the exit code is 1. `python -m tests.fuzz.under_atheris TARGET FILE` shows one again.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

KEPT = Path(".fuzz")
LONGEST_BYTES = 8192
# What no input may take: an input of 8 KB that needs more is a fault.
MEMORY_MIB, INPUT_SECONDS = 1024, 20


def main() -> int:
    """The exit code."""
    arguments = _parser().parse_args()
    if importlib.util.find_spec("atheris") is None:
        print(
            f"atheris is not installed: it has no build for Python {sys.version.split()[0]}; nothing is fuzzed by coverage"
        )
        return 0
    failed = [name for name in arguments.targets or TARGETS if not _survives(name, arguments.seconds)]
    print(
        f"faults in: {', '.join(failed)}; the inputs are in {KEPT / 'found'}"
        if failed
        else "no input harmed any target"
    )
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Every target for a time, under atheris.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target; default 60")
    return parser


def _survives(name: str, seconds: int) -> bool:
    corpus, found = KEPT / name, KEPT / "found"
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(exist_ok=True)
    for seed in seeds(name):
        (corpus / hashlib.sha256(seed).hexdigest()[:40]).write_bytes(seed)
    print(f"{name}: {seconds} s", flush=True)
    options = {
        "max_total_time": seconds,
        "max_len": LONGEST_BYTES,
        "rss_limit_mb": MEMORY_MIB,
        "timeout": INPUT_SECONDS,
        "artifact_prefix": f"{found}/{name}-",
        "print_final_stats": 1,
        "verbosity": 1,
    }
    command = [sys.executable, "-m", "tests.fuzz.under_atheris", name, str(corpus)]
    return (
        subprocess.run([*command, *(f"-{key}={value}" for key, value in options.items())], check=False).returncode == 0
    )


if __name__ == "__main__":
    sys.exit(main())
