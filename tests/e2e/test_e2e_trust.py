"""Who is not believed: workloads that claim another's attributes, and clients that send headers that carry trust."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from envoy.data.accesslog.v3 import accesslog_pb2
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage, StreamAccessLogsResponse
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse

from flotilla_cli.edges import edges
from flotilla_cli.mesh import Mesh
from flotilla_shared.model.spiffe import spiffe_id
from flotilla_shared.runtime.citadel_client import CitadelClient
from flotilla_shared.runtime.identity import Certificate, WorkloadIdentity
from flotilla_shared.runtime.tls import open_channel

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(180)]

LOGS = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"
CHECK = "/envoy.service.auth.v3.Authorization/Check"
MIXER = "istio-mixer.istio-system.svc"


async def certificate_of(mesh: Mesh, workload: str) -> Certificate:
    """A certificate as the workload's own agent gets it: who has it is the workload, as far as Citadel knows."""
    found = mesh.plan.workload(workload)
    signer = CitadelClient(
        f"{mesh.plan.addresses['citadel']}:8060",
        "istio-citadel.istio-system.svc",
        mesh.run_dir / "root-cert.pem",
        mesh.run_dir / "tokens" / workload,
    )
    identity = WorkloadIdentity(signer, spiffe_id("cluster.local", found.namespace, found.service_account), 600)
    return await identity.renew()


def dropped(mesh: Mesh, claim: str) -> int:
    """How many claims of a kind Mixer has not believed."""
    page = mesh.http.get(f"http://{mesh.plan.addresses['mixer']}:15014/metrics").text
    found = re.search(rf'^mixer_claims_dropped_total{{claim="{claim}"}} (\S+)$', page, re.M)
    assert found is not None
    return int(float(found[1]))


async def with_channel(mesh: Mesh, certificate: Certificate, work: Callable[[grpc.aio.Channel], Any]) -> Any:
    async with open_channel(f"{mesh.plan.addresses['mixer']}:15004", MIXER, certificate) as channel:
        return await work(channel)


async def test_a_certificate_from_an_address_that_is_not_its_own(mesh: Mesh) -> None:
    """The connection comes from 127.0.0.1, where no workload is, with the certificate of details."""
    certificate = await certificate_of(mesh, "details-v1")
    before = dropped(mesh, "reporter")
    entry = accesslog_pb2.HTTPAccessLogEntry()
    entry.common_properties.custom_tags["route"] = '{"destination.service.host":"ratings.default.svc.cluster.local"}'
    message = StreamAccessLogsMessage()
    message.identifier.log_name = "inbound"
    message.http_logs.log_entry.append(entry)

    async def report(channel: grpc.aio.Channel) -> None:
        call = channel.stream_unary(
            LOGS,
            request_serializer=StreamAccessLogsMessage.SerializeToString,
            response_deserializer=StreamAccessLogsResponse.FromString,
        )()
        await call.write(message)
        await call.done_writing()
        await call

    known = edges(mesh.mixer_metrics())
    await with_channel(mesh, certificate, report)
    assert dropped(mesh, "reporter") == before + 1
    assert not [edge for edge in edges(mesh.mixer_metrics()) if edge not in known and edge.service == "ratings"]


async def test_a_check_of_nobody_is_refused(mesh: Mesh) -> None:
    certificate = await certificate_of(mesh, "details-v1")

    async def check(channel: grpc.aio.Channel) -> CheckResponse:
        call = channel.unary_unary(
            CHECK, request_serializer=CheckRequest.SerializeToString, response_deserializer=CheckResponse.FromString
        )
        return await call(CheckRequest(), timeout=10)

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await with_channel(mesh, certificate, check)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "no workload at 127.0.0.1 has the identity spiffe://cluster.local/ns/default/sa/bookinfo-details" in str(
        refused.value.details()
    )


async def test_nobody_speaks_to_mixer_without_a_certificate(mesh: Mesh) -> None:
    root = (mesh.run_dir / "root-cert.pem").read_bytes()
    credentials = grpc.ssl_channel_credentials(root_certificates=root)
    options = (("grpc.ssl_target_name_override", MIXER),)
    async with grpc.aio.secure_channel(f"{mesh.plan.addresses['mixer']}:15004", credentials, options) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary(CHECK)(b"", timeout=5)
    assert refused.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def request_from(address: str, certificate: Certificate, folder: Path, to: tuple[str, int]) -> bytes:
    """An HTTP request over mTLS from an address of one's choice."""
    chain, key, root = folder / "chain.pem", folder / "key.pem", folder / "root.pem"
    chain.write_bytes(certificate.chain_pem)
    key.write_bytes(certificate.key_pem)
    root.write_bytes(certificate.root_pem)
    context = ssl.create_default_context(cafile=str(root))
    context.check_hostname = False  # the name in the certificate is a URI
    context.load_cert_chain(chain, key)
    with (
        socket.create_connection(to, timeout=10, source_address=(address, 0)) as plain,
        context.wrap_socket(plain) as connection,
    ):
        connection.sendall(
            b"GET /ratings/0 HTTP/1.1\r\nHost: ratings:9080\r\nConnection: close\r\nX-Forwarded-For: 127.0.2.3\r\n\r\n"
        )
        answer = b""
        while part := connection.recv(4096):
            answer += part
    return answer


async def test_a_workload_that_calls_from_anothers_address_is_unknown(mesh: Mesh, tmp_path: Path) -> None:
    """productpage's certificate, from the address of reviews v1: neither of the two is believed to have called."""
    certificate = await certificate_of(mesh, "productpage-v1")
    before, known = dropped(mesh, "peer"), edges(mesh.mixer_metrics())
    ratings = (mesh.plan.workload("ratings-v1").address, 9080)
    reviews = mesh.plan.workload("reviews-v1").address
    answer = await asyncio.to_thread(request_from, reviews, certificate, tmp_path, ratings)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert dropped(mesh, "peer") > before

    def reported() -> Any:
        return [
            edge
            for edge in edges(mesh.mixer_metrics()) - known
            if edge.destination == "ratings-v1" and edge.source_principal.endswith("bookinfo-productpage")
        ]

    found = mesh.wait(reported, "the report of the call")
    assert {edge.source for edge in found} == {"unknown"}


CLAIMS = {
    "x-istio-attributes": "Cj8KCnNvdXJjZS51aWQSMRIva3ViZXJuZXRlczovL3Jldmlld3MtdjEuZGVmYXVsdA==",
    "x-flotilla-peer": "reviews-v1",
    "x-forwarded-for": "127.0.2.3",
    "x-forwarded-client-cert": "By=spiffe://cluster.local/ns/default/sa/bookinfo-reviews;URI=spiffe://cluster.local/x",
}
# Denies whoever is seen with a header, or as reviews.
BAIT = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: trap, namespace: istio-system}
spec: {compiledAdapter: denier, params: {status: {code: 7, message: believed}}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: ask-trap, namespace: istio-system}
spec: {compiledTemplate: checknothing}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: trap, namespace: istio-system}
spec:
  match: >-
    destination.service.name == "productpage" &&
    ((request.headers["x-istio-attributes"] | request.headers["x-flotilla-peer"] | "") != "" ||
    (source.workload.name | "unknown") == "reviews-v1" || match(source.principal | "", "*bookinfo-reviews"))
  actions: [{handler: trap, instances: [ask-trap]}]
"""


def test_headers_that_carry_trust_are_worth_nothing(mesh: Mesh) -> None:
    mesh.write("trap.yaml", BAIT)
    mesh.wait_applied("rule", "istio-system", "trap")
    for name, value in CLAIMS.items():
        answer = mesh.http.get(f"{mesh.gateway}/productpage", headers={name: value})
        assert (answer.status_code, name) == (200, name), answer.text
