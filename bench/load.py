"""A closed-loop HTTP/1.1 load: a fixed number of kept-alive connections, each with one request under way."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a run saw: whole answers only; `failed` counts every other outcome."""

    seconds: float
    answered: int
    failed: int
    latencies: tuple[float, ...]  # seconds, sorted

    @property
    def per_second(self) -> float:
        return self.answered / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """The latency in seconds below which `share` of the answers came; 0 where there were none."""
        if not self.latencies:
            return 0.0
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))]


class _Tally:
    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.failed = 0


async def run_load(host: str, port: int, path: str, *, connections: int, seconds: float) -> LoadResult:
    """Send GETs to one address for `seconds`. Loopback addresses only."""
    if not host.startswith("127."):
        raise ValueError(f"{host} is not a loopback address: load goes only to this machine")
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: bench\r\n\r\n".encode()
    tally, begin = _Tally(), time.perf_counter()
    end = begin + seconds
    await asyncio.gather(*(_one_connection(host, port, request, end, tally) for _ in range(connections)))
    took = time.perf_counter() - begin
    return LoadResult(took, len(tally.latencies), tally.failed, tuple(sorted(tally.latencies)))


async def _one_connection(host: str, port: int, request: bytes, end: float, tally: _Tally) -> None:
    while time.perf_counter() < end:
        try:
            reader, writer = await asyncio.open_connection(host, port)
        except OSError:
            tally.failed += 1
            await asyncio.sleep(0.01)
            continue
        try:
            while time.perf_counter() < end:
                await _one_request(reader, writer, request, tally)
        except (OSError, asyncio.IncompleteReadError, ValueError):
            tally.failed += 1
        finally:
            writer.close()


async def _one_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, tally: _Tally
) -> None:
    begin = time.perf_counter()
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    await _read_body(reader, head.lower())
    if head.startswith(b"HTTP/1.1 200"):
        tally.latencies.append(time.perf_counter() - begin)
    else:
        tally.failed += 1


async def _read_body(reader: asyncio.StreamReader, head: bytes) -> None:
    if b"transfer-encoding: chunked" in head:
        while (size := int(await reader.readuntil(b"\r\n"), 16)) > 0:
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
        return
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length or b"0"))
