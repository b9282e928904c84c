"""A collector of a test's own: OpenTelemetry's services over gRPC or HTTP, on loopback. It checks what it takes, and fails
when a test says so.
"""

from __future__ import annotations

import base64
import gzip
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from fastapi import FastAPI, Request, Response
from google.protobuf import json_format
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from flotilla_mixer.testing.otlp_receiver import SERVICES, OtlpReceiver, Refusal
from flotilla_protos.flotilla.opentelemetry import collector_pb2 as messages
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.testing.ports import free_port

PROTOBUF, JSON = "application/x-protobuf", "application/json"


class OtlpServer:
    """One server at a time, always on one port. `start` and `stop` as often as a test likes; `receiver` stays."""

    def __init__(self, protocol: str = "grpc", receiver: OtlpReceiver | None = None) -> None:
        """`protocol` is grpc or http."""
        self.port = free_port()
        self.receiver = receiver or OtlpReceiver()
        self._protocol = protocol
        self._stop: Callable[[], Any] | None = None

    @property
    def endpoint(self) -> str:
        """As the adapter's parameter wants it, in plaintext."""
        return f"127.0.0.1:{self.port}" if self._protocol == "grpc" else f"http://127.0.0.1:{self.port}"

    def params(self) -> dict[str, Any]:
        """Of a handler that sends here."""
        return {"endpoint": self.endpoint, "protocol": self._protocol.upper(), "plaintext": True}

    async def start(self, tls: ServerTls | None = None) -> None:
        """Returns when it takes connections."""
        self._stop = await (self._start_grpc(tls) if self._protocol == "grpc" else self._start_http(tls))

    async def stop(self) -> None:
        """At once. Safe when it does not run."""
        stop, self._stop = self._stop, None
        if stop is not None:
            held = not self.receiver.open.is_set()
            self.receiver.open.set()
            await stop()
            if held:
                self.receiver.open.clear()

    def hold(self, held: bool) -> None:
        """While it is held it takes connections and answers nobody."""
        (self.receiver.open.clear if held else self.receiver.open.set)()

    def received(self) -> int:
        return self.receiver.received()

    def total(self, name: str) -> int:
        """Of a sum: see OtlpReceiver."""
        return self.receiver.total(name)

    async def _start_grpc(self, tls: ServerTls | None) -> Callable[[], Any]:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers(tuple(_service(path, self.receiver) for path in SERVICES))
        address = f"127.0.0.1:{self.port}"
        if tls is None:
            server.add_insecure_port(address)
        else:
            server.add_secure_port(address, tls.grpc_credentials())
        await server.start()
        return lambda: server.stop(None)

    async def _start_http(self, tls: ServerTls | None) -> Callable[[], Any]:
        server = HttpServer(
            _http_app(self.receiver), "127.0.0.1", self.port, context=tls.context() if tls is not None else None
        )
        await server.start()
        return server.stop


@dataclass(frozen=True)
class ServerTls:
    """Files in PEM; with `client_ca_file` a client needs a certificate of that authority."""

    certificate_file: str
    key_file: str
    client_ca_file: str = ""

    def grpc_credentials(self) -> grpc.ServerCredentials:
        pair = (_content(self.key_file), _content(self.certificate_file))
        roots = _content(self.client_ca_file) if self.client_ca_file else None
        return grpc.ssl_server_credentials([pair], roots, require_client_auth=roots is not None)

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate_file, self.key_file)
        if self.client_ca_file:
            context.load_verify_locations(self.client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def _content(file: str) -> bytes:
    with open(file, "rb") as opened:
        return opened.read()


# gRPC


def _service(path: str, receiver: OtlpReceiver) -> grpc.GenericRpcHandler:
    service, prefix = SERVICES[path]
    request = getattr(messages, f"{prefix}Request")

    async def export(content: bytes, context: Any) -> Any:
        headers = {name: str(value) for name, value in context.invocation_metadata()}
        found = await receiver.take(path, request.FromString(content), headers, len(content))
        if not isinstance(found, Refusal):
            return found
        if found.delay is not None:
            context.set_trailing_metadata((("grpc-status-details-bin", _details(found)),))
        await context.abort(found.code, found.text)

    method: Any = grpc.unary_unary_rpc_method_handler(
        export, response_serializer=getattr(messages, f"{prefix}Response").SerializeToString
    )
    return grpc.method_handlers_generic_handler(service, {"Export": method})


def _details(refusal: Refusal) -> bytes:
    """A google.rpc.Status with a RetryInfo."""
    assert isinstance(refusal.code, grpc.StatusCode)
    assert refusal.delay is not None
    wait = AnyMessage()
    wait.Pack(RetryInfo(retry_delay=Duration(nanos=round(refusal.delay * 1e9) % 10**9, seconds=int(refusal.delay))))
    content: bytes = Status(code=refusal.code.value[0], message=refusal.text, details=[wait]).SerializeToString()
    return content


# HTTP


def _http_app(receiver: OtlpReceiver) -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.post("/v1/{signal}")
    async def _export(signal: str, request: Request) -> Response:
        path = f"/v1/{signal}"
        if path not in SERVICES:
            return Response("no such signal", 404)
        kind = request.headers.get("content-type", "")
        if kind not in (PROTOBUF, JSON):
            return Response(f"{kind} is no content type of the protocol", 415)
        content = await request.body()
        body = gzip.decompress(content) if request.headers.get("content-encoding") == "gzip" else content
        message = getattr(messages, f"{SERVICES[path][1]}Request")()
        try:
            _read(message, kind, body)
        except (ValueError, json_format.ParseError) as error:
            receiver.wrong.append(f"a request cannot be read: {error}")
            return Response(Status(code=3, message=str(error)).SerializeToString(), 400, media_type=PROTOBUF)
        found = await receiver.take(path, message, dict(request.headers), len(content))
        return _answer(found, kind)

    return app


def _answer(found: Any, kind: str) -> Response:
    if isinstance(found, Refusal):
        assert isinstance(found.code, int)
        headers = {} if found.delay is None else {"retry-after": str(round(found.delay))}
        return Response(Status(message=found.text).SerializeToString(), found.code, headers, PROTOBUF)
    if kind == JSON:
        return Response(json_format.MessageToJson(found), media_type=JSON)
    return Response(found.SerializeToString(), media_type=PROTOBUF)


def _read(message: Any, kind: str, body: bytes) -> None:
    """Raises ValueError or ParseError."""
    if kind == PROTOBUF:
        message.ParseFromString(body)
    else:
        json_format.ParseDict(_with_ids(json.loads(body)), message)


def _with_ids(found: Any) -> Any:
    """OpenTelemetry's JSON has ids in hexadecimal, where protobuf's has base64."""
    if isinstance(found, list):
        return [_with_ids(each) for each in found]
    if not isinstance(found, dict):
        return found
    return {
        name: base64.b64encode(bytes.fromhex(value)).decode()
        if name in ("traceId", "spanId", "parentSpanId")
        else _with_ids(value)
        for name, value in found.items()
    }
