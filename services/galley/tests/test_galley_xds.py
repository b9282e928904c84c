"""MCP over ADS, by a client that keeps to the rules of an istiod's (istio.io/istio/pkg/adsc)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse

from flotilla_galley.distribution.access import AccessList
from flotilla_galley.distribution.xds import METHOD, kind_of_type
from flotilla_galley.testing.wire import PILOT, GalleyPort, snapshot, workload
from flotilla_protos.istio.mcp.v1alpha1.resource_pb2 import Resource
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_protos.istio.networking.v1alpha3.workload_entry_pb2 import WorkloadEntry
from flotilla_shared.model.kinds import MESH_CONFIG, NAMESPACES, SERVICE_ENTRIES, VIRTUAL_SERVICES, WORKLOAD_ENTRIES
from flotilla_shared.model.objects import ConfigObject, ObjectKey, content_version
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

MESH = "core/v1alpha1/MeshConfig"
TYPES = (
    *(
        f"security.istio.io/v1/{kind}"
        for kind in ("AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication")
    ),
    *(f"networking.istio.io/v1/{kind}" for kind in ("DestinationRule", "Gateway", "ServiceEntry", "Sidecar")),
    *(f"networking.istio.io/v1/{kind}" for kind in ("VirtualService", "WorkloadEntry", "WorkloadGroup")),
    "networking.istio.io/v1alpha3/EnvoyFilter",
    "networking.istio.io/v1beta1/ProxyConfig",
    "telemetry.istio.io/v1/Telemetry",
    *(f"extensions.istio.io/v1alpha1/{kind}" for kind in ("WasmPlugin", "TrafficExtension")),
)
WORKLOADS = "networking.istio.io/v1/WorkloadEntry"
NOT_KNOWN = "gateway.networking.k8s.io/v1/HTTPRoute"
VERSIONS = [
    (MESH, MESH_CONFIG),
    ("/v1alpha1/MeshConfig", MESH_CONFIG),
    ("networking.istio.io/v1alpha3/VirtualService", VIRTUAL_SERVICES),
    ("networking.istio.io/v1beta1/VirtualService", VIRTUAL_SERVICES),
    ("networking.istio.io/v1/VirtualService", VIRTUAL_SERVICES),
    ("networking.istio.io/v1/ServiceEntry", SERVICE_ENTRIES),
    ("core/v1/Namespace", NAMESPACES),
    ("security.istio.io/v1/VirtualService", None),
    (NOT_KNOWN, None),
    ("type.googleapis.com/envoy.config.cluster.v3.Cluster", None),
    ("", None),
]


def mesh(domain: str) -> ConfigObject:
    key, spec = ObjectKey(MESH_CONFIG, "istio-system", "istio"), MeshConfig(trust_domain=domain)
    return ConfigObject(key, content_version(key, spec, {}, {}), spec)


class Istiod:
    """One stream of an istiod: what it holds by type and name, told as it tells it."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.held: dict[str, dict[str, Resource]] = {}
        self.versions: dict[str, str] = {}
        self.mesh: MeshConfig | None = None

    async def begin(self, *types: str) -> None:
        """All first requests; the node is in the first alone, and the time where a nonce should be."""
        for index, type_url in enumerate(types):
            request = DiscoveryRequest(type_url=type_url, response_nonce=str(datetime.now(UTC)))
            if index == 0:
                request.node.id = "sidecar~10.0.0.1~istiod-1.istio-system~istio-system.svc.cluster.local"
                request.node.metadata.update({"GENERATOR": "api", "ISTIO_VERSION": "65536.65536.65536"})
            await self.call.write(request)

    async def first(self, type_url: str) -> DiscoveryResponse:
        """Ask for a type and take it; a stream that is refused may say so at either."""
        await self.begin(type_url)
        return await self.take()

    async def take(self) -> DiscoveryResponse:
        """One response, taken and acknowledged."""
        response = await self.call.read()
        assert isinstance(response, DiscoveryResponse)
        if response.type_url.endswith("/MeshConfig") and response.resources:
            self.mesh = MeshConfig.FromString(response.resources[0].value)
            assert response.resources[0].Is(MeshConfig.DESCRIPTOR)
            return response
        self._hold(response)
        await self.answer(response)
        return response

    async def answer(self, response: DiscoveryResponse, error: str = "") -> None:
        request = DiscoveryRequest(
            type_url=response.type_url, version_info=response.version_info, response_nonce=response.nonce
        )
        if error:
            request.error_detail.message = error
        await self.call.write(request)

    def _hold(self, response: DiscoveryResponse) -> None:
        held = {}
        for each in response.resources:
            resource = Resource()
            assert each.Unpack(resource)
            assert resource.metadata.name.count("/") == 1
            assert resource.metadata.version
            held[resource.metadata.name] = resource
        self.held[response.type_url] = held
        self.versions[response.type_url] = response.version_info


def connect(channel: grpc.aio.Channel) -> Istiod:
    call = channel.stream_stream(
        METHOD,
        request_serializer=DiscoveryRequest.SerializeToString,
        response_deserializer=DiscoveryResponse.FromString,
    )()
    return Istiod(call)


@pytest.fixture
async def port(authority: CertificateAuthorityForTests) -> AsyncIterator[GalleyPort]:
    async with GalleyPort(authority) as port:
        yield port


@pytest.mark.parametrize(("type_url", "collection"), VERSIONS)
def test_types_are_kinds_of_any_version(type_url: str, collection: str | None) -> None:
    kind = kind_of_type(type_url)
    assert (kind.collection if kind is not None else None) == collection


def test_istiods_types_are_kinds_that_people_write() -> None:
    found = [kind_of_type(each) for each in TYPES]
    assert all(kind is not None and kind.written for kind in found)
    assert len({kind.collection for kind in found if kind is not None}) == len(TYPES)


async def test_every_type_is_answered_whatever_the_first_nonce_is(port: GalleyPort) -> None:
    port.distributor.publish(snapshot(workload("a", app="a"), mesh("one.local")))
    async with port.channel() as channel:
        istiod = connect(channel)
        await istiod.begin(MESH, *TYPES, NOT_KNOWN)
        responses = [await istiod.take() for _ in range(len(TYPES) + 2)]
    assert {each.type_url for each in responses} == {MESH, *TYPES, NOT_KNOWN}
    assert len({each.nonce for each in responses}) == len(responses), "nonces count per stream"
    assert istiod.mesh is not None
    assert istiod.mesh.trust_domain == "one.local"
    assert {type_url for type_url, held in istiod.held.items() if held} == {WORKLOADS}
    resource = istiod.held[WORKLOADS]["ns/a"]
    assert resource.body.type_url == "type.googleapis.com/istio.networking.v1alpha3.WorkloadEntry"
    assert WorkloadEntry.FromString(resource.body.value).address == "1.2.3.4"
    assert (resource.metadata.version, dict(resource.metadata.labels)) == (workload("a", app="a").version, {"app": "a"})


async def test_nothing_is_answered_before_the_first_snapshot(port: GalleyPort) -> None:
    async with port.channel() as channel:
        istiod = connect(channel)
        await istiod.begin(WORKLOADS, NOT_KNOWN)
        assert (await istiod.take()).type_url == NOT_KNOWN
        port.distributor.publish(snapshot())
        assert ((await istiod.take()).type_url, istiod.held[WORKLOADS]) == (WORKLOADS, {})


async def test_changes_are_the_whole_type_at_a_new_version(port: GalleyPort) -> None:
    port.distributor.publish(snapshot(workload("a"), workload("b"), mesh("one.local")))
    async with port.channel() as channel:
        istiod = connect(channel)
        await istiod.begin(MESH, WORKLOADS)
        first = [await istiod.take(), await istiod.take()]
        before = istiod.held[WORKLOADS]["ns/b"].metadata.version
        port.distributor.publish(
            snapshot(workload("b", "1.1.1.1"), mesh("one.local"), before=port.distributor.snapshot)
        )
        second = await istiod.take()
        assert (second.type_url, list(istiod.held[WORKLOADS])) == (WORKLOADS, ["ns/b"])
        assert istiod.held[WORKLOADS]["ns/b"].metadata.version != before
        assert second.version_info not in {each.version_info for each in first}
        port.distributor.publish(snapshot(mesh("two.local"), before=port.distributor.snapshot))
        await istiod.take()
        await istiod.take()
        assert istiod.mesh is not None
        assert (istiod.mesh.trust_domain, istiod.held[WORKLOADS]) == ("two.local", {})
        port.distributor.publish(snapshot(mesh("three.local"), before=port.distributor.snapshot))
        assert (await istiod.take()).type_url == MESH, "it comes again although nobody acknowledges it"


async def test_stale_answers_are_ignored_and_a_refused_version_stays_refused(port: GalleyPort) -> None:
    port.distributor.publish(snapshot(workload("a")))
    async with port.channel() as channel:
        istiod = connect(channel)
        await istiod.begin(WORKLOADS)
        first = await istiod.call.read()
        stale = DiscoveryResponse(type_url=WORKLOADS, nonce="99", version_info="x")
        await istiod.answer(stale)
        await istiod.answer(first, error="no")
        port.distributor.publish(snapshot(workload("a"), mesh("one.local"), before=port.distributor.snapshot))
        await istiod.begin(NOT_KNOWN)
        assert (await istiod.take()).type_url == NOT_KNOWN, "nothing came of either answer"
        port.distributor.publish(snapshot(workload("a", "1.1.1.1"), before=port.distributor.snapshot))
        assert (await istiod.take()).type_url == WORKLOADS
    assert (
        f'istio_mcp_request_nacks_total{{code="0",collection="{WORKLOAD_ENTRIES}",component="galley"}} 1.0' in port.text
    )
    assert f'istio_mcp_request_stale_nonces{{collection="{WORKLOAD_ENTRIES}",component="galley"}} 1.0' in port.text


async def test_two_versions_of_a_kind_on_one_stream(port: GalleyPort) -> None:
    old = WORKLOADS.replace("/v1/", "/v1alpha3/")
    port.distributor.publish(snapshot(workload("a")))
    async with port.channel() as channel:
        istiod = connect(channel)
        await istiod.begin(WORKLOADS)
        await istiod.take()
        await istiod.begin(old)
        assert {(await istiod.take()).type_url for _ in range(2)} == {WORKLOADS, old}
        port.distributor.publish(snapshot(before=port.distributor.snapshot))
        assert {(await istiod.take()).type_url for _ in range(2)} == {WORKLOADS, old}
        assert istiod.held == {WORKLOADS: {}, old: {}}


async def test_who_may_not_have_a_type_hears_so(port: GalleyPort) -> None:
    port.access = AccessList({PILOT: frozenset({VIRTUAL_SERVICES})})
    port.distributor.publish(snapshot())
    async with port.channel(PILOT) as channel:
        istiod = connect(channel)
        await istiod.begin(WORKLOADS)
        assert await istiod.call.code() is grpc.StatusCode.PERMISSION_DENIED
    async with port.channel("spiffe://cluster.local/ns/x/sa/y") as channel:
        # Before it asks for anything: a request into a stream that just ends is a fault of its own for grpcio.
        assert await connect(channel).call.code() is grpc.StatusCode.UNAUTHENTICATED
