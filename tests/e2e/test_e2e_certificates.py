"""Certificates are renewed under traffic, and nobody gets one who should not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from flotilla_cli.credentials.tokens import TokenIssuer
from flotilla_cli.demo.traffic import Traffic
from flotilla_cli.mesh import Mesh
from flotilla_shared.runtime.citadel_client import CitadelClient
from flotilla_shared.runtime.identity import (
    Certificate,
    SigningRefused,
    WorkloadIdentity,
    make_csr,
)
from flotilla_shared.runtime.tls import open_channel

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(180)]

DETAILS = "spiffe://cluster.local/ns/default/sa/bookinfo-details"
RATINGS = "spiffe://cluster.local/ns/default/sa/bookinfo-ratings"


def serial(mesh: Mesh, workload: str) -> int:
    return int((mesh.status().workload(workload)["certificate"] or {}).get("serial", "0"), 16)


def envoy_serials(mesh: Mesh, workload: str) -> list[int]:
    certificates = mesh.admin(workload, "/certs").json()["certificates"]
    return [int(chain["serial_number"], 16) for each in certificates for chain in each["cert_chain"]]


def test_renewal_fails_no_request(mesh: Mesh, traffic: Traffic) -> None:
    workloads = ["ingressgateway", "productpage-v1", "details-v1", "reviews-v1"]
    before = {name: serial(mesh, name) for name in workloads}
    assert traffic.wait_for_more(3)
    for name in workloads:
        mesh.wait(
            lambda name=name: found if (found := serial(mesh, name)) not in (0, before[name]) else None,
            f"a new certificate of {name}",
            seconds=60,
        )
        mesh.wait(lambda name=name: serial(mesh, name) in envoy_serials(mesh, name), f"{name}'s Envoy to use it")
    assert traffic.wait_for_more(20)


@pytest.mark.single_service
def test_a_failing_renewal_keeps_the_certificate(mesh: Mesh, traffic: Traffic) -> None:
    mesh.stop("citadel", kill=True)
    told = mesh.wait(
        lambda: (mesh.status().workload("details-v1")["certificate"] or {}).get("last_error"),
        "the renewal to fail",
        seconds=60,
    )
    assert "Citadel at 127.0.0.13:8060 cannot be reached" in told
    assert serial(mesh, "details-v1") in envoy_serials(mesh, "details-v1")
    assert traffic.wait_for_more(3)
    mesh.start("citadel")
    mesh.wait(
        lambda: (mesh.status().workload("details-v1")["certificate"] or {}).get("last_error") == "",
        "the renewal to work again",
        seconds=60,
    )


async def sign(mesh: Mesh, token: str, identity: str, folder: Path) -> Sequence[str]:
    """Ask Citadel as a client with this token for a certificate of this identity."""
    (folder / "token").write_text(token)
    root = mesh.run_dir / "root-cert.pem"
    client = CitadelClient("127.0.0.13:8060", "istio-citadel.istio-system.svc", root, folder / "token")
    return await client.sign(make_csr(ec.generate_private_key(ec.SECP256R1()), identity), 600, None)


def token_of(mesh: Mesh, workload: str) -> str:
    return (mesh.run_dir / "tokens" / workload).read_text()


async def test_a_csr_for_somebody_else_is_refused(mesh: Mesh, tmp_path: Path) -> None:
    with pytest.raises(SigningRefused, match="bookinfo-ratings"):
        await sign(mesh, token_of(mesh, "details-v1"), RATINGS, tmp_path)


async def test_a_csr_for_oneself_is_signed(mesh: Mesh, tmp_path: Path) -> None:
    assert len(await sign(mesh, token_of(mesh, "details-v1"), DETAILS, tmp_path)) == 2


async def test_a_token_of_another_issuer_is_refused(mesh: Mesh, tmp_path: Path) -> None:
    TokenIssuer().write(tmp_path / "foreign", "default", "bookinfo-details")
    with pytest.raises(SigningRefused, match="authenticate"):
        await sign(mesh, (tmp_path / "foreign").read_text(), DETAILS, tmp_path)


async def test_no_token_and_rubbish_are_refused(mesh: Mesh, tmp_path: Path) -> None:
    with pytest.raises(SigningRefused, match="authenticate"):
        await sign(mesh, "rubbish", DETAILS, tmp_path)


async def certificate(mesh: Mesh, workload: str, identity: str) -> Certificate:
    """A certificate as the workload itself would get it."""
    root, token = mesh.run_dir / "root-cert.pem", mesh.run_dir / "tokens" / workload
    signer = CitadelClient("127.0.0.13:8060", "istio-citadel.istio-system.svc", root, token)
    return await WorkloadIdentity(signer, identity, 600).renew()


async def test_galley_serves_nobody_who_is_not_on_its_list(mesh: Mesh) -> None:
    from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import RequestResources, Resources
    from flotilla_shared.runtime.streams.mcp_client import METHOD

    own = await certificate(mesh, "details-v1", DETAILS)
    async with open_channel("127.0.0.11:9901", "istio-galley.istio-system.svc", own) as channel:
        call = channel.stream_stream(
            METHOD,
            request_serializer=RequestResources.SerializeToString,
            response_deserializer=Resources.FromString,
        )()
        # Nothing is sent: a client that writes while it is refused may see its write fail, and not why.
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call.read()
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert DETAILS in (refused.value.details() or "")


async def test_galley_takes_no_status_from_a_workload(mesh: Mesh) -> None:
    from flotilla_protos.flotilla.status.v1.status_pb2 import StatusAck, StatusReport
    from flotilla_shared.runtime.streams.status import METHOD

    own = await certificate(mesh, "details-v1", DETAILS)
    async with open_channel("127.0.0.11:9901", "istio-galley.istio-system.svc", own) as channel:
        call = channel.stream_stream(
            METHOD, request_serializer=StatusReport.SerializeToString, response_deserializer=StatusAck.FromString
        )()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call.read()
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_pilot_serves_only_the_proxy_that_the_certificate_names(mesh: Mesh) -> None:
    from envoy.config.core.v3 import base_pb2
    from envoy.service.discovery.v3 import discovery_pb2

    own = await certificate(mesh, "details-v1", DETAILS)
    node = base_pb2.Node(id="sidecar~127.0.1.6~ratings-v1.default~default.svc.cluster.local")
    node.metadata.update({"NAMESPACE": "default", "SERVICE_ACCOUNT": "bookinfo-ratings", "INTERCEPTION_MODE": "NONE"})
    request = discovery_pb2.DiscoveryRequest(node=node, type_url="type.googleapis.com/envoy.config.cluster.v3.Cluster")
    async with open_channel("127.0.0.12:15012", "istio-pilot.istio-system.svc", own) as channel:
        call = channel.stream_stream(
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
            request_serializer=discovery_pb2.DiscoveryRequest.SerializeToString,
            response_deserializer=discovery_pb2.DiscoveryResponse.FromString,
        )(iter([request]))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call.read()
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "bookinfo-details" in (refused.value.details() or "")


def test_secrets_have_owner_rights_only(mesh: Mesh) -> None:
    keys = [
        *mesh.run_dir.glob("citadel/**/*key*.pem"),
        *mesh.run_dir.glob("tokens/*"),
        *mesh.run_dir.glob("*/sds.sock"),
    ]
    assert len(keys) > 8
    assert {oct(key.stat().st_mode & 0o777) for key in keys} == {"0o600"}
    assert oct(mesh.run_dir.stat().st_mode & 0o777) == "0o700"
