"""`python -m flotilla_mixer.testing.outages FOLDER [NAME...] [--seconds 300]`: outages of backends, long ones, as a record.

FOLDER holds the counterparts, a module each. Ends with 1 if anything did not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import sys
import tempfile
from pathlib import Path

import pytest

from flotilla_mixer.testing.outages.counterpart import Counterpart, counterparts
from flotilla_mixer.testing.outages.outcome import Outcome
from flotilla_mixer.testing.outages.play import Lengths, play
from flotilla_mixer.testing.outages.record import spelled, tables

SECONDS = 300.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="outages", description="Takes backends away from a Mixer under load.")
    parser.add_argument("folder", type=Path, help="of counterparts")
    parser.add_argument("names", nargs="*", help="of counterparts (default: all)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="that each backend is away (default 300)")
    given = parser.parse_args()
    outcomes, faults = {}, 0
    for name, kind in counterparts(given.folder).items():
        if not given.names or name in given.names:
            outcome = _played(name, kind, Lengths(away=given.seconds))
            if outcome is not None:
                outcomes[name] = outcome
                faults += len(list(outcome.faults()))
    print(f"\n{platform.platform()}, Python {platform.python_version()}; away for {given.seconds:.0f} s\n")
    print(tables(outcomes))
    return int(bool(faults) or not outcomes)


def _played(name: str, kind: type[Counterpart], lengths: Lengths) -> Outcome | None:
    """What came of it, which is also printed; None where the program is missing."""
    with tempfile.TemporaryDirectory(prefix="outage") as folder:
        try:
            outcome = asyncio.run(play(kind(Path(folder)), lengths))
        except pytest.skip.Exception as reason:
            print(f"{name} is left out: {reason}", flush=True)
            return None
    print(spelled(name, outcome), flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
