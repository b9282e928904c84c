"""`python -m flotilla_agent.verify`: the steps one after another, each tried until it holds or the time is up."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from flotilla_agent.verify.place import Place
from flotilla_agent.verify.steps import Failed, Step, steps

SERVICES = "citadel,galley,pilot,mixer"
WEBHOOKS = "galley,pilot"
RETRY_SECONDS = 1.0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="flotilla_agent.verify", description="Proves that a control plane works.")
    parser.add_argument("--services", type=_names, default=_names(SERVICES), help=f"default {SERVICES}")
    parser.add_argument("--webhooks", type=_names, default=_names(WEBHOOKS), help=f"whose; default {WEBHOOKS}")
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="for all; default 60")
    return parser.parse_args(arguments)


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


async def verify(planned: Sequence[Step], seconds: float) -> bool:
    """Whether every step holds. Prints as it goes; after one that fails the others are still tried once."""
    end = time.monotonic() + seconds
    held = True
    for step in planned:
        problem = await _until(step, end)
        held = held and not problem
        print(f"✗ {step.text}: {problem}" if problem else f"✓ {step.text}", flush=True)
    return held


async def _until(step: Step, end: float) -> str:
    """Why the step does not hold, or nothing."""
    while True:
        try:
            await step.do()
        except Failed as failed:
            if time.monotonic() + RETRY_SECONDS > end:
                return str(failed)
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return ""


def main(arguments: Sequence[str]) -> int:
    chosen = parse(arguments)
    place = Place.of(os.environ, Path("/"))
    held = asyncio.run(verify(steps(place, chosen.services, chosen.webhooks), chosen.timeout))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
