"""How ratings asks the store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress

from flotilla_bookinfo.store import is_number, read_stars

VARIABLE = "STORE"
# Together less than the 2.5 s that reviews v3 waits for ratings.
CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 1.0


class StoreError(Exception):
    """The store cannot be asked, or refuses; the text is half a sentence that says why."""


class StoreClient:
    """Asks a store: one connection a question, so that connections can be counted and denied one by one."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._host = host
        self._port = port
        self._connect_seconds = connect_seconds
        self._answer_seconds = answer_seconds

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> StoreClient | None:
        """The store that STORE names as host:port, None without it; raises ValueError for anything else."""
        place = environment.get(VARIABLE, "")
        if not place:
            return None
        host, _, port = place.rpartition(":")
        if not host or not is_number(port):
            raise ValueError(f"{VARIABLE} must be host:port, such as 127.0.3.6:9090; it is {place!r}")
        return cls(host.strip("[]"), int(port))

    async def ratings(self, product: int) -> dict[str, int]:
        """The stars of a product; raises StoreError."""
        return await self._ask(f"RATINGS {product}")

    async def rate(self, product: int, stars: Mapping[str, int]) -> dict[str, int]:
        """Stores the stars of a product and gives them back; raises StoreError."""
        return await self._ask(f"RATE {product} {json.dumps(dict(stars))}")

    async def _ask(self, line: str) -> dict[str, int]:
        reader, writer = await self._connect()
        try:
            return _stars(await self._exchange(reader, writer, line))
        except StoreError:
            writer.transport.abort()  # or the close would wait for a store that reads nothing
            raise
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(self._connect_seconds):
                return await asyncio.open_connection(self._host, self._port)
        except TimeoutError as error:
            raise StoreError(f"it took no connection within {self._connect_seconds:g} s") from error
        except OSError as error:
            raise StoreError(f"it cannot be reached ({error})") from error

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str) -> bytes:
        try:
            async with asyncio.timeout(self._answer_seconds):
                writer.write(line.encode() + b"\n")
                return await reader.readuntil(b"\n")
        except TimeoutError as error:
            raise StoreError(f"it did not answer within {self._answer_seconds:g} s") from error
        except (OSError, asyncio.IncompleteReadError) as error:  # so does a sidecar that is told to deny
            raise StoreError("it closed the connection without an answer") from error
        except asyncio.LimitOverrunError as error:
            raise StoreError("its answer has no end") from error


def _stars(answer: bytes) -> dict[str, int]:
    try:
        return read_stars(answer)
    except ValueError as error:
        raise StoreError(f"it answered {_fault(answer)}") from error


def _fault(answer: bytes) -> str:
    """The store's own sentence, or what stands there instead of one."""
    text = answer.decode(errors="replace").strip()
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    return str(content["error"]) if isinstance(content, dict) and "error" in content else repr(text[:80])
