"""DogStatsD's lines of all three kinds, read strictly, and agents of tests that keep what comes.

The grammar is that of Datadog's page "Datagram Format and Shell Usage": metrics (v1.0 to v1.5), events, service checks.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import NamedTuple

METRIC = re.compile(r"([^:|@#,\s]+):(-?\d+(?:\.\d+)?(?::-?\d+(?:\.\d+)?)*)\|(c|g|ms|h|d|s)((?:\|[^|\n]+)*)")
EVENT = re.compile(rb"_e\{(\d+),(\d+)\}:")
CHECK = re.compile(r"_sc\|([^|\s]+)\|([0-3])((?:\|[^|\n]+)*)")
# Of each kind the fields that may follow, in the order in which clients write them.
METRIC_FIELDS = ("@", "#", "c:", "e:", "card:", "T")
EVENT_FIELDS = ("d:", "h:", "k:", "p:", "s:", "t:", "#", "c:", "e:", "card:")
CHECK_FIELDS = ("d:", "h:", "#", "m:", "c:", "e:", "card:")
PRIORITIES, ALERTS = ("normal", "low"), ("error", "warning", "info", "success")
MOST_BYTES = 8_192


class Line(NamedTuple):
    """`kind` is that of a metric, `_e` or `_sc`; `name` a metric's or check's name, or an event's title; `value` a number, a
    status or a text. `fields` have what follows, by its sign, and tags sorted.
    """

    kind: str
    name: str
    value: str
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(dict(self.fields).get("#", "").split(",")) if "#" in dict(self.fields) else ()


def read_datagram(content: bytes) -> list[Line]:
    """Its lines; the last one may have an end. Raises ValueError for one that is none."""
    if len(content) > MOST_BYTES:
        raise ValueError(f"{len(content)} bytes are more than an agent reads at once")
    return [read_line(line) for line in content.removesuffix(b"\n").split(b"\n")]


def read_line(line: bytes) -> Line:
    """Raises ValueError."""
    if line.startswith(b"_e{"):
        return _event(line)
    text = line.decode()
    if text.startswith("_sc|"):
        found = CHECK.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no service check")
        return Line("_sc", found[1], found[2], _fields(found[3], CHECK_FIELDS))
    found = METRIC.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no metric")
    return Line(found[3], found[1], str(float(found[2])), _fields(found[4], METRIC_FIELDS))


def _event(line: bytes) -> Line:
    """Title and text are told apart by their lengths in bytes."""
    head = EVENT.match(line)
    if head is None:
        raise ValueError(f"{line!r} is no event")
    of_title, of_text = int(head[1]), int(head[2])
    content = line[head.end() :]
    title, bar, text = content[:of_title], content[of_title : of_title + 1], content[of_title + 1 :][:of_text]
    if bar != b"|" or len(text) != of_text or not title or not text:
        raise ValueError(f"the lengths of {line!r} are not those of its title and text")
    fields = _fields(content[of_title + 1 + of_text :].decode(), EVENT_FIELDS)
    known = dict(fields)
    if known.get("p:", "low") not in PRIORITIES or known.get("t:", "info") not in ALERTS:
        raise ValueError(f"{line!r} has a priority or an alert type that there is not")
    return Line("_e", _unescaped(title.decode()), _unescaped(text.decode()), fields)


def _unescaped(text: str) -> str:
    return text.replace("\\n", "\n")


def _fields(text: str, order: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """What follows, by its sign. ValueError for a sign that is not known, there twice, or out of place."""
    if not text:
        return ()
    if not text.startswith("|"):
        raise ValueError(f"{text!r} does not begin with a bar")
    found = []
    place = -1
    for part in text[1:].split("|"):
        sign = next((each for each in order if part.startswith(each)), None)
        if sign is None or order.index(sign) <= place:
            raise ValueError(f"{part!r} of {text!r} is not known, or there twice, or out of place")
        place = order.index(sign)
        found.append((sign, _value(sign, part.removeprefix(sign))))
    return tuple(found)


def _value(sign: str, value: str) -> str:
    if sign in ("d:", "T") and not value.isdigit():
        raise ValueError(f"{value!r} is no time")
    if sign == "@" and not 0 < float(value) <= 1:
        raise ValueError(f"{value!r} is no share")
    if sign == "#":
        tags = value.split(",")
        if not all(tags) or any(len(tag) > 200 for tag in tags):
            raise ValueError(f"{value!r} has a tag that is empty or too long")
        return ",".join(sorted(tags))
    return value


class Agent:
    """Keeps what comes over any way; what is no line is in `wrong`. `sizes` are those of datagrams and frames."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.sizes: list[int] = []
        self.wrong: list[str] = []

    def take(self, content: bytes) -> None:
        self.sizes.append(len(content))
        try:
            self.lines += read_datagram(content)
        except ValueError as error:
            self.wrong.append(str(error))

    async def came(self, number: int, seconds: float = 10.0) -> list[Line]:
        """All that came, when there are so many."""
        async with asyncio.timeout(seconds):
            while len(self.lines) < number:  # noqa: ASYNC110  # lines come through a kernel
                await asyncio.sleep(0.001)
        return self.lines


class StreamAgent(Agent):
    """A server on a Unix stream socket: frames of four bytes with the length, lowest first, and the content. `held` keeps it
    from reading.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.address = f"unixstream://{path}"
        self.reading = asyncio.Event()
        self.reading.set()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._connected, self.path)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def stop(self) -> None:
        """At once. What its kernel had taken and it has not read is lost."""
        if self._server is not None:
            self._server.close()
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)
            await self._server.wait_closed()
            self._server = None
        self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await self.reading.wait()
                length = int.from_bytes(await reader.readexactly(4), "little")
                self.take(await reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            if getattr(error, "partial", b""):
                self.wrong.append("a connection ended within a frame")
        finally:
            writer.transport.abort()


class DatagramAgent(Agent, asyncio.DatagramProtocol):
    """For an endpoint of asyncio's, over UDP or a Unix socket."""

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.take(data)
