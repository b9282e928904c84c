"""Applications of a few lines behind the Envoys: each tells what it was asked, and does as a test says."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections import deque
from dataclasses import asdict, dataclass
from typing import ClassVar, Self

END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came; header names in lower case, values of one name joined by commas."""

    method: str
    target: str
    headers: dict[str, str]
    body: str


class Server:
    """A server on a free port of 127.0.0.1, over TLS if it has a context. `running` are all that there are."""

    running: ClassVar[set[Server]] = set()

    def __init__(self, name: str, tls: ssl.SSLContext | None = None) -> None:
        self.name = name
        self.port = 0
        self._tls = tls
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        await self.listen()
        self.running.add(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.running.discard(self)
        await self.hang_up()
        self._socket.close()

    def clear(self) -> None:
        """Forget what came."""

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self.hold, sock=self._socket.dup(), ssl=self._tls)

    async def hang_up(self) -> None:
        """End every connection, and take no other until `listen`: Envoy keeps them for a next call, no test does."""
        self._server.close()
        for _ in range(4):  # one that is accepted already is known a few turns of the loop later
            await asyncio.sleep(0)
        while held := list(self._writers):
            for writer in held:
                writer.close()
            await asyncio.gather(*(each.wait_closed() for each in held), return_exceptions=True)
        await self._server.wait_closed()

    async def hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self.serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self._writers.discard(writer)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError


class Application(Server):
    """HTTP/1.1. Answers with its name and the request as JSON, and accepts every upgrade with an echo of what follows.

    `requests` are those that came, `statuses` the answers to the next ones (then 200; at 0 it hangs up instead); while
    `gate` is closed it does not answer. `headers` go with every answer; `connections` are those that a request came on.
    """

    def __init__(self, name: str, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(name, tls)
        self.gate = asyncio.Event()
        self.clear()

    def clear(self) -> None:
        self.connections = 0
        self.requests: list[Request] = []
        self.statuses: deque[int] = deque()
        self.headers: dict[str, str] = {}
        self.came = asyncio.Event()
        self.gate.set()

    async def asked(self, count: int) -> int:
        """How many requests came, once there are `count`."""
        while len(self.requests) < count:
            self.came.clear()
            await self.came.wait()
        return len(self.requests)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = True
        while True:
            request = await read_request(reader)
            self.connections += first
            first = False
            self.requests.append(request)
            self.came.set()
            status = self.statuses.popleft() if self.statuses else 200
            await self.gate.wait()
            if status == 0:
                return
            if "upgrade" in request.headers:
                await self._upgrade(reader, writer, request.headers["upgrade"])
                return
            writer.write(self._answer(request, status, asked_for(writer)))

    def _answer(self, request: Request, status: int, sni: str) -> bytes:
        body = json.dumps({"name": self.name, "sni": sni, **asdict(request)})
        headers = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        return f"HTTP/1.1 {status} Told\r\n{headers}content-length: {len(body)}\r\n\r\n{body}".encode()

    async def _upgrade(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, protocol: str) -> None:
        writer.write(f"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: {protocol}\r\n\r\n".encode())
        while data := await reader.read(4096):
            writer.write(data)


def asked_for(writer: asyncio.StreamWriter) -> str:
    """The name that the client asked for in TLS, where the context notes it."""
    return getattr(writer.get_extra_info("ssl_object"), "asked_for", "")


async def read_request(reader: asyncio.StreamReader) -> Request:
    """Raises IncompleteReadError at the end of the connection, ConnectionError at once for what is no HTTP."""
    start = await reader.readexactly(1)
    if not start.isalpha():
        raise ConnectionAbortedError
    head = (start + await reader.readuntil(END)).decode("latin-1")
    first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        held = headers.get(name.lower())
        headers[name.lower()] = f"{held},{value.strip()}" if held else value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body.decode())


class Echo(Server):
    """TCP: every line comes back behind the application's name."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(f"{self.name}: ".encode() + line)
