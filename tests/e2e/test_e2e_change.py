"""A change of configuration takes effect without a restart, and every hop of its way is known."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from flotilla_cli.demo import routes
from flotilla_cli.demo.page import Reader
from flotilla_cli.demo.traffic import Traffic
from flotilla_cli.mesh import Mesh

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(180)]

REVIEWS = ("VirtualService", "default", "reviews")


def test_jason_sees_v2_and_the_rest_is_shifted(mesh: Mesh, anybody: Reader, jason: Reader, traffic: Traffic) -> None:
    before = mesh.trace(*REVIEWS).version
    mesh.write(routes.FILE, routes.SHIFTED)
    trace = mesh.wait_applied(*REVIEWS, unlike=before)

    assert trace.complete, trace.as_json()
    assert trace.in_order, trace.as_json()
    assert set(jason.versions(10)) == {"v2"}
    seen = anybody.versions(200)
    # Five times the deviation of 200 tosses of a coin.
    assert set(seen) == {"v1", "v3"}
    assert all(60 <= count <= 140 for count in seen.values()), seen


def test_the_trace_names_every_proxy_that_got_the_change(mesh: Mesh) -> None:
    before = mesh.trace(*REVIEWS).version
    mesh.write(routes.FILE, routes.SHIFTED)
    trace = mesh.wait_applied(*REVIEWS, unlike=before)
    sidecars = {name for name, workload in mesh.plan.workloads.items() if workload.start and workload.kind == "sidecar"}
    acknowledged = {hop.proxy for hop in trace.of("pilot.acked")}
    assert all(any(name in proxy for proxy in acknowledged) for name in sidecars), acknowledged
    assert not any("ingressgateway" in proxy for proxy in acknowledged), "the gateway has no route to reviews"
    assert {hop.version for hop in trace.hops} == {trace.version}


def test_galley_learns_who_acknowledged(mesh: Mesh) -> None:
    mesh.write(routes.FILE, routes.SHIFTED)
    found = mesh.wait_object(
        *REVIEWS,
        lambda item: (
            item["reports"].get("pilot", {}).get("version") == item["version"]
            and item["reports"]["pilot"]["proxies_acknowledged"] == item["reports"]["pilot"]["proxies_concerned"] > 0
        ),
    )
    assert found["reports"]["pilot"]["accepted"] is True
    assert found["reports"]["pilot"]["proxies_rejected"] == 0


def test_an_unaffected_proxy_gets_nothing(mesh: Mesh) -> None:
    """The gateway does not call reviews: a change of its route is no push for it."""
    name = r"^(listener_manager\.lds|cluster_manager\.cds)\.update_success$"
    before = mesh.stats("ingressgateway", name)
    version = mesh.trace(*REVIEWS).version
    mesh.write(routes.FILE, routes.SHIFTED)
    mesh.wait_applied(*REVIEWS, unlike=version)
    assert mesh.stats("ingressgateway", name) == before


def test_a_new_service_and_its_removal(mesh: Mesh, traffic: Traffic) -> None:
    """A host that nobody knew is reachable once it is written, and again unknown once its file is gone."""
    entry = """\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: another-details, namespace: default}
spec:
  hosts: [another.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 9080, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: details}}
"""

    def status() -> int:
        headers = {"host": "another:9080"}
        return mesh.http.get("http://127.0.3.1:15002/details/0", headers=headers).status_code

    assert status() == 502
    file = mesh.write("another.yaml", entry)
    mesh.wait(lambda: status() == 200, "the new service to answer")
    file.unlink()
    mesh.wait(lambda: status() == 502, "the new service to be gone")


def test_delay_and_abort_reach_the_caller(mesh: Mesh) -> None:
    fault = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: details, namespace: default}
spec:
  hosts: [details.default.svc.cluster.local]
  http:
  - match: [{headers: {x-fault: {exact: abort}}}]
    fault: {abort: {percentage: {value: 100}, httpStatus: 418}}
    route: [{destination: {host: details.default.svc.cluster.local}}]
  - route: [{destination: {host: details.default.svc.cluster.local}}]
"""
    mesh.write("details-fault.yaml", fault)
    mesh.wait_applied("VirtualService", "default", "details")
    url = "http://127.0.3.1:15002/details/0"
    assert mesh.http.get(url, headers={"host": "details:9080", "x-fault": "abort"}).status_code == 418
    assert mesh.http.get(url, headers={"host": "details:9080"}).status_code == 200


SLOW = """\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: slow, namespace: default}
spec:
  hosts: [slow.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: %d}}]
"""


class SlowServer(ThreadingHTTPServer):
    """Answers when it may; `asked` says that a call is under way."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), SlowHandler)
        self.asked, self.may_answer = threading.Event(), threading.Event()


class SlowHandler(BaseHTTPRequestHandler):
    server: SlowServer

    def do_GET(self) -> None:
        self.server.asked.set()
        self.server.may_answer.wait(60)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def slow_server() -> Iterator[SlowServer]:
    with SlowServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.may_answer.set()
        server.shutdown()
        thread.join()


def test_a_call_under_way_outlives_its_listener(mesh: Mesh, slow_server: SlowServer) -> None:
    """A change of the mesh configuration replaces every listener: calls under way are answered, with `close`."""
    mesh.write("slow.yaml", SLOW % slow_server.server_port)
    mesh.wait_applied("ServiceEntry", "default", "slow")
    name = r"^listener_manager\.listener_(modified|in_place_updated)$"
    replaced = sum(mesh.stats("productpage-v1", name).values())
    before = mesh.trace("MeshConfig", "istio-system", "istio").version
    with ThreadPoolExecutor(1) as other, httpx.Client(trust_env=False, timeout=90) as client:
        headers = {"host": "slow.example.com:80"}
        under_way = other.submit(client.get, "http://127.0.3.1:15002/", headers=headers)
        assert slow_server.asked.wait(30)
        file = mesh.plan.directory / "mesh.yaml"
        file.write_text(file.read_text().replace("accessLogFile: /dev/stdout", "accessLogFile: /dev/null"))
        mesh.wait_applied("MeshConfig", "istio-system", "istio", unlike=before)
        assert sum(mesh.stats("productpage-v1", name).values()) > replaced
        slow_server.may_answer.set()
        answer = under_way.result()
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")
