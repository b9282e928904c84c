"""store: where ratings keeps its stars. Plain TCP, so that a mesh has a service that is not HTTP.

A client speaks first. Each request is a line, each answer a line of JSON:

    RATINGS 0                    {"Reviewer1": 5, "Reviewer2": 4}
    RATE 0 {"Reviewer1": 1}      {"Reviewer1": 1}
    anything else                {"error": "..."}

A connection may carry any number of requests.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

LONGEST_LINE = 4096
STARS = {"Reviewer1": 5, "Reviewer2": 4}


class StoreError(Exception):
    """The store cannot be asked, or refuses; the text says why."""


class Store:
    """The stars given by hand in this process, by product; all others have STARS."""

    def __init__(self) -> None:
        self._given: dict[int, dict[str, int]] = {}

    def answer(self, line: str) -> object:
        """What is said to a request line, as JSON content."""
        verb, _, rest = line.strip().partition(" ")
        number, _, body = rest.partition(" ")
        if not (number.isascii() and number.isdigit()):
            return {"error": "please provide numeric product id"}
        if verb == "RATINGS" and not body:
            return self._given.get(int(number), STARS)
        if verb == "RATE":
            try:
                self._given[int(number)] = read_stars(body)
            except ValueError:
                return {"error": "please provide valid ratings JSON"}
            return self._given[int(number)]
        return {"error": "please ask RATINGS <product> or RATE <product> <ratings>"}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until its client has nothing more to say or says too much."""
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self.answer(line.decode(errors="replace"))).encode() + b"\n")
                await writer.drain()
        except ValueError:
            writer.write(b'{"error": "the line is too long"}\n')
        except ConnectionError:
            pass
        finally:
            writer.close()


def read_stars(text: str | bytes) -> dict[str, int]:
    """Reviewer -> stars, from JSON; raises ValueError for anything else."""
    body = json.loads(text)
    if not isinstance(body, dict) or not all(type(stars) is int for stars in body.values()):
        raise ValueError("not an object of numbers")
    return body


async def listen(address: str, port: int) -> asyncio.Server:
    """A store of its own on this address."""
    return await asyncio.start_server(Store().serve, address, port, limit=LONGEST_LINE)


class StoreClient:
    """Asks a store: one connection a question, so that connections can be counted and denied one by one."""

    def __init__(self, host: str, port: int, seconds: float = 2.0) -> None:
        self._host = host
        self._port = port
        self._seconds = seconds

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> StoreClient | None:
        """The store that STORE_HOSTNAME and STORE_SERVICE_PORT name; None without the first."""
        host = environment.get("STORE_HOSTNAME")
        return cls(host, int(environment.get("STORE_SERVICE_PORT", "9090"))) if host else None

    async def ratings(self, product: int) -> dict[str, int]:
        """Raises StoreError."""
        return await self._ask(f"RATINGS {product}")

    async def rate(self, product: int, stars: Mapping[str, int]) -> dict[str, int]:
        """Raises StoreError."""
        return await self._ask(f"RATE {product} {json.dumps(dict(stars))}")

    async def _ask(self, line: str) -> dict[str, int]:
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._exchange(line)
            content = json.loads(answer)
        except (OSError, TimeoutError) as error:
            raise StoreError(f"the store cannot be reached: {error or 'it did not answer in time'}") from error
        except ValueError as error:
            raise StoreError("the store closed the connection without an answer") from error
        if not isinstance(content, dict) or "error" in content:
            raise StoreError(f"the store refused: {content}")
        return content

    async def _exchange(self, line: str) -> bytes:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            writer.write(line.encode() + b"\n")
            return await reader.readline()
        finally:
            writer.close()
