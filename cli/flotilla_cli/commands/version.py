"""`flotilla version`."""

from __future__ import annotations

from argparse import Namespace
from importlib.metadata import version


def run(_: Namespace) -> None:
    print(f"flotilla {version('flotilla-mesh-cli')}")
