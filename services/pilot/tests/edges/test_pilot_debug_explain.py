"""/debug/explain: a call by what connected proxies were sent."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.debug.explain import explain_topic
from flotilla_pilot.offline.plain import as_plain, from_plain
from flotilla_pilot.servers.debug import debug_app
from flotilla_pilot.testing.edge import Edge, workload
from flotilla_pilot.testing.meshes import read_objects
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.runtime.readiness import Readiness

MESH = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web, namespace: default}
spec:
  hosts: [web.default.svc.cluster.local]
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
kind: VirtualService
metadata: {name: web, namespace: default}
spec:
  hosts: [web]
  http:
  - match: [{headers: {stage: {exact: test}}}]
    fault: {abort: {httpStatus: 418, percentage: {value: 100}}}
    route: [{destination: {host: web}}]
  - route: [{destination: {host: web}}]
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: all, namespace: default}
spec:
  ingress: [{port: {number: 9080, name: p, protocol: HTTP}, bind: 127.0.2.1, defaultEndpoint: "127.0.1.1:9080"}]
  egress: [{bind: 127.0.3.1, hosts: ["*/*"]}]
"""
HOST = "web.default.svc.cluster.local"


class Page:
    def __init__(self, edge: Edge, http: httpx.AsyncClient) -> None:
        self.edge = edge
        self.http = http

    async def ask(self, expected: int = 200, **query: str) -> Any:
        response = await self.http.get("/debug/explain", params=query)
        assert response.status_code == expected, response.text
        return response.json() if expected == 200 else response.text


@pytest.fixture
async def page() -> AsyncGenerator[Page]:
    edge = Edge(Compiler())
    await edge.start()
    app = debug_app(Readiness(), {"explain": explain_topic(edge.delivery)})
    server = HttpServer(app, "127.0.0.1", 0)
    await server.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.ports[0]}") as http:
        yield Page(edge, http)
    await server.stop()
    await edge.stop()


async def test_a_question_that_has_no_answer_says_why(page: Page) -> None:
    query = {"from": "web-v1", "to": "web:9080"}
    assert "nothing has been compiled" in await page.ask(404, **query)
    page.edge.publish_objects(read_objects(MESH))
    assert "no proxy 'web-v1' is connected" in await page.ask(404, **query)
    async with page.edge.client("delta") as client:
        await client.subscribe("cds")
        await client.taken()
        assert "web is no HOST:PORT" in await page.ask(400, **{**query, "to": "web"})
        assert "is no header" in await page.ask(400, **query, header="stage")
        assert (await page.http.post("/debug/explain", params=query)).status_code == 405


async def test_both_sides_are_explained_by_what_was_sent(page: Page) -> None:
    page.edge.publish_objects(read_objects(MESH))
    async with page.edge.client("delta") as client:
        await client.subscribe("cds")
        response = await client.next()
        sides = await page.ask(**{"from": "web-v1.default", "to": "web:9080/a", "header": "Stage: test\nx: y"})
        assert "resources are not acknowledged yet" in sides[0]["delivered"]
        await client.ack(response)
        await page.edge.answered()
        sides = await page.ask(**{"from": "web-v1.default", "to": "web:9080/a", "header": "Stage: test\nx: y"})
    assert [(each["proxy"], each["error"], each["delivered"]) for each in sides] == [("web-v1.default", "", "")] * 2
    there = {each["what"]: each for each in sides[0]["steps"]}
    assert there["cluster"]["name"] == f"outbound|9080||{HOST}"
    assert "header stage" in there["route"]["detail"]
    assert [each["name"] for each in there["route"]["madeFrom"]] == ["web"]
    assert {each["what"]: each["name"] for each in sides[1]["steps"]}["cluster"] == "inbound|9080||"
    assert as_plain(from_plain(sides)) == sides


async def test_a_proxy_that_is_connected_elsewhere_is_not_guessed_at(page: Page) -> None:
    page.edge.publish_objects(read_objects(MESH))
    async with page.edge.client("delta", workload("client-v1", 2, "client"), "client") as client:
        await client.subscribe("cds")
        await client.taken()
        first, second = await page.ask(**{"from": "client-v1", "to": "web:9080"})
    assert first["error"] == ""
    assert (second["proxy"], second["steps"][0]["name"]) == ("web-v1.default", "not connected here")


async def test_what_a_proxy_rejects_is_told(page: Page) -> None:
    page.edge.publish_objects(read_objects(MESH))
    async with page.edge.client("delta") as client:
        await client.subscribe("lds")
        response = await client.next()
        name = next(iter(response.resources))
        await client.nack(response, f"Error adding/updating listener(s) {name}: cannot bind")
        await page.edge.answered()
        (first, *_) = await page.ask(**{"from": "web-v1", "to": "web:9080"})
    assert first["delivered"] == f"the proxy rejects {name}"
