"""StatsD's lines and DogStatsD's, read strictly: what a server must be able to take."""

from __future__ import annotations

import asyncio
import re
from typing import Any, NamedTuple

LINE = re.compile(r"([^:|@#\s]+):(-?\d+(?:\.\d+)?)\|(c|g|ms)(?:\|@(0\.\d+|1))?()")
# Datadog's are the same with histograms, distributions and tags: docs of the agent, "Datagram format and shell usage".
DATADOG = re.compile(
    r"([^:|@#,\s]+):(-?\d+(?:\.\d+)?)\|(c|g|ms|h|d)(?:\|@(0\.\d+|1))?(?:\|#((?:[^|,\n]+)(?:,[^|,\n]+)*))?"
)


class StatsdLine(NamedTuple):
    """One value. `rate` is the share of values that is sent, `tags` are Datadog's, sorted."""

    name: str
    value: float
    kind: str
    rate: float = 1.0
    tags: tuple[str, ...] = ()


def read_lines(datagram: bytes, grammar: re.Pattern[str] = LINE) -> list[StatsdLine]:
    """The lines of a datagram; the last one may have an end. Raises ValueError for one that is none."""
    found = []
    for text in datagram.decode().removesuffix("\n").split("\n"):
        line = grammar.fullmatch(text)
        if line is None:
            raise ValueError(f"{text!r} is no line of StatsD's")
        name, value, kind, rate, tags = line.groups()
        listed = tuple(sorted(tags.split(","))) if tags else ()
        found.append(StatsdLine(name, float(value), kind, float(rate or 1), listed))
    return found


class StatsdReceiver(asyncio.DatagramProtocol):
    """Keeps what comes; what is no line is in `wrong`. `sizes` are those of the datagrams."""

    def __init__(self, grammar: re.Pattern[str] = LINE) -> None:
        self._grammar = grammar
        self.lines: list[StatsdLine] = []
        self.sizes: list[int] = []
        self.wrong: list[str] = []

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.sizes.append(len(data))
        try:
            self.lines += read_lines(data, self._grammar)
        except ValueError as error:
            self.wrong.append(str(error))
