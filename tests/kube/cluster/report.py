"""Says on standard error what is being done, and how long each part took."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Report:
    """`quiet` drops all lines; errors are raised, not reported."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    def say(self, text: str) -> None:
        if not self._quiet:
            print(text, file=sys.stderr, flush=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A line when the step is done, with its seconds; nothing if it raises, since the error then speaks."""
        began = time.monotonic()
        yield
        self.say(f"  {name:<44} {time.monotonic() - began:6.1f} s")
