"""What measurements of senders have in common: a handler that is given entries, places that take them, and CPU time."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvloop
from google.protobuf import json_format

from flotilla_mixer.kit.adapter import Adapter, ReportBatch
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.handlers import Background

ENTRIES, MESSAGE = 20_000, 100
ROUNDS = 3
DATAGRAMS_KEPT = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Sent:
    """One way to send entries: microseconds of this process's CPU an entry, and the bytes of it that leave the process
    without what TCP, UDP and IP add (None: not known).
    """

    what: str
    cpu: float
    bytes: float | None = None


def least(work: Callable[[], object], entries: int = ENTRIES) -> float:
    """Microseconds of this process's CPU for an entry, all threads together, in the quickest round."""
    best = float("inf")
    for _ in range(ROUNDS):
        gc.collect()
        begin = time.process_time()
        work()
        best = min(best, time.process_time() - begin)
    return best * 1e6 / entries


def deliver(adapter: Adapter, params: Mapping[str, Any], spec: InstanceSpec, rows: Sequence[Any]) -> None:
    """Build a handler, report these rows to it in messages of MESSAGE, and close it when it has sent them.

    Raises ValueError when an entry is not sent: then a figure would be worth nothing.
    """
    uvloop.run(_deliver(adapter, params, spec, rows))


async def _deliver(adapter: Adapter, params: Mapping[str, Any], spec: InstanceSpec, rows: Sequence[Any]) -> None:
    background = Background()
    read = json_format.ParseDict(dict(params), adapter.defaults())
    handler: Any = adapter.build(read, [spec], background)
    for begin in range(0, len(rows), MESSAGE):
        handler.report([ReportBatch(spec, rows[begin : begin + MESSAGE])])
        if begin % 1000 == 0:
            await asyncio.sleep(0)
    await background.stop(60)
    ending = handler.close()
    if ending is not None:
        await ending
    if background.counted("sent") != {"": len(rows)}:
        raise ValueError(f"{adapter.name} did not send all: {background.counted('dropped')}")


class DatagramSink:
    """A UDP socket that is bound and not read: what is sent to it costs the sender what it always does."""

    def __init__(self, found: socket.socket) -> None:
        self._socket = found
        self.port: int = found.getsockname()[1]

    def bytes(self) -> int:
        """Of the datagrams that wait in it, which are thrown away. It keeps about 200 kB: ask after few entries."""
        total = 0
        while True:
            try:
                total += len(self._socket.recv(65_536))
            except BlockingIOError:
                return total


@contextmanager
def datagram_sink() -> Iterator[DatagramSink]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, DATAGRAMS_KEPT)
        found.bind(("127.0.0.1", 0))
        found.setblocking(False)
        yield DatagramSink(found)


class HttpSink:
    """A process that answers every request alike (bench/http_sink.py)."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input, self._output = process.stdin, process.stdout
        self.port = int(self._output.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def taken(self) -> tuple[int, int]:
        """Requests and their bytes, heads included, since the last look."""
        self._input.write("\n")
        self._input.flush()
        requests, length = json.loads(self._output.readline())
        return requests, length


@contextmanager
def http_sink(body: str = "{}", status: str = "200 OK", kind: str = "application/json") -> Iterator[HttpSink]:
    """One that runs, over HTTP/1.1 in plaintext."""
    command = [sys.executable, "-m", "bench.http_sink", status, kind, body]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield HttpSink(process)
    finally:
        process.terminate()
        process.wait()
