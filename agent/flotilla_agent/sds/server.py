"""SDS for one workload, on a Unix socket: state of the world and delta.

Envoy opens a stream for each secret. It is answered as soon as there is a certificate, and again at every renewal that
changes it; until then it waits, and so does Envoy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from envoy.service.discovery.v3 import discovery_pb2

from flotilla_agent.sds.foreign import ForeignSecrets, NoForeignSecrets
from flotilla_agent.sds.secrets import NAMES, make_secrets
from flotilla_agent.sds.subscription import Delta, Serves, StateOfTheWorld, Subscription, UnknownSecret
from flotilla_shared.runtime.identity import IdentitySource
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.serving import GrpcServer

SERVICE = "/envoy.service.secret.v3.SecretDiscoveryService"

_log = get_logger(__name__)


class SdsService(grpc.GenericRpcHandler):
    """The gRPC handler of one workload."""

    def __init__(self, workload: str, identity: IdentitySource, foreign: ForeignSecrets) -> None:
        self._workload = workload
        self._identity = identity
        self._foreign = foreign
        self._handlers: dict[str, Any] = {
            f"{SERVICE}/StreamSecrets": self._handler(StateOfTheWorld, discovery_pb2.DiscoveryRequest),
            f"{SERVICE}/DeltaSecrets": self._handler(Delta, discovery_pb2.DeltaDiscoveryRequest),
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._handlers.get(handler_call_details.method)

    def _handler(self, form: Callable[[Serves], Subscription], request: Any) -> Any:
        return grpc.stream_stream_rpc_method_handler(
            partial(self._serve, form), request.FromString, lambda response: response.SerializeToString()
        )

    async def _serve(self, form: Callable[[Serves], Subscription], _: Any, context: Any) -> None:
        subscription, changed = form(self._foreign.serves), asyncio.Event()
        unsubscribe = self._identity.subscribe(lambda _: changed.set())
        leave = self._foreign.subscribe(changed.set)
        writing = asyncio.create_task(self._write(subscription, changed, context), name=f"sds:{self._workload}")
        try:
            while (request := await context.read()) is not grpc.aio.EOF:
                self._take(subscription, request)
                changed.set()
        except UnknownSecret as error:
            await context.abort(grpc.StatusCode.NOT_FOUND, str(error))
        finally:
            unsubscribe()
            leave()
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    def _take(self, subscription: Subscription, request: Any) -> None:
        subscription.take(request)
        for name in subscription.names:
            if name not in NAMES:
                self._foreign.want(name)
        if subscription.refusal:
            _log.error("secret refused by Envoy", workload=self._workload, error=subscription.refusal)

    async def _write(self, subscription: Subscription, changed: asyncio.Event, context: Any) -> None:
        while True:
            await changed.wait()
            changed.clear()
            certificate = self._identity.current
            own = make_secrets(certificate) if certificate is not None else {}
            response = subscription.due({**own, **self._foreign.current})
            if response is not None:
                await context.write(response)


def sds_server(
    workload: str, identity: IdentitySource, socket: Path, foreign: ForeignSecrets | None = None
) -> GrpcServer:
    """The server of one workload's secrets; its folder must be 0700 and the socket's path short enough."""
    return GrpcServer(
        uds=socket, generic_handlers=(SdsService(workload, identity, foreign or NoForeignSecrets()),), grace_seconds=0
    )
