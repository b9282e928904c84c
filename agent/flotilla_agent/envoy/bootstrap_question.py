"""One question to Pilot before Envoy starts: what EnvoyFilters say of its bootstrap."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
from envoy.config.core.v3.base_pb2 import Node
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse
from google.protobuf import json_format

from flotilla_agent.config import PilotConfig
from flotilla_shared.runtime.identity import Certificate
from flotilla_shared.runtime.tls import open_channel

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
TYPE = "type.googleapis.com/envoy.config.bootstrap.v3.Bootstrap"
REJECTED = 3  # INVALID_ARGUMENT, as Envoy says it
LEAVING_SECONDS = 1.0

Judge = Callable[[bytes], Awaitable[str]]
"""Takes the patch, which may be empty; gives why it cannot be taken, or nothing."""


class PilotSilent(Exception):
    """Pilot has not answered; the text says why."""


async def ask_for_bootstrap(
    pilot: PilotConfig, node: Mapping[str, Any], certificate: Certificate, seconds: float, judge: Judge
) -> None:
    """Asks within so many seconds, lets `judge` see the answer, and tells Pilot what it says. Raises PilotSilent.

    The stream has ended on return: the Envoy of this node may open its own.
    """
    async with open_channel(pilot.address, pilot.server_name, certificate) as channel:
        stream = channel.stream_stream(
            METHOD,
            request_serializer=DiscoveryRequest.SerializeToString,
            response_deserializer=DiscoveryResponse.FromString,
        )()
        try:
            answer = await _answer(pilot, stream, node, seconds)
            fault = await judge(next((each.value for each in answer.resources), b""))
            await _leave(stream, _reply(answer, fault))
        finally:
            stream.cancel()


async def _answer(pilot: PilotConfig, stream: Any, node: Mapping[str, Any], seconds: float) -> Any:
    request = DiscoveryRequest(node=json_format.ParseDict(dict(node), Node()), type_url=TYPE)
    try:
        async with asyncio.timeout(seconds):
            await stream.write(request)
            answer = await stream.read()
    except TimeoutError as error:
        raise PilotSilent(f"Pilot at {pilot.address} has not answered within {seconds:g} s") from error
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
        raise PilotSilent(f"Pilot at {pilot.address} refuses: {await stream.details()}") from error
    if not isinstance(answer, DiscoveryResponse):
        raise PilotSilent(f"Pilot at {pilot.address} has ended the stream: {await stream.details()}")
    return answer


def _reply(answer: Any, fault: str) -> DiscoveryRequest:
    reply = DiscoveryRequest(type_url=TYPE, version_info=answer.version_info, response_nonce=answer.nonce)
    if fault:
        reply.error_detail.code, reply.error_detail.message = REJECTED, fault
        reply.version_info = ""
    return reply


async def _leave(stream: Any, reply: DiscoveryRequest) -> None:
    """What Pilot makes of it is not waited for long."""
    try:
        async with asyncio.timeout(LEAVING_SECONDS):
            await stream.write(reply)
            await stream.done_writing()
            while await stream.read() is not grpc.aio.EOF:
                pass
    except (TimeoutError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
        return
