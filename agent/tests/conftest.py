"""What the agent's tests share: an authority that signs, a Pilot that serves what it is told, addresses, Envoy.

Both servers are real ones on 127.0.9x.x, with TLS and certificates; only what they answer is made up.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.extensions.filters.http.router.v3 import router_pb2  # noqa: F401  # known to ParseDict by its import
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2  # noqa: F401
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import json_format

from flotilla_agent.config import AgentSettings, CitadelConfig, PilotConfig, WorkloadConfig
from flotilla_agent.fleet import Fleet
from flotilla_agent.status.state import State
from flotilla_agent.workload import Workload
from flotilla_protos.istio.security.v1alpha1.ca_pb2 import IstioCertificateRequest, IstioCertificateResponse
from flotilla_shared.model.spiffe import spiffe_id
from flotilla_shared.runtime.citadel_client import METHOD as CREATE_CERTIFICATE
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.peers import peer_of
from flotilla_shared.runtime.serving import Call, GrpcServer
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService"
CLUSTERS = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
LISTENERS = "type.googleapis.com/envoy.config.listener.v3.Listener"
BOOTSTRAP = "type.googleapis.com/envoy.config.bootstrap.v3.Bootstrap"
POLL_SECONDS = 0.02
_numbers = count(2)


@pytest.fixture(scope="session")
def envoy() -> Path:
    """The real Envoy."""
    named = os.environ.get("FLOTILLA_ENVOY")
    program = Path(named) if named else Path(sys.prefix) / "envoy" / "bin" / "envoy"
    if not program.is_file():
        pytest.skip(f"there is no Envoy at {program}: `make install` brings one, or name yours by FLOTILLA_ENVOY")
    return program


@pytest.fixture
def new_address() -> Callable[[], str]:
    """Gives loopback addresses that no other test has, whichever worker it runs on."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return lambda: f"127.0.9{int(worker) % 10}.{next(_numbers) % 254 + 1}"


@pytest.fixture
def run_dir() -> Iterator[Path]:
    """Short: it holds Unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="fl-"))
    yield folder
    shutil.rmtree(folder)


class Authority:
    """Citadel's wire, with a CA behind it that signs whatever it is asked to, or refuses with `refusal`."""

    def __init__(self, address: str, root_file: Path, namespace: str = "istio-system") -> None:
        self.ca = CertificateAuthorityForTests()
        self.refusal = ""
        self.root_file = root_file
        root_file.write_text(self.ca.root_pem)
        own = self.ca.identity(spiffe_id("cluster.local", namespace, "citadel"), f"istio-citadel.{namespace}.svc")
        self.address = address
        self._make = lambda port: GrpcServer(
            address, port, identity=own, client_certificate="optional", batch={CREATE_CERTIFICATE: self._sign}
        )
        self.server = self._make(0)
        self.port = 0

    async def start(self) -> None:
        """Also again after `stop`, on the same port."""
        self.server = self._make(self.port)
        await self.server.start()
        self.port = self.server.bound_port

    async def stop(self) -> None:
        await self.server.stop()

    def _sign(self, calls: Sequence[Call]) -> None:
        for call in calls:
            asyncio.get_running_loop().create_task(self._answer(call))

    async def _answer(self, call: Call) -> None:
        if self.refusal:
            call.fail(grpc.StatusCode.UNAUTHENTICATED, self.refusal)
            return
        request = IstioCertificateRequest.FromString(call.message)
        chain = await self.ca.sign(request.csr, request.validity_duration, None)
        call.answer(IstioCertificateResponse(cert_chain=chain).SerializeToString())


class PilotForTests(grpc.GenericRpcHandler):
    """Answers each type's first request of a stream with `resources`, in either form of the protocol."""

    def __init__(self, address: str, ca: CertificateAuthorityForTests, namespace: str = "istio-system") -> None:
        self.resources: dict[str, list[Any]] = {CLUSTERS: [], LISTENERS: [], BOOTSTRAP: []}
        self.callers: list[tuple[str, str | None]] = []  # (node id, identity in the certificate), of Envoys
        self.agents: list[tuple[str, str | None]] = []  # and of who asks for bootstraps
        self.forms: set[str] = set()
        self.rejections: list[str] = []
        own = ca.identity(
            spiffe_id("cluster.local", namespace, "istio-pilot-service-account"), f"istio-pilot.{namespace}.svc"
        )
        self.server = GrpcServer(
            address, 0, identity=own, client_certificate="required", generic_handlers=(self,), grace_seconds=0
        )

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        form = handler_call_details.method.removeprefix(ADS)
        request = discovery_pb2.DeltaDiscoveryRequest if "Delta" in form else discovery_pb2.DiscoveryRequest
        return grpc.stream_stream_rpc_method_handler(
            partial(self._serve, form), request.FromString, lambda response: response.SerializeToString()
        )

    async def _serve(self, form: str, _: Any, context: Any) -> None:
        answered: set[str] = set()
        while (request := await context.read()) is not grpc.aio.EOF:
            if not answered:
                asks = self.agents if request.type_url == BOOTSTRAP else self.callers
                asks.append((request.node.id, peer_of(context).identity))
                self.forms |= {form} if asks is self.callers else set()
            if request.HasField("error_detail"):
                self.rejections.append(request.error_detail.message)
            if request.type_url in self.resources and request.type_url not in answered:
                answered.add(request.type_url)
                await context.write(self._response(request))

    def _response(self, request: Any) -> Any:
        resources = self.resources[request.type_url]
        if isinstance(request, discovery_pb2.DiscoveryRequest):
            response: Any = discovery_pb2.DiscoveryResponse(type_url=request.type_url, version_info="1", nonce="n")
            for each in resources:
                response.resources.add().Pack(each)
            return response
        response = discovery_pb2.DeltaDiscoveryResponse(type_url=request.type_url, nonce="n")
        for each in resources:
            response.resources.add(name=each.name, version="1").resource.Pack(each)
        return response

    def serve_http(self, address: str, port: int, upstream: tuple[str, int]) -> None:
        """An inbound HTTP listener that passes everything on to `upstream`, whatever time it takes."""
        self.resources[CLUSTERS].append(_cluster("upstream", upstream))
        self.resources[LISTENERS].append(_inbound_listener(f"{address}_{port}", address, port))


def _place(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}


def _cluster(name: str, place: tuple[str, int]) -> Cluster:
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": _place(*place)}}]}]
    content = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
    }
    return json_format.ParseDict(content, Cluster())


def _inbound_listener(name: str, address: str, port: int) -> Listener:
    types = "type.googleapis.com/envoy.extensions.filters"
    route = {"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "0s"}}
    manager = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{types}.http.router.v3.Router"}}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    content = {
        "name": name,
        "address": _place(address, port),
        "traffic_direction": "INBOUND",
        "filter_chains": [{"filters": filters}],
    }
    return json_format.ParseDict(content, Listener())


@pytest.fixture
def make_authority() -> type[Authority]:
    return Authority


@pytest.fixture
def make_pilot() -> type[PilotForTests]:
    return PilotForTests


@pytest.fixture
async def authority(new_address: Callable[[], str], tmp_path: Path) -> AsyncIterator[Authority]:
    authority = Authority(new_address(), tmp_path / "root-cert.pem")
    await authority.start()
    yield authority
    await authority.stop()


@pytest.fixture
async def pilot(new_address: Callable[[], str], authority: Authority) -> AsyncIterator[PilotForTests]:
    address = new_address()
    pilot = PilotForTests(address, authority.ca)
    await pilot.server.start()
    yield pilot
    await pilot.server.stop()


@pytest.fixture
def new_workload(new_address: Callable[[], str], tmp_path: Path) -> Callable[..., WorkloadConfig]:
    """Makes a workload with a token and addresses of its own; what is given counts."""
    token = tmp_path / "token"
    token.write_text("a token")

    def make(name: str = "reviews-v1", **given: Any) -> WorkloadConfig:
        standard = {
            "name": name,
            "namespace": "default",
            "service_account": "bookinfo-reviews",
            "address": new_address(),
            "application_address": new_address(),
            "labels": {"app": "reviews", "version": "v1"},
            "token_file": token,
        }
        return WorkloadConfig(**{**standard, **given})

    return make


@pytest.fixture
def new_settings(
    run_dir: Path, authority: Authority, pilot: PilotForTests, envoy: Path
) -> Callable[..., AgentSettings]:
    """Settings of an agent whose authority and Pilot are the test's; what is given counts."""

    def make(*workloads: WorkloadConfig, **given: Any) -> AgentSettings:
        standard = {
            "run_dir": run_dir,
            "envoy": envoy,
            "citadel": CitadelConfig(
                address=f"{authority.address}:{authority.port}", root_cert_file=authority.root_file
            ),
            "pilot": PilotConfig(address=f"{pilot.server._address}:{pilot.server.bound_port}"),
            "control_socket": run_dir / "agent.sock",
            "drain_seconds": 5,
            "workloads": workloads,
        }
        return AgentSettings(**{**standard, **given})

    return make


@pytest.fixture
async def new_fleet(new_settings: Callable[..., AgentSettings]) -> AsyncIterator[Callable[..., Awaitable[Fleet]]]:
    """Starts a fleet with these workloads; stopped at the end, without draining unless the test asks for it."""
    fleets: list[Fleet] = []

    async def start(*workloads: WorkloadConfig, **given: Any) -> Fleet:
        fleet = Fleet(new_settings(*workloads, **{"drain_seconds": 0, **given}))
        fleets.append(fleet)
        await fleet.start()
        return fleet

    yield start
    for fleet in fleets:
        await fleet.stop()


@pytest.fixture
def until() -> Callable[..., Awaitable[Workload]]:
    """Waits until a workload has the state, and a reason that holds `saying`."""

    async def wait(workload: Workload, state: State, saying: str = "") -> Workload:
        while workload.state is not state or saying not in workload.reason:
            await asyncio.sleep(POLL_SECONDS)
        return workload

    return wait


@pytest.fixture
async def slow_server(new_address: Callable[[], str]) -> AsyncIterator[SlowServer]:
    server = SlowServer(new_address())
    await server.start()
    yield server
    await server.stop()


class SlowServer:
    """An HTTP application that says when it was asked, and answers when it is told to."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.port = 0
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()
        self._tasks = Tasks("slow server")
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(
            lambda reader, writer: self._tasks.spawn(self._serve(reader, writer)), self.address, 0
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        await self._tasks.stop()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.asked.set()
            await self.answer.wait()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ndone")
            await writer.drain()
        finally:
            writer.close()
