"""HTTPS for the API server's calls, with the service's own identity; a renewed certificate counts from the next handshake."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response

from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.runtime.identity import Certificate, IdentitySource
from flotilla_shared.runtime.kube.admission import BODY_BYTES, Decide, Reply, refuse_head, review, too_large
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.tls import memory_file

# The API server waits 10 s at most, by default.
READ_SECONDS = 10.0
THREADS = 4

_log = get_logger(__name__)
OnReply = Callable[[Reply], None]


class AdmissionServer:
    """Component. `routes` are paths with who decides there; a path takes what is below it, too (`/inject` and `/inject/a/b`).

    Deciding runs in a thread of its own, a few at once, so that a large object does not stop the loop. `on_reply` hears of
    every answer, on the loop, `on_bad_certificate` of a certificate that cannot be used. Listens only once there is a
    certificate: `start` waits for it in the background. `stop` goes on answering for `linger_seconds`: the API server calls a
    pod for a moment after it has left its Service.
    """

    def __init__(
        self,
        identity: IdentitySource,
        routes: Mapping[str, Decide],
        address: str,
        port: int,
        *,
        on_reply: OnReply = lambda reply: None,
        linger_seconds: float = 0,
        on_bad_certificate: Callable[[str], None] = lambda error: None,
    ) -> None:
        self._identity = identity
        self._routes = dict(routes)
        self._on_reply = on_reply
        self._linger_seconds = linger_seconds
        self._on_bad_certificate = on_bad_certificate
        self._context: ServerCertificate | None = None
        self._address = address
        self._port = port
        self._server: HttpServer | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._starting: asyncio.Task[None] | None = None
        self.listening = asyncio.Event()

    @property
    def port(self) -> int:
        """The port that was bound; for who asked for port 0, once it listens."""
        assert self._server is not None
        return self._server.ports[0]

    async def start(self) -> None:
        """Listen as soon as there is a certificate. Raises BindError."""
        self._threads = ThreadPoolExecutor(THREADS, "admission")
        context = ServerCertificate(self._identity, self._on_bad_certificate)
        self._server = HttpServer(self._app(), self._address, self._port, context=context.context)
        self._server.bind()
        self._starting = asyncio.create_task(self._serve(context), name="admission")

    async def _serve(self, context: ServerCertificate) -> None:
        context.follow(await self._identity.wait())
        self._context = context
        assert self._server is not None
        await self._server.start()
        self.listening.set()

    async def stop(self) -> None:
        if self.listening.is_set():
            self.listening.clear()
            await _linger(self._linger_seconds)
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        if self._context is not None:
            self._context.close()
        if self._server is not None:
            await self._server.stop()
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
        self._starting = self._context = self._server = self._threads = None

    def _app(self) -> FastAPI:
        app = FastAPI(openapi_url=None)
        for path, decide in self._routes.items():
            handler = self._handler(decide)
            for route in (path, f"{path}/{{rest:path}}"):
                app.add_api_route(route, handler, methods=["POST"])

        @app.get("/ready")
        async def _ready() -> Response:
            return PlainTextResponse("ok\n")

        return app

    def _handler(self, decide: Decide) -> Callable[[Request], Any]:
        async def handle(request: Request) -> Response:
            began = time.perf_counter()
            reply = await self._reply(request, decide)
            self._on_reply(replace(reply, seconds=time.perf_counter() - began))
            return Response(reply.body, reply.status, media_type=reply.content_type)

        return handle

    async def _reply(self, request: Request, decide: Decide) -> Reply:
        refused = refuse_head(request.headers.get("content-type", ""))
        if refused is not None:
            return refused
        try:
            async with asyncio.timeout(READ_SECONDS):
                body = await _body(request)
        except TimeoutError:
            return Reply(408, b"the body did not come in time", "text/plain", "timeout")
        if body is None:
            return too_large()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, review, body, request.url.path, decide)
        except Exception:  # noqa: BLE001  # the failurePolicy decides then
            _log.exception("a review could not be decided", path=request.url.path)
            return Reply(500, b"internal error", "text/plain", "internal")


async def _linger(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def _body(request: Request) -> bytes | None:
    """The body, or None when it is too long."""
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > BODY_BYTES:
            return None
    return bytes(found)


class ServerCertificate:
    """A TLS context for servers whose certificate is always an identity's newest.

    One that cannot be used leaves the one before; `on_bad` hears why.
    """

    def __init__(self, identity: IdentitySource, on_bad: Callable[[str], None] = lambda error: None) -> None:
        self._on_bad = on_bad
        self.context = _context()
        self._identity = identity
        self._newest: ssl.SSLContext | None = None
        self._end: Callable[[], None] = lambda: None
        self.context.sni_callback = self._choose

    def follow(self, first: Certificate) -> None:
        """Use it, and what comes after it until `close`."""
        self._take(first)
        self._end = self._identity.subscribe(self._take)

    def close(self) -> None:
        self._end()

    def _take(self, certificate: Certificate) -> None:
        context = _context()
        with memory_file(certificate.chain_pem) as chain, memory_file(certificate.key_pem) as key:
            try:
                context.load_cert_chain(chain, key)
            except ssl.SSLError as error:
                _log.error("a certificate cannot be used", error=str(error))  # it names no more
                self._on_bad(error.reason or "unreadable")
                return
        self._newest = context

    def _choose(self, connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        if self._newest is not None:
            connection.context = self._newest


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
