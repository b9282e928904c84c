"""store: where ratings keeps its stars. Plain TCP, so that a mesh has a service that is not HTTP.

The client speaks first. Each request is a line, each answer a line of JSON:

    RATINGS 0                    {"Reviewer1": 5, "Reviewer2": 4}
    RATE 0 {"Reviewer1": 1}      {"Reviewer1": 1}
    anything else                {"error": "..."}

A connection may carry any number of requests. A line that is too long is answered, and the connection closed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import suppress

LONGEST_LINE = 4096  # bytes of a request, its line end not counted
LONGEST_LOGGED = 80
PARTING_SECONDS = 1.0
STARS = {"Reviewer1": 5, "Reviewer2": 4}
USAGE = "please ask RATINGS <product id> or RATE <product id> <ratings>"


class Store:
    """The stars given by hand in this process, by product; all others have STARS."""

    def __init__(self) -> None:
        self._given: dict[int, dict[str, int]] = {}

    def answer(self, request: str) -> Mapping[str, object]:
        """What is said to a request line, as JSON content; a fault of the client's is {"error": sentence}."""
        match request.split(maxsplit=2):
            case ["RATINGS", product]:
                return self._ratings(product)
            case ["RATE", product, stars]:
                return self._rate(product, stars)
            case _:
                return {"error": USAGE}

    def _ratings(self, product: str) -> Mapping[str, object]:
        if not is_number(product):
            return {"error": "please provide numeric product id"}
        return self._given.get(int(product), STARS)

    def _rate(self, product: str, stars: str) -> Mapping[str, object]:
        if not is_number(product):
            return {"error": "please provide numeric product id"}
        try:
            self._given[int(product)] = read_stars(stars)
        except ValueError:
            return {"error": "please provide valid ratings JSON"}
        return self._given[int(product)]


class StoreServer:
    """A store on TCP: `start` once, then `stop` once. Each request is one line of JSON on stdout."""

    def __init__(self, store: Store, version: str = "v1") -> None:
        self._store = store
        self._version = version
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self, address: str, port: int) -> int:
        """Listens; gives the port, a free one for 0. Raises OSError if the address is taken."""
        self._server = await asyncio.start_server(self._serve, address, port, limit=LONGEST_LINE)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Takes no more requests; what has been answered is still sent, to clients that read it within a second."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        connections = dict(self._connections)
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await self._part(list(connections.values()))
        await server.wait_closed()

    async def _part(self, writers: list[asyncio.StreamWriter]) -> None:
        try:
            async with asyncio.timeout(PARTING_SECONDS):
                await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)
        except TimeoutError:
            for writer in writers:
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until its client has nothing more to say."""
        task = asyncio.current_task()
        if self._server is None or task is None:  # it was accepted at the last moment
            writer.close()
            return
        self._connections[task] = writer
        try:
            await self._converse(reader, writer)
        except ConnectionError:
            pass  # the client went away
        finally:
            del self._connections[task]
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                self._say(writer, "", {"error": f"a line has at most {LONGEST_LINE} bytes"})
                return await _see_off(reader, writer)
            if not line:
                return None
            request = line.decode(errors="replace").strip()
            self._say(writer, request, self._store.answer(request))
            await writer.drain()

    def _say(self, writer: asyncio.StreamWriter, request: str, answer: Mapping[str, object]) -> None:
        writer.write(json.dumps(answer).encode() + b"\n")
        line = {
            "service": "store",
            "version": self._version,
            "request": request[:LONGEST_LOGGED],
            "error": answer.get("error", ""),
            "peer": writer.get_extra_info("peername")[0],
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


async def _see_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads on until the client stops: bytes unread at the close would reset the connection, the answer with it."""
    writer.write_eof()
    with suppress(TimeoutError):
        async with asyncio.timeout(PARTING_SECONDS):
            while await reader.read(LONGEST_LINE):
                pass


def is_number(text: str) -> bool:
    """Whether it is made of ASCII digits only."""
    return text.isascii() and text.isdigit()


def read_stars(text: str | bytes) -> dict[str, int]:
    """Reviewer -> stars, from JSON; raises ValueError for anything else."""
    try:
        body = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(body, dict) or not all(type(stars) is int for stars in body.values()):
        raise ValueError("not an object of numbers")
    json.dumps(body, ensure_ascii=False).encode()  # half a surrogate pair is a string, and no text
    return body
