"""The debug port and the topics, over a mesh that is really compiled."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.debug.topics import debug_topics
from flotilla_pilot.servers.debug import debug_app
from flotilla_pilot.testing.edge import Edge, workload
from flotilla_pilot.testing.meshes import read_objects
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.runtime.readiness import Readiness

MESH = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web, namespace: default, labels: {team: blue}}
spec:
  hosts: [web.default.svc.cluster.local]
  addresses: [127.0.3.99]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 9080, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: web}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: web-v1, namespace: default}
spec: {address: 127.0.2.1, labels: {app: web}, serviceAccount: web}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: web, namespace: default}
spec:
  egress:
  - port: {number: 15002, protocol: HTTP_PROXY, name: proxy}
    bind: 127.0.3.1
    hosts: ["*/*"]
"""


class Page:
    """The debug port of an edge, and a client of it."""

    def __init__(self, edge: Edge, readiness: Readiness, http: httpx.AsyncClient) -> None:
        self.edge = edge
        self.readiness = readiness
        self.http = http

    async def get(self, path: str) -> Any:
        response = await self.http.get(path)
        assert response.status_code == 200, response.text
        return response.json()


@pytest.fixture
async def page() -> AsyncGenerator[Page]:
    edge, readiness = Edge(Compiler()), Readiness()
    await edge.start()
    server = HttpServer(debug_app(readiness, debug_topics(edge.delivery, edge.trace)), "127.0.0.1", 0)
    await server.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.ports[0]}") as http:
        yield Page(edge, readiness, http)
    await server.stop()
    await edge.stop()


@pytest.fixture
def mesh(page: Page) -> Page:
    page.edge.publish_objects(read_objects(MESH))
    return page


async def test_before_the_first_snapshot_there_is_nothing(page: Page) -> None:
    for topic in ("syncz", "configz", "registryz", "endpointz", "status"):
        assert await page.get(f"/debug/{topic}") == []


async def test_ready_says_what_is_missing(page: Page) -> None:
    assert (await page.http.get("/ready")).status_code == 200
    page.readiness.condition("configuration").unmet("Galley is away")
    response = await page.http.get("/ready")
    assert (response.status_code, response.text) == (503, "configuration: Galley is away\n")


async def test_configz_shows_objects_as_users_write_them(mesh: Page) -> None:
    found = {each["kind"]: each for each in await mesh.get("/debug/configz")}
    assert sorted(found) == ["ServiceEntry", "Sidecar", "WorkloadEntry"]
    entry = found["ServiceEntry"]
    assert entry["apiVersion"].startswith("networking.istio.io/v1")
    assert entry["metadata"]["labels"] == {"team": "blue"}
    assert len(entry["metadata"]["resourceVersion"]) == 12
    assert entry["spec"]["hosts"] == ["web.default.svc.cluster.local"]


async def test_registryz_and_endpointz(mesh: Page) -> None:
    (service,) = await mesh.get("/debug/registryz")
    assert service["hostname"] == "web.default.svc.cluster.local"
    assert service["ports"] == [{"name": "http", "port": 9080, "targetPort": 9080, "protocol": "HTTP"}]
    (line,) = await mesh.get("/debug/endpointz")
    assert line["svc"] == "web.default.svc.cluster.local:9080"
    assert [(each["address"], each["port"], each["serviceAccount"]) for each in line["ep"]] == [
        ("127.0.2.1", 9080, "web")
    ]


async def test_syncz_follows_a_proxy(mesh: Page) -> None:
    async with mesh.edge.client("delta") as client:
        await client.subscribe("cds")
        response = await client.next()
        (sent,) = await mesh.get("/debug/syncz")
        assert sent["cluster_sent"] == response.nonce
        assert sent["cluster_acked"] == ""
        assert sent["proxy"] == "web-v1.default"
        assert sent["listener_sent"] == ""
        await client.ack(response)
        await mesh.edge.answered()
        (acked,) = await mesh.get("/debug/syncz")
        assert acked["cluster_acked"] == acked["cluster_sent"] == response.nonce
        assert acked["current"] is True
        assert acked["objects"]["acknowledged"] == acked["objects"]["concerned"] > 0
        assert acked["identity"] == "spiffe://cluster.local/ns/default/sa/web"


async def test_syncz_and_status_show_a_rejection_with_its_words(mesh: Page) -> None:
    async with mesh.edge.client("delta") as client:
        await client.subscribe("lds")
        response = await client.next()
        name = next(iter(response.resources))
        await client.nack(response, f"Error adding/updating listener(s) {name}: cannot bind")
        await mesh.edge.answered()
        (shown,) = await mesh.get("/debug/syncz")
        (rejected,) = shown["resources"]["listener"]["rejected"]
        assert (rejected["name"], "cannot bind" in rejected["text"]) == (name, True)
        assert shown["objects"]["rejected"]
        counted = [each for each in await mesh.get("/debug/status") if each["proxies_rejected"]]
        assert {each["name"] for each in counted} >= {"web"}


@pytest.mark.parametrize("name", [workload().id, "web-v1.default"])
async def test_config_dump_is_envoys_own_shape(mesh: Page, name: str) -> None:
    async with mesh.edge.client("delta") as client:
        await client.subscribe("cds")
        await client.taken()
        await mesh.edge.answered()
        dump = await mesh.get(f"/debug/config_dump?proxyID={name}&include_eds")
    kinds = [each["@type"].rpartition(".")[2] for each in dump["configs"]]
    assert kinds == ["ClustersConfigDump", "ListenersConfigDump", "RoutesConfigDump", "EndpointsConfigDump"]
    clusters = [each["cluster"]["name"] for each in dump["configs"][0]["dynamic_active_clusters"]]
    assert "outbound|9080||web.default.svc.cluster.local" in clusters


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("/debug/config_dump", 400, "proxyID"),
        ("/debug/config_dump?proxyID=nobody", 404, "Proxy not connected to this Pilot instance"),
        ("/debug/nothing", 404, "/debug lists"),
    ],
)
async def test_questions_without_an_answer(page: Page, path: str, code: int, words: str) -> None:
    response = await page.http.get(path)
    assert response.status_code == code
    assert words in response.text


async def test_the_index_and_the_trace(mesh: Page) -> None:
    assert "/debug/syncz" in await mesh.get("/debug")
    assert await mesh.get("/debug/trace?name=web") == {"hops": []}
