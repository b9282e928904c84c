"""A Check and a log entry: CPU of the whole Mixer process, beside a no-op server of the same kind in the same run.

Both are called over mTLS by one client, a workload of the mesh for this measurement, with messages as Envoy sends
them. The rules are the example's: all standard metrics.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from envoy.data.accesslog.v3.accesslog_pb2 import HTTPAccessLogEntry
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest
from google.protobuf import json_format

from bench.cost import cpu_seconds
from bench.noop import CHECK, LOGS, noop_process
from bench.table import table
from flotilla_cli.mesh import Mesh
from flotilla_shared.model.spiffe import spiffe_id
from flotilla_shared.runtime.citadel_client import CitadelClient
from flotilla_shared.runtime.identity import Certificate, WorkloadIdentity
from flotilla_shared.runtime.tls import open_channel
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

SERVER_NAME = "istio-mixer.istio-system.svc"
NOOP_NAME = "noop.bench"
IN_FLIGHT = 32
ENTRIES = 20  # in a message: 16 KB, Envoy's flush
SOURCE = "spiffe://cluster.local/ns/default/sa/bookinfo-productpage"
OWN = "spiffe://cluster.local/ns/default/sa/bookinfo-visitor"
# The client of this measurement: a workload that a service selects.
WORKLOAD = """\
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: bench, namespace: default}
spec: {address: 127.0.0.1, labels: {app: bench, version: v1}, serviceAccount: bookinfo-visitor}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: bench, namespace: default}
spec:
  hosts: [bench.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 9999, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: bench}}
"""
STATIC = {
    "destination.service.host": "bench.default.svc.cluster.local",
    "destination.service.name": "bench",
    "destination.service.namespace": "default",
    "destination.service.uid": "istio://default/services/bench",
}
HEADERS = {
    ":authority": "bench:9999",
    ":method": "GET",
    ":path": "/reviews/1?u=a",
    ":scheme": "http",
    "user-agent": "python-httpx/0.28.1",
    "accept": "*/*",
    "x-forwarded-proto": "http",
    "x-request-id": "28f0304c-c1fe-4a9d-b291-7c9c32e2b5db",
}


@dataclass(frozen=True)
class Place:
    """A server that is measured, and how to call it."""

    name: str
    address: str
    server_name: str
    certificate: Certificate
    pid: int


def measure(mesh: Mesh, given: argparse.Namespace) -> str:
    mesh.write("bench.yaml", WORKLOAD)
    mesh.wait(lambda: "bench" in str(mesh.mixer("workloads")), "the client to be known")
    certificate, rows = asyncio.run(_certificate(mesh)), []
    with _noop(mesh.run_dir) as noop:
        pid = mesh.status().part("mixer").pid
        assert pid is not None
        mixer = Place("Mixer", f"{mesh.plan.addresses['mixer']}:15004", SERVER_NAME, certificate, pid)
        for what, work in (("a Check", _checks), ("a log entry", _entries)):
            base = 0.0
            for place in (noop, mixer):
                done, seconds, cpu = asyncio.run(_measured(place, given.seconds, work))
                each = cpu / done * 1e6
                base = base or each
                rows.append((each / base, f"{what}: {place.name}", each, done / seconds))
    (mesh.plan.directory / "config" / "bench.yaml").unlink()
    title = f"A Check and a log entry, whole process ({given.seconds:.0f} s each)"
    return table(title, ("ratio", "what", "CPU us each", "per second (this client)"), rows)


async def _certificate(mesh: Mesh) -> Certificate:
    """The certificate of the workload that this client is for the time being."""
    token = mesh.run_dir / "tokens" / "visitor"
    if not token.exists():
        mesh.run("visitor")
        mesh.stop("visitor")
    signer = CitadelClient(
        f"{mesh.plan.addresses['citadel']}:8060",
        "istio-citadel.istio-system.svc",
        mesh.run_dir / "root-cert.pem",
        token,
    )
    return await WorkloadIdentity(signer, spiffe_id("cluster.local", "default", "bookinfo-visitor"), 3600).renew()


@contextmanager
def _noop(folder: Path) -> Iterator[Place]:
    """A no-op server under an authority of its own, since its client checks a DNS name."""
    authority = CertificateAuthorityForTests()
    own, client = authority.certificate(OWN, [NOOP_NAME]), authority.certificate(SOURCE)
    files = [folder / f"bench-{name}.pem" for name in ("root", "chain", "key")]
    for file, content in zip(files, (own.root_pem, own.chain_pem, own.key_pem), strict=True):
        file.touch(mode=0o600)
        file.write_bytes(content)
    with noop_process(*files) as (pid, port):
        yield Place("no-op server", f"127.0.0.1:{port}", NOOP_NAME, client, pid)


Work = Callable[[grpc.aio.Channel, float], Awaitable[int]]


async def _measured(place: Place, seconds: float, work: Work) -> tuple[int, float, float]:
    """How many were done, in which time, with how much CPU of the server."""
    async with open_channel(place.address, place.server_name, place.certificate) as channel:
        await work(channel, 0.3)
        before, began = cpu_seconds([place.pid]), time.perf_counter()
        done = await work(channel, seconds)
        return done, time.perf_counter() - began, cpu_seconds([place.pid]) - before


async def _checks(channel: grpc.aio.Channel, seconds: float) -> int:
    call, message, done = channel.unary_unary(CHECK), check_message(), 0
    end = time.perf_counter() + seconds

    async def ask() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await call(message, metadata=(("x-flotilla-reporter", "inbound"),))
            done += 1

    await asyncio.gather(*(ask() for _ in range(IN_FLIGHT)))
    return done


async def _entries(channel: grpc.aio.Channel, seconds: float) -> int:
    first, message = log_message(identified=True), log_message(identified=False)
    call = channel.stream_unary(f"/{LOGS}/StreamAccessLogs")()
    await call.write(first)
    done, end = ENTRIES, time.perf_counter() + seconds
    while time.perf_counter() < end:
        await call.write(message)
        done += ENTRIES
    await call.done_writing()
    await call
    return done


def check_message() -> bytes:
    """As a sidecar asks (mixer-on-envoy.md 10)."""
    own = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 9999}}, "principal": OWN}
    peer = {"address": {"socket_address": {"address": "127.0.2.1", "port_value": 46354}}, "principal": SOURCE}
    request = {
        "attributes": {
            "source": peer,
            "destination": own,
            "request": {
                "time": "2026-01-01T00:00:00.5Z",
                "http": {
                    "id": "2805365648396744496",
                    "method": "GET",
                    "path": "/reviews/1?u=a",
                    "host": "bench:9999",
                    "scheme": "http",
                    "protocol": "HTTP/2",
                    "headers": HEADERS,
                },
            },
            "metadata_context": {},
            "route_metadata_context": {"filter_metadata": {"flotilla": STATIC}},
            "tls_session": {"sni": "outbound_.9999_._.bench.default.svc.cluster.local"},
        }
    }
    return json_format.ParseDict(request, CheckRequest()).SerializeToString()


def log_message(*, identified: bool) -> bytes:
    """As a sidecar tells of calls that came in."""
    import orjson

    entry = {
        "common_properties": {
            "downstream_direct_remote_address": {"socket_address": {"address": "127.0.2.1", "port_value": 46354}},
            "downstream_remote_address": {"socket_address": {"address": "127.0.2.1", "port_value": 46354}},
            "downstream_local_address": {"socket_address": {"address": "127.0.0.1", "port_value": 9999}},
            "upstream_remote_address": {"socket_address": {"address": "127.0.1.9", "port_value": 9999}},
            "upstream_cluster": "inbound|9999||",
            "start_time": "2026-01-01T00:00:00.5Z",
            "duration": "0.002s",
            "tls_properties": {
                "tls_sni_hostname": "outbound_.9999_._.bench.default.svc.cluster.local",
                "local_certificate_properties": {"subject_alt_name": [{"uri": OWN}]},
                "peer_certificate_properties": {"subject_alt_name": [{"uri": SOURCE}]},
            },
            "custom_tags": {
                "route": orjson.dumps(STATIC, option=orjson.OPT_SORT_KEYS).decode(),
                "flags": "-",
                "grpc": "0",
            },
            "stream_id": "28f0304c-c1fe-4a9d-b291-7c9c32e2b5db",
            "access_log_type": "DownstreamEnd",
        },
        "protocol_version": "HTTP2",
        "request": {
            "request_method": "GET",
            "scheme": "http",
            "authority": "bench:9999",
            "path": "/reviews/1?u=a",
            "user_agent": "python-httpx/0.28.1",
            "request_id": "28f0304c-c1fe-4a9d-b291-7c9c32e2b5db",
            "request_headers_bytes": "354",
        },
        "response": {"response_code": 200, "response_headers_bytes": "243", "response_body_bytes": "358"},
    }
    message = StreamAccessLogsMessage()
    if identified:
        message.identifier.log_name = "inbound"
    one = json_format.ParseDict(entry, HTTPAccessLogEntry())
    message.http_logs.log_entry.extend([one] * ENTRIES)
    return message.SerializeToString()
