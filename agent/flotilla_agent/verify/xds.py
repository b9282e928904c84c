"""One question to Pilot, as a proxy asks it."""

from __future__ import annotations

import asyncio

import grpc
from envoy.config.core.v3.base_pb2 import Node
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse
from google.protobuf.struct_pb2 import Struct

from flotilla_agent.verify.place import Place
from flotilla_shared.runtime.identity import Certificate
from flotilla_shared.runtime.tls import open_channel

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"


async def ask_pilot(place: Place, target: str, certificate: Certificate, seconds: float) -> str:
    """Asks for clusters; gives what is wrong, or nothing when an answer came."""
    channel = open_channel(target, place.host("pilot"), certificate)
    try:
        stream = channel.stream_stream(
            METHOD,
            request_serializer=DiscoveryRequest.SerializeToString,
            response_deserializer=DiscoveryResponse.FromString,
        )()
        async with asyncio.timeout(seconds):
            await stream.write(DiscoveryRequest(node=_node(place), type_url=CLUSTER))
            answer = await stream.read()
        stream.cancel()
    except TimeoutError:
        return f"Pilot at {target} has not answered within {seconds:g} s"
    except grpc.aio.AioRpcError as error:
        return f"Pilot at {target} refuses: {error.details()}"
    finally:
        await channel.close()
    if not isinstance(answer, DiscoveryResponse):
        return f"Pilot at {target} has ended the stream without an answer"
    return "" if answer.type_url == CLUSTER else f"Pilot at {target} answered with {answer.type_url}"


def _node(place: Place) -> Node:
    name = f"{place.pod}.{place.namespace}"
    metadata = Struct()
    metadata.update(
        {
            "NAME": place.pod,
            "NAMESPACE": place.namespace,
            "SERVICE_ACCOUNT": place.service_account,
            "INSTANCE_IPS": place.address,
            "INTERCEPTION_MODE": "NONE",
        }
    )
    node_id = f"sidecar~{place.address}~{name}~{place.namespace}.svc.cluster.local"
    return Node(id=node_id, cluster=place.pod, metadata=metadata)
