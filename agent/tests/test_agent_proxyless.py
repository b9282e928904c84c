"""A workload without an Envoy: its files, its way to Pilot, and what keeps it from being ready."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse

from flotilla_agent.config import AgentSettings, PilotConfig
from flotilla_agent.proxyless.certificate_files import CHAIN, KEY, ROOTS, write_certificate
from flotilla_agent.proxyless.grpc_bootstrap import FILE, make_grpc_bootstrap
from flotilla_agent.proxyless.relay import METHODS, XdsRelay, xds_server, xds_socket
from flotilla_agent.proxyless.workload import ProxylessWorkload
from flotilla_agent.status.state import State
from flotilla_agent.status.view import workload_view
from flotilla_shared.runtime.http import listen_tcp
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

LISTENERS = "type.googleapis.com/envoy.config.listener.v3.Listener"
POLL_SECONDS = 0.02
IDENTITY = "spiffe://cluster.local/ns/default/sa/bookinfo-reviews"


# files


def test_the_bootstrap_names_pilot_by_the_socket_and_the_node_as_an_applications(new_workload) -> None:
    config = new_workload(kind="grpc", application_address="")
    made = make_grpc_bootstrap(AgentSettings(), config, Path("/run/w"), Path("/run/w/xds.sock"))
    (server,) = made["xds_servers"]
    assert server["server_uri"] == "unix:///run/w/xds.sock"
    assert server["channel_creds"] == [{"type": "insecure"}]
    node = made["node"]
    assert node["id"] == f"sidecar~{config.address}~reviews-v1.default~default.svc.cluster.local"
    assert node["metadata"]["GENERATOR"] == "grpc"
    assert node["metadata"]["SERVICE_ACCOUNT"] == "bookinfo-reviews"
    files = made["certificate_providers"]["default"]["config"]
    assert files["certificate_file"] == "/run/w/cert-chain.pem"
    assert files["private_key_file"] == "/run/w/key.pem"
    assert files["ca_certificate_file"] == "/run/w/root-cert.pem"
    assert made["server_listener_resource_name_template"] == "xds.istio.io/grpc/lds/inbound/%s"


@pytest.mark.parametrize(("life", "refresh"), [(86400, "900s"), (1200, "300s"), (2, "1s")])
def test_files_are_read_again_before_a_certificate_ends(new_workload, life: int, refresh: str) -> None:
    settings = AgentSettings(certificate_ttl_seconds=life)
    made = make_grpc_bootstrap(settings, new_workload(kind="grpc"), Path("/w"), Path("/w/s"))
    assert made["certificate_providers"]["default"]["config"]["refresh_interval"] == refresh


def test_a_certificate_is_written_for_its_owner_alone_and_replaced_whole(tmp_path: Path) -> None:
    authority = CertificateAuthorityForTests()
    for _ in range(2):
        certificate = authority.certificate(IDENTITY)
        write_certificate(tmp_path, certificate)
        key = serialization.load_pem_private_key((tmp_path / KEY).read_bytes(), None)
        leaf = x509.load_pem_x509_certificate((tmp_path / CHAIN).read_bytes())
        assert leaf.serial_number == certificate.serial
        assert key.public_key() == leaf.public_key()
        assert (tmp_path / ROOTS).read_text() == authority.root_pem
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([CHAIN, KEY, ROOTS])
    assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o600}


# the way to Pilot


@asynccontextmanager
async def stream(socket: Path, method: str = METHODS[0]) -> AsyncIterator[Any]:
    """An application's stream, messages as they are on the wire."""
    async with grpc.aio.insecure_channel(f"unix:{socket}", (("grpc.use_local_subchannel_pool", 1),)) as channel:
        call: Any = channel.stream_stream(method)()
        yield call
        call.cancel()


def asked(node: str = "sidecar~10.0.0.1~a.default~default.svc.cluster.local") -> bytes:
    return DiscoveryRequest(type_url=LISTENERS, node={"id": node}).SerializeToString()


@pytest.fixture
async def workload(new_workload, new_settings, authority, until) -> AsyncIterator[ProxylessWorkload]:
    settings = new_settings()
    running = ProxylessWorkload(settings, new_workload(kind="grpc", application_address=""), authority.ca)
    await running.start()
    yield await until(running, State.READY)
    await running.stop()


def socket_of(workload: ProxylessWorkload) -> Path:
    return xds_socket(workload.folder.parent, workload.folder.name)


async def test_a_stream_is_carried_with_the_workloads_certificate(workload, pilot) -> None:
    pilot.resources[LISTENERS].append(Listener(name="one"))
    async with stream(socket_of(workload)) as call:
        await call.write(asked("node"))
        answer = DiscoveryResponse.FromString(await call.read())
        assert [each.type_url for each in answer.resources] == [LISTENERS]
        assert pilot.callers == [("node", IDENTITY)]
        assert (await workload_view(workload))["xds"]["streams"] == 1
    assert pilot.forms == {"/StreamAggregatedResources"}


async def test_nothing_else_is_carried(workload) -> None:
    async with stream(socket_of(workload), "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets") as call:
        assert await call.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_silent_pilot_is_named(new_workload, new_settings, authority, until) -> None:
    settings = new_settings(pilot=PilotConfig(address="127.0.0.1:1"))
    workload = ProxylessWorkload(settings, new_workload(kind="grpc", application_address=""), authority.ca)
    await workload.start()
    try:
        await until(workload, State.READY)
        async with stream(socket_of(workload)) as call:
            await call.write(asked())
            assert await call.code() is grpc.StatusCode.UNAVAILABLE
            assert "Pilot at 127.0.0.1:1" in await call.details()
    finally:
        await workload.stop()


async def test_without_a_certificate_there_is_no_way(run_dir: Path, pilot) -> None:
    class Nobody:
        current = None

    socket = run_dir / "xds.sock"
    server = xds_server(XdsRelay(PilotConfig(), Nobody()), socket)  # type: ignore[arg-type]
    await server.start()
    async with stream(socket) as call:
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
        assert "no certificate yet" in await call.details()
    await server.stop()


# its life


async def test_it_is_shown_beside_workloads_with_an_envoy(new_fleet, new_workload, until) -> None:
    config = new_workload(kind="grpc", application_address="")
    fleet = await new_fleet(config)
    await until(fleet.workloads[0], State.READY)
    (view,) = await fleet.view()
    assert (view["kind"], view["state"], view["reason"]) == ("grpc", "ready", "")
    assert (view["envoy"], view["reports"]) == (None, None)
    assert view["certificate"]["spiffe"] == IDENTITY
    async with httpx.AsyncClient(trust_env=False) as client:
        base = f"http://{config.address}:15020"
        assert (await client.get(f"{base}/healthz/ready")).text == "ready\n"
        assert "istio_agent_cert_expiry_seconds" in (await client.get(f"{base}/metrics")).text


async def test_its_files_are_there_and_the_sockets_folder_is_its_owners(workload) -> None:
    assert stat.S_IMODE(workload.folder.stat().st_mode) == 0o700
    assert {FILE, CHAIN, KEY, ROOTS, "xds.sock"} == {each.name for each in workload.folder.iterdir()}
    bootstrap = json.loads((workload.folder / FILE).read_text())
    assert bootstrap["xds_servers"][0]["server_uri"] == f"unix://{socket_of(workload).absolute()}"


async def test_a_renewed_certificate_is_written(workload) -> None:
    before = (workload.folder / CHAIN).read_bytes()
    renewed = await workload.identity.renew()
    while (workload.folder / CHAIN).read_bytes() == before:
        await asyncio.sleep(POLL_SECONDS)
    leaf = x509.load_pem_x509_certificate((workload.folder / CHAIN).read_bytes())
    assert leaf.serial_number == renewed.serial


async def test_a_file_that_cannot_be_written_is_its_state_until_it_can(workload, until) -> None:
    obstacle = (workload.folder / KEY).with_suffix(".new")
    obstacle.mkdir()
    await workload.identity.renew()
    await until(workload, State.FAILED, "key.new")
    obstacle.rmdir()
    await until(workload, State.READY)


async def test_a_held_status_port_is_told_and_tried_again(new_workload, new_fleet, until) -> None:
    config = new_workload(kind="grpc", application_address="")
    with listen_tcp(config.address, 15020):
        fleet = await new_fleet(config)
        await until(fleet.workloads[0], State.FAILED, f"{config.address}:15020")
    await until(fleet.workloads[0], State.READY)


async def test_what_is_removed_leaves_no_socket(new_fleet, new_workload, until) -> None:
    fleet = await new_fleet(new_workload(kind="grpc", application_address=""))
    workload = await until(fleet.workloads[0], State.READY)
    socket = socket_of(workload)
    assert socket.exists()
    await fleet.remove(workload.config.name)
    assert workload.state is State.STOPPED
    assert not socket.exists()
