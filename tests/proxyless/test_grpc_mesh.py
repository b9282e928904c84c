"""gRPC's own xDS client and server in the mesh: what callers see when a configuration says so."""

from __future__ import annotations

import os
from collections import Counter
from itertools import count

import pytest

from flotilla_shared.testing.ports import free_port
from tests.proxyless.conftest import ProxylessMesh

TARGET = "xds:///echo.default.svc.cluster.local:7070"
_numbers = count(2)


def new_address() -> str:
    """A loopback address that no other test has, whichever worker it runs on."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return f"127.0.{80 + worker % 8}.{next(_numbers) % 250 + 1}"


def service(port: int, **versions: str) -> str:
    """The service `echo` on `port` of an address for each version."""
    endpoints = "".join(
        f"\n  - {{address: {address}, labels: {{version: {version}}}, serviceAccount: echo}}"
        for version, address in versions.items()
    )
    return f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: echo, namespace: default}}
spec:
  hosts: [echo.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: 7070, targetPort: {port}, name: grpc, protocol: GRPC}}]
  endpoints: {endpoints}
"""


def rule(tls: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: echo, namespace: default}}
spec:
  host: echo.default.svc.cluster.local
  trafficPolicy: {{tls: {{mode: {tls}}}}}
  subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2, labels: {{version: v2}}}}]
"""


def routes(http: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: echo, namespace: default}}
spec:
  hosts: [echo.default.svc.cluster.local]
  http: {http}
"""


def peers(mode: str) -> str:
    return f"""
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: default}}
spec: {{mtls: {{mode: {mode}}}}}
"""


def to(subset: str, weight: int = 100) -> str:
    return f"{{destination: {{host: echo.default.svc.cluster.local, subset: {subset}}}, weight: {weight}}}"


async def two_versions(mesh: ProxylessMesh, *documents: str) -> str:
    """Servers of v1 and v2 behind `echo`, a client; gives the service's configuration."""
    port, addresses = free_port(), {"v1": new_address(), "v2": new_address()}
    entry = service(port, **addresses)
    mesh.publish(entry, *documents)
    for version, address in addresses.items():
        await mesh.serve(version, address, port)
    await mesh.agent("client", new_address(), account="client")
    return entry


async def test_calls_reach_every_endpoint(mesh: ProxylessMesh) -> None:
    await two_versions(mesh)
    client = await mesh.run("client", "call", TARGET)
    assert set(await client.call(20)) == {"v1", "v2"}


async def test_a_changed_route_takes_effect_in_an_open_channel(mesh: ProxylessMesh) -> None:
    subsets = rule("DISABLE")
    entry = await two_versions(mesh, subsets, routes(f"[{{route: [{to('v1')}]}}]"))
    client = await mesh.run("client", "call", TARGET)
    assert await client.call(10) == ["v1"] * 10
    mesh.publish(entry, subsets, routes(f"[{{route: [{to('v2')}]}}]"))
    await mesh.edge.answered()
    while (await client.call())[0] != "v2":
        pass
    assert await client.call(10) == ["v2"] * 10


async def test_weights_hold(mesh: ProxylessMesh) -> None:
    await two_versions(mesh, rule("DISABLE"), routes(f"[{{route: [{to('v1', 75)}, {to('v2', 25)}]}}]"))
    client = await mesh.run("client", "call", TARGET)
    answers = Counter(await client.call(800))
    # Seven standard deviations of a binomial with p = 3/4 and n = 800 are 86 calls.
    assert abs(answers["v1"] - 600) < 86
    assert answers["v1"] + answers["v2"] == 800


async def test_a_header_chooses(mesh: ProxylessMesh) -> None:
    chosen = f"{{match: [{{headers: {{user: {{exact: jason}}}}}}], route: [{to('v2')}]}}"
    await two_versions(mesh, rule("DISABLE"), routes(f"[{chosen}, {{route: [{to('v1')}]}}]"))
    jason = await mesh.run("client", "call", TARGET, "user=jason")
    assert await jason.call(5) == ["v2"] * 5
    anybody = await mesh.run("client", "call", TARGET)
    assert await anybody.call(5) == ["v1"] * 5


async def test_a_fault_is_injected(mesh: ProxylessMesh) -> None:
    fault = "{abort: {grpcStatus: RESOURCE_EXHAUSTED, percentage: {value: 100}}}"
    await two_versions(mesh, rule("DISABLE"), routes(f"[{{fault: {fault}, route: [{to('v1')}]}}]"))
    client = await mesh.run("client", "call", TARGET)
    (answer,) = await client.call()
    assert answer.startswith("RESOURCE_EXHAUSTED")


async def test_mutual_tls_with_the_workloads_certificates(mesh: ProxylessMesh) -> None:
    await two_versions(mesh, rule("ISTIO_MUTUAL"), peers("STRICT"))
    client = await mesh.run("client", "call", TARGET)
    assert set(await client.call(20)) == {"v1", "v2"}


async def test_a_strict_server_refuses_plaintext(mesh: ProxylessMesh) -> None:
    await two_versions(mesh, rule("DISABLE"), peers("STRICT"))
    client = await mesh.run("client", "call", TARGET, "seconds=2")
    (answer,) = await client.call()
    assert answer.partition(":")[0] in ("UNAVAILABLE", "DEADLINE_EXCEEDED")


async def test_a_server_of_another_account_is_not_believed(mesh: ProxylessMesh) -> None:
    """The endpoint says that account `echo` serves there; who answers has a certificate of another."""
    port, address = free_port(), new_address()
    mesh.publish(service(port, v1=address), rule("ISTIO_MUTUAL"), peers("STRICT"))
    await mesh.serve("v1", address, port, account="somebody")
    await mesh.agent("client", new_address(), account="client")
    client = await mesh.run("client", "call", TARGET, "seconds=2")
    (answer,) = await client.call()
    assert answer.partition(":")[0] in ("UNAVAILABLE", "DEADLINE_EXCEEDED")


async def test_pilot_has_one_stream_an_application_and_nothing_refused(mesh: ProxylessMesh) -> None:
    await two_versions(mesh, rule("ISTIO_MUTUAL"), peers("STRICT"))
    client = await mesh.run("client", "call", TARGET)
    await client.call(4)
    await mesh.edge.answered()
    assert len(mesh.edge.delivery.connections) == 3
    assert [each.relay.open for each in mesh.agents.values()] == [1, 1, 1]
    refused = [line for line in mesh.edge.metric("pilot_total_xds_rejects") if not line.endswith(" 0.0")]
    assert refused == []


@pytest.mark.parametrize("target", ["xds:///echo.default:7070", "xds:///echo:7070"])
async def test_short_names_lead_there_too(mesh: ProxylessMesh, target: str) -> None:
    await two_versions(mesh)
    client = await mesh.run("client", "call", target)
    assert set(await client.call(10)) == {"v1", "v2"}
