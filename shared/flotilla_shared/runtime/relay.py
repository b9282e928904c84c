"""Ends TLS with an optional client certificate, and hands the bytes to gRPC on a Unix socket.

grpcio can require a client certificate or not ask for one; it cannot take either. So the TLS of such a port is
ended here. Each connection gets its own path for the relay's end of the Unix socket: gRPC shows that path as the
peer, and `peers.peer_of` finds the peer by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path

from flotilla_shared.runtime import peers
from flotilla_shared.runtime.http import BindError
from flotilla_shared.runtime.identity import Certificate, IdentitySource
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.tls import server_context

CHUNK_BYTES = 64 * 1024
HANDSHAKE_SECONDS = 10.0
CONNECTIONS = 20_000

_log = get_logger(__name__)


class TlsRelay:
    """Component. Listens with TLS on `address:port`; `target` is where gRPC listens, in `folder`.

    New handshakes see a renewed certificate; open connections go on with the one they began with.
    """

    def __init__(self, address: str, port: int, identity: IdentitySource) -> None:
        self._address = address
        self._port = port
        self._identity = identity
        self._tasks = Tasks(f"relay:{port}")
        self._numbers = count(1)
        self._server: asyncio.Server | None = None
        self._folder: Path | None = None
        self._context: ssl.SSLContext | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self.refused = 0  # connections beyond the limit

    @property
    def port(self) -> int:
        """The port that is listened on, after start."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def folder(self) -> Path:
        """The folder of mode 0700 for this relay's sockets; made at the first use."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="flotilla-"))
        return self._folder

    @property
    def target(self) -> Path:
        return self.folder / "grpc"

    async def start(self) -> None:
        """Listen; gRPC must listen on `target` by now. Raises BindError."""
        self._renewed(await self._identity.wait())
        self._unsubscribe = self._identity.subscribe(self._renewed)
        assert self._context is not None
        entry = self._context
        # The context of the listening socket is fixed; each handshake moves on to the newest.
        entry.sni_callback = self._use_newest
        try:
            self._server = await asyncio.start_server(
                self._accepted,
                self._address,
                self._port,
                ssl=entry,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                backlog=4096,
            )
        except OSError as error:
            raise BindError(self._address, self._port, error.strerror or str(error)) from error

    async def stop(self) -> None:
        """Close every connection and remove the sockets' folder."""
        self._unsubscribe()
        self._unsubscribe = lambda: None
        if self._server is not None:
            self._server.close()
        await self._tasks.stop()
        self._server = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _renewed(self, certificate: Certificate) -> None:
        self._context = server_context(certificate)

    def _use_newest(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _old: ssl.SSLContext) -> None:
        if self._context is not None:
            connection.context = self._context

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) >= CONNECTIONS:
            self.refused += 1
            writer.transport.abort()
            return
        self._tasks.spawn(self._serve(reader, writer), "connection")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = self.folder / f"c{next(self._numbers)}"
        secured = writer.get_extra_info("ssl_object")
        try:
            peer = peers.peer_of_transport(writer.get_extra_info("peername"), secured.getpeercert(True))
            peers.remember(str(path), peer)
            await self._join(reader, writer, path)
        except (OSError, ValueError) as error:
            _log.debug("relayed connection ended", error=str(error))
        finally:
            peers.forget(str(path))
            path.unlink(missing_ok=True)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: Path) -> None:
        inner = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            inner.setblocking(False)
            inner.bind(str(path))
            await asyncio.get_running_loop().sock_connect(inner, str(self.target))
            inner_reader, inner_writer = await asyncio.open_unix_connection(sock=inner)
        except BaseException:
            inner.close()
            raise
        pumps = [
            asyncio.create_task(_pump(reader, inner_writer), name="relay:in"),
            asyncio.create_task(_pump(inner_reader, writer), name="relay:out"),
        ]
        try:
            # HTTP/2 has no use for a half-open connection: when one direction ends, both do.
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            if pumps[1].done():
                with contextlib.suppress(OSError, TimeoutError):
                    await asyncio.wait_for(writer.drain(), 1.0)
        finally:
            inner_writer.transport.abort()  # first: a stop may cancel the wait below
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
