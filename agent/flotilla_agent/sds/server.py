"""SDS, state of the world: `StreamSecrets` for one workload.

Envoy opens a stream for each secret. It is answered as soon as there is a certificate, and again at every renewal;
until then it waits, and so does Envoy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
from envoy.service.discovery.v3 import discovery_pb2
from flotilla_shared.runtime.identity import Certificate, IdentitySource
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.serving import GrpcServer

from flotilla_agent.sds.secrets import NAMES, make_response

METHOD = "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets"

_log = get_logger(__name__)


class _Stream:
    """One stream: what it asked for, and which certificate it was given."""

    def __init__(self, workload: str) -> None:
        self.names: frozenset[str] = frozenset()
        self.sent: Certificate | None = None
        self.changed = asyncio.Event()
        self._workload = workload
        self._nonce = 0

    def request(self, request: Any) -> None:
        """Take a request: a new set of names is answered, an ACK is not, a NACK is said."""
        if request.HasField("error_detail"):
            _log.error("secret refused by Envoy", workload=self._workload, error=request.error_detail.message)
        names = frozenset(request.resource_names)
        if names != self.names or not request.response_nonce:
            self.names, self.sent = names, None
            self.changed.set()

    def due(self, certificate: Certificate | None) -> bytes | None:
        """The response that is due, if any."""
        if certificate is None or certificate is self.sent or self.names.isdisjoint(NAMES):
            return None
        self.sent = certificate
        self._nonce += 1
        return make_response(certificate, self.names, str(self._nonce))


class SdsService(grpc.GenericRpcHandler):
    """The gRPC handler of one workload."""

    def __init__(self, workload: str, identity: IdentitySource) -> None:
        self._workload = workload
        self._identity = identity
        self._handler: Any = grpc.stream_stream_rpc_method_handler(
            self._serve, discovery_pb2.DiscoveryRequest.FromString
        )

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._handler if handler_call_details.method == METHOD else None

    async def _serve(self, _: Any, context: Any) -> None:
        stream = _Stream(self._workload)
        unsubscribe: Callable[[], None] = self._identity.subscribe(lambda _: stream.changed.set())
        writing = asyncio.create_task(self._write(stream, context))
        try:
            while (request := await context.read()) is not grpc.aio.EOF:
                stream.request(request)
        finally:
            unsubscribe()
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _write(self, stream: _Stream, context: Any) -> None:
        while True:
            await stream.changed.wait()
            stream.changed.clear()
            response = stream.due(self._identity.current)
            if response is not None:
                await context.write(response)


def sds_server(workload: str, identity: IdentitySource, socket: Path) -> GrpcServer:
    """The server of one workload's secrets; its folder must be 0700 and the socket's path short enough."""
    return GrpcServer(uds=socket, generic_handlers=(SdsService(workload, identity),), grace_seconds=0)
