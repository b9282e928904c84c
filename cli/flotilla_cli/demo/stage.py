"""What the demo prints, and what has held."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from flotilla_cli.errors import FlotillaError

INDENT = "   "


class Stage:
    """Prints steps and their checks; counts those that did not hold."""

    def __init__(self, write: Callable[[str], object] = sys.stdout.write, *, color: bool | None = None) -> None:
        self._write = write
        self._color = sys.stdout.isatty() and not os.environ.get("NO_COLOR") if color is None else color
        self._steps = 0
        self.held = 0
        self.failed: list[str] = []

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One step under its title. What goes wrong in it counts as a check that did not hold; the next one
        follows.
        """
        self._steps += 1
        self._line(f"\n{self._bold(f'{self._steps}. {title}')}")
        try:
            yield
        except (FlotillaError, httpx.HTTPError, OSError, LookupError, ValueError) as error:
            self.check(f"{title}: {type(error).__name__}: {error}", False)

    def did(self, text: str) -> None:
        """What the demo does now, as one would do it by hand."""
        self._line(f"{INDENT}$ {text}")

    def saw(self, text: str) -> None:
        """What came of it, for reading; may have several lines."""
        for line in text.splitlines():
            self._line(f"{INDENT}  {line}")

    def check(self, claim: str, held: bool, saw: object = "") -> None:
        """A claim and whether it held; `saw` is shown behind it."""
        if held:
            self.held += 1
        else:
            self.failed.append(claim)
        mark = self._paint("32", "ok  ") if held else self._paint("31", "FAIL")
        self._line(f"{INDENT}{mark} {claim}{f'  [{saw}]' if saw != '' else ''}")

    def say(self, text: str) -> None:
        self._line(text)

    def verdict(self) -> bool:
        """Prints the sum; whether everything held."""
        if self.failed:
            self._line(f"\n{self._paint('31', f'{len(self.failed)} checks did not hold:')}")
            for claim in self.failed:
                self._line(f"{INDENT}{claim}")
        else:
            self._line(f"\n{self._paint('32', f'All {self.held} checks held.')}")
        return not self.failed

    def _line(self, text: str) -> None:
        self._write(text + "\n")
        sys.stdout.flush()

    def _bold(self, text: str) -> str:
        return self._paint("1", text)

    def _paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._color else text
