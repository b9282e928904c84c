"""The way to Pilot: an application's streams on a Unix socket, each carried on over mTLS as it is."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import grpc

from flotilla_agent.config import PilotConfig
from flotilla_shared.runtime.identity import IdentitySource
from flotilla_shared.runtime.serving import GrpcServer
from flotilla_shared.runtime.tls import open_channel

SERVICE = "/envoy.service.discovery.v3.AggregatedDiscoveryService"
METHODS = (f"{SERVICE}/StreamAggregatedResources", f"{SERVICE}/DeltaAggregatedResources")


class XdsRelay(grpc.GenericRpcHandler):
    """The gRPC handler of one workload. Messages pass unread; a stream ends with the status that Pilot gave it.

    Every stream has a connection of its own, made with the certificate of that moment. Whoever can open the socket
    is the workload: its folder is closed to others.
    """

    def __init__(self, pilot: PilotConfig, identity: IdentitySource) -> None:
        self._pilot = pilot
        self._identity = identity
        self.open = 0
        """Streams that Pilot has begun to answer, now."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        method: str = handler_call_details.method
        return grpc.stream_stream_rpc_method_handler(partial(self._carry, method)) if method in METHODS else None

    async def _carry(self, method: str, _: Any, context: Any) -> None:
        certificate = self._identity.current
        if certificate is None:
            return await _end(context, grpc.StatusCode.UNAVAILABLE, "the workload has no certificate yet")
        async with open_channel(self._pilot.address, self._pilot.server_name, certificate) as channel:
            call: Any = channel.stream_stream(method)()
            asking = asyncio.create_task(_ask(context, call), name="xds relay")
            try:
                await self._answer(call, context)
            finally:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)

    async def _answer(self, call: Any, context: Any) -> None:
        begun = False
        try:
            while (message := await call.read()) is not grpc.aio.EOF:
                self.open += not begun
                begun = True
                await context.write(message)
        except grpc.aio.AioRpcError as error:
            await _end(context, error.code(), self._explained(error))
        finally:
            self.open -= begun
        await _end(context, await call.code(), await call.details())

    def _explained(self, error: grpc.aio.AioRpcError) -> str:
        details = error.details() or "no reason given"
        return f"Pilot at {self._pilot.address}: {details}"


async def _ask(context: Any, call: Any) -> None:
    while (message := await context.read()) is not grpc.aio.EOF:
        await call.write(message)
    await call.done_writing()


async def _end(context: Any, code: grpc.StatusCode, details: str) -> None:
    """A stream that ended well just ends."""
    if code is not grpc.StatusCode.OK:
        await context.abort(code, details)


def xds_socket(run_dir: Path, folder: str) -> Path:
    return run_dir / folder / "xds.sock"


def xds_server(relay: XdsRelay, socket: Path, mode: int = 0o600) -> GrpcServer:
    """The server of one workload's streams; its folder must be closed to others and the socket's path short enough."""
    return GrpcServer(uds=socket, uds_mode=mode, generic_handlers=(relay,), grace_seconds=0)
