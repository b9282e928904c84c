"""A gRPC server that takes every call and answers with an empty message, so that a sender can be measured by itself.

`flotilla_mixer.testing.outages.served` runs it in a process of its own.
"""

from __future__ import annotations

from typing import Any

import grpc


class GrpcSink:
    """`port` is there when it has started."""

    def __init__(self) -> None:
        self.port = 0
        self._calls = self._bytes = 0
        self._server: grpc.aio.Server | None = None

    async def start(self) -> int:
        """Its port, on loopback, in plaintext."""
        self._server = grpc.aio.server(options=(("grpc.max_receive_message_length", -1),))
        self._server.add_generic_rpc_handlers((_Handlers(self),))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return self.port

    def take(self, request: bytes) -> None:
        self._calls += 1
        self._bytes += len(request)

    def taken(self) -> tuple[int, int]:
        """Calls and the bytes of their messages, since the last look."""
        found = self._calls, self._bytes
        self._calls = self._bytes = 0
        return found


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, sink: GrpcSink) -> None:
        self._sink = sink

    def service(self, details: Any) -> Any:
        async def answer(request: bytes, context: Any) -> bytes:
            self._sink.take(request)
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)  # bytes in, bytes out
