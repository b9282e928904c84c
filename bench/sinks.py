"""MCP sinks that do the least: each a connection of its own, which takes what comes and acknowledges it undecoded."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import grpc

from flotilla_galley.testing.wire import MCP, NAME, ask
from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import RequestResources
from flotilla_shared.runtime.identity import Certificate
from flotilla_shared.runtime.tls import open_channel

INCREMENTAL = b"\x30\x01"


def nonce_of(response: bytes) -> str:
    """The nonce, which Galley writes behind all else but the flag of an increment."""
    content = response.removesuffix(INCREMENTAL)
    start = len(content)
    while content[start - 1 : start].isdigit():
        start -= 1
    while content[start - 2] != 0x2A or content[start - 1] != len(content) - start:
        start += 1
    return content[start:].decode()


class Sink:
    """One connection and stream for one collection."""

    def __init__(self, port: int, certificate: Certificate, collection: str, *, incremental: bool) -> None:
        self._channel = open_channel(f"127.0.0.1:{port}", NAME, certificate)
        self._collection = collection
        self._incremental = incremental
        self._reading: asyncio.Task[None] | None = None
        self.bytes = 0
        self.taken = 0
        self.last_at = 0.0
        self.more = asyncio.Event()

    async def start(self) -> None:
        call: Any = self._channel.stream_stream(MCP, request_serializer=RequestResources.SerializeToString)()
        await call.write(ask(self._collection, incremental=self._incremental))
        self._reading = asyncio.create_task(self._read(call))

    async def _read(self, call: Any) -> None:
        while (response := await call.read()) is not grpc.aio.EOF:
            self.last_at = time.perf_counter()
            self.bytes += len(response)
            self.taken += 1
            self.more.set()
            await call.write(ask(self._collection, nonce_of(response), incremental=self._incremental))

    async def has_taken(self, number: int) -> None:
        while self.taken < number:
            self.more.clear()
            await self.more.wait()

    async def stop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._channel.close()


class Sinks:
    """Many of them, counted together."""

    def __init__(self, port: int, folder: Path, collection: str, number: int, *, incremental: bool = True) -> None:
        certificate = read_certificate(folder)
        self.all = [Sink(port, certificate, collection, incremental=incremental) for _ in range(number)]
        self.responses = 1

    async def __aenter__(self) -> Sinks:
        for begin in range(0, len(self.all), 50):  # a backlog of connections that all fits
            await asyncio.gather(*(each.start() for each in self.all[begin : begin + 50]))
            await asyncio.gather(*(each.has_taken(1) for each in self.all[begin : begin + 50]))
        return self

    async def __aexit__(self, *_: object) -> None:
        for begin in range(0, len(self.all), 50):
            await asyncio.gather(*(each.stop() for each in self.all[begin : begin + 50]))

    async def next(self) -> float:
        """When the last of them has the next response, by time.perf_counter."""
        self.responses += 1
        await asyncio.gather(*(each.has_taken(self.responses) for each in self.all))
        return max(each.last_at for each in self.all)


def write_certificate(folder: Path, certificate: Certificate) -> None:
    for name in ("key", "chain", "root"):
        (folder / f"{name}.pem").write_bytes(getattr(certificate, f"{name}_pem"))


def read_certificate(folder: Path) -> Certificate:
    from datetime import UTC, datetime

    key, chain, root = ((folder / f"{name}.pem").read_bytes() for name in ("key", "chain", "root"))
    now = datetime.now(UTC)
    return Certificate(key, chain, root, "", now, now, 0)
