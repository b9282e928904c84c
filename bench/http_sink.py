"""A web server that takes all and answers all alike, so that a sender can be measured by itself.

    python -m bench.http_sink STATUS KIND BODY

Prints its port. For each line of its input it prints how many requests it has taken since the last, and their bytes.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter


class Sink:
    def __init__(self, status: str, kind: str, body: str) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body.encode())}\r\n\r\n"
        self._answer = (head + body).encode()
        self.taken: Counter[str] = Counter()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await self._request(reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        fields = head.lower()
        if b"expect: 100-continue" in fields:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.taken["bytes"] += len(head) + await _body(reader, fields)
        self.taken["requests"] += 1
        writer.write(self._answer)


async def _body(reader: asyncio.StreamReader, head: bytes) -> int:
    """Reads it; gives its bytes."""
    if b"transfer-encoding: chunked" not in head:
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or b"0")
        await reader.readexactly(length)
        return length
    total = 0
    while True:
        line = await reader.readline()
        size = int(line.partition(b";")[0], 16)
        await reader.readexactly(size + 2)
        total += len(line) + size + 2
        if not size:
            return total


async def serve(sink: Sink) -> None:
    server = await asyncio.start_server(sink.connected, "127.0.0.1", 0, limit=2**20)
    print(server.sockets[0].getsockname()[1], flush=True)
    asks = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asks), sys.stdin)
    while await asks.readline():
        print(json.dumps([sink.taken["requests"], sink.taken["bytes"]]), flush=True)
        sink.taken.clear()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(Sink(*sys.argv[1:4])))
