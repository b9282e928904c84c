"""A process that takes messages of Fluentd's forward protocol, acknowledges those that ask for it, and looks at no entry:

    python -m bench.forward_sink

prints its port, and for each line of its input how many bytes have come since the last.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgpack


class _Connection(asyncio.Protocol):
    taken = 0  # by all

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._messages = msgpack.Unpacker(raw=True, max_buffer_size=0)

    def data_received(self, data: bytes) -> None:
        _Connection.taken += len(data)
        self._messages.feed(data)
        for message in self._messages:
            if chunk := isinstance(message[-1], dict) and message[-1].get(b"chunk"):
                self._transport.write(msgpack.packb({"ack": chunk.decode()}))


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(_Connection.taken, flush=True)
        _Connection.taken = 0


class ForwardSink:
    """The process from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input, self._output = process.stdin, process.stdout
        self.port = int(self._output.readline())

    def taken(self) -> int:
        """Bytes since the last look."""
        self._input.write("\n")
        self._input.flush()
        return int(self._output.readline())


@contextmanager
def forward_sink() -> Iterator[ForwardSink]:
    command = [sys.executable, "-m", "bench.forward_sink"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield ForwardSink(process)
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    asyncio.run(_serve())
