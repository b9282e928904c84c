"""A Galley's port with real mTLS, and objects to put into it."""

from __future__ import annotations

from typing import Any

import grpc

from flotilla_galley.distribution.access import AccessList
from flotilla_galley.distribution.distributor import Distributor
from flotilla_galley.distribution.limits import StreamLimits
from flotilla_galley.distribution.mcp import METHOD as MCP
from flotilla_galley.distribution.mcp import McpService
from flotilla_galley.distribution.metrics import DistributionMetrics
from flotilla_galley.distribution.xds import XdsService
from flotilla_galley.snapshot.snapshot import Snapshot, make_snapshot
from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import RequestResources, Resources
from flotilla_protos.istio.networking.v1alpha3.workload_entry_pb2 import WorkloadEntry
from flotilla_shared.model.kinds import WORKLOAD_ENTRIES
from flotilla_shared.model.objects import ConfigObject, ObjectKey, content_version
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.serving import GrpcServer
from flotilla_shared.runtime.tls import open_channel
from flotilla_shared.testing.certificates import CertificateAuthorityForTests, StaticIdentity

ACCOUNT = "spiffe://cluster.local/ns/istio-system/sa/istio-{}-service-account"
PILOT = ACCOUNT.format("pilot")
NAME = "istio-galley.istio-system.svc"
EVERYTHING_TO_PILOT = AccessList({PILOT: frozenset({"*"})})


def workload(name: str, address: str = "1.2.3.4", **labels: str) -> ConfigObject:
    """A WorkloadEntry of the namespace ns."""
    key, spec = ObjectKey(WORKLOAD_ENTRIES, "ns", name), WorkloadEntry(address=address)
    return ConfigObject(key, content_version(key, spec, labels, {}), spec, labels)


def snapshot(*items: ConfigObject, before: Snapshot | None = None) -> Snapshot:
    return make_snapshot(items, before)


class GalleyPort:
    """MCP and ADS behind one port; `access` may be replaced while it serves (then notify the distributor)."""

    def __init__(self, authority: CertificateAuthorityForTests, limits: StreamLimits | None = None) -> None:
        self.authority = authority
        self.access = EVERYTHING_TO_PILOT
        self.metrics = ServiceMetrics("galley")
        self.distributor = Distributor(lambda: self.access)
        self.identity = authority.identity(ACCOUNT.format("galley"), NAME)
        metrics, limits = DistributionMetrics(self.metrics), limits or StreamLimits()
        services = (McpService(self.distributor, metrics, limits), XdsService(self.distributor, metrics, limits))
        self.server = GrpcServer(
            "127.0.0.1",
            0,
            identity=self.identity,
            client_certificate="required",
            generic_handlers=services,
            grace_seconds=0,
        )

    async def __aenter__(self) -> GalleyPort:
        await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.bound_port}"

    def channel(self, identity: str = PILOT, options: Any = ()) -> grpc.aio.Channel:
        certificate = StaticIdentity(self.authority.certificate(identity)).current
        assert certificate is not None
        return open_channel(self.address, NAME, certificate, options)

    @property
    def text(self) -> str:
        """The metrics, as Prometheus reads them."""
        return self.metrics.render().decode()


def establish(channel: grpc.aio.Channel) -> Any:
    """An MCP stream."""
    return channel.stream_stream(
        MCP, request_serializer=RequestResources.SerializeToString, response_deserializer=Resources.FromString
    )()


def ask(collection: str, nonce: str = "", *, incremental: bool = False, error: str = "") -> RequestResources:
    """A first request, an ACK, or with an error a NACK."""
    request = RequestResources(collection=collection, response_nonce=nonce, incremental=incremental)
    if error:
        request.error_detail.message = error
        request.error_detail.code = 3
    return request
