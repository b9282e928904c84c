"""A gRPC application, and its callers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import grpc

SERVICE = "/shop.Shop/"


class GrpcApplication(grpc.GenericRpcHandler):
    """`Say` answers with what it was told, `Chat` with each word, `Fail` not at all; `failures` are calls to fail first.

    Every answer ends with the metadata `told: by NAME`, and `calls` are the methods that were called.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls: list[str] = []
        self.failures = self.port = 0

    async def __aenter__(self) -> Self:
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((self,))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(None)

    def service(self, handler_call_details: Any) -> Any:
        method = handler_call_details.method.removeprefix(SERVICE)
        self.calls.append(method)
        if method == "Chat":
            return grpc.stream_stream_rpc_method_handler(self._chat)
        return grpc.unary_unary_rpc_method_handler(self._fail if method == "Fail" else self._say)

    async def _say(self, words: bytes, context: Any) -> bytes:
        context.set_trailing_metadata((("told", f"by {self.name}"),))
        if self.failures:
            self.failures -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        return words

    async def _fail(self, words: bytes, context: Any) -> bytes:
        context.set_trailing_metadata((("told", f"by {self.name}"),))
        await context.abort(grpc.StatusCode.NOT_FOUND, words.decode())
        raise AssertionError

    async def _chat(self, words: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for each in words:
            yield each


@asynccontextmanager
async def channel(
    port: int, host: str, credentials: grpc.ChannelCredentials | None = None
) -> AsyncIterator[grpc.aio.Channel]:
    """To 127.0.0.1:`port`, asking for `host`."""
    place, options = f"127.0.0.1:{port}", [("grpc.default_authority", host), ("grpc.enable_http_proxy", 0)]
    if credentials is not None:
        options.append(("grpc.ssl_target_name_override", host))
        made = grpc.aio.secure_channel(place, credentials, options)
    else:
        made = grpc.aio.insecure_channel(place, options)
    async with made:
        yield made


async def say(made: grpc.aio.Channel, words: str, method: str = "Say") -> tuple[str, str, dict[str, str]]:
    """Status, the answer or the status's words, and the trailers."""
    call = made.unary_unary(SERVICE + method)(words.encode(), timeout=20)
    try:
        answer = (await call).decode()
    except grpc.aio.AioRpcError as error:
        answer = error.details() or ""
    trailers = {str(key): str(value) for key, value in await call.trailing_metadata()}
    return (await call.code()).name, answer, trailers
