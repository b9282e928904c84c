"""A call explained: each step, and the objects that it was made from."""

from typing import Any

import pytest

from flotilla_pilot.model.proxy import NodeRefused
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_pilot.offline.calls import Call
from flotilla_pilot.offline.cases import BadCase, play_case, read_call, settings_of
from flotilla_pilot.offline.explain import Side, explain
from flotilla_pilot.offline.proxies import UnknownWorkload, find_proxy, proxy_of, read_proxy
from flotilla_pilot.testing.meshes import Mesh

MESH = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews.shop.svc.cluster.local]
  addresses: [10.1.0.1]
  location: MESH_INTERNAL
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 9080}]
  resolution: STATIC
  workloadSelector: {labels: {app: reviews}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v1, namespace: shop}
spec: {address: 10.2.0.1, labels: {app: reviews, version: v1}, serviceAccount: reviews}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v2, namespace: shop}
spec: {address: 10.2.0.2, labels: {app: reviews, version: v2}, serviceAccount: reviews}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: web, namespace: shop}
spec: {address: 10.2.0.9, labels: {app: web}, serviceAccount: web}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: edge, namespace: shop}
spec: {address: 10.2.0.10, labels: {istio: ingress}, serviceAccount: edge}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: shop}
spec:
  host: reviews
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews, www.example.com]
  gateways: [mesh, edge]
  http:
  - name: testers
    match: [{headers: {user: {exact: jason}}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - name: moved
    match: [{uri: {prefix: /old}}]
    redirect: {uri: /new}
  - name: split
    match: [{uri: {prefix: /split}}]
    route:
    - {destination: {host: reviews, subset: v1}, weight: 80}
    - {destination: {host: reviews, subset: v2}, weight: 20}
  - route: [{destination: {host: reviews, subset: v1}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {istio: ingress}
  servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["www.example.com"]}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: shop}
spec: {mtls: {mode: STRICT}}
"""


@pytest.fixture(scope="module")
def mesh() -> MeshSnapshot:
    return Mesh(MESH).snapshot


def ask(mesh: MeshSnapshot, path: str = "/", caller: str = "web", **headers: str) -> tuple[Side, ...]:
    stated = {":method": "GET", **headers}
    call = Call("10.1.0.1", 80, host="reviews", path=path, headers=stated)
    if caller == "edge":
        call = Call("10.2.0.10", 8080, host="www.example.com", path=path, headers=stated)
    return explain(mesh, find_proxy(mesh, caller), call, lambda endpoint: proxy_of(mesh, endpoint))


def steps(side: Side) -> dict[str, str]:
    return {each.what: each.name for each in side.steps}


def made_from(side: Side, what: str) -> set[str]:
    found = next(each for each in side.steps if each.what == what)
    return {f"{key.collection.rpartition('/')[2]}/{key.name}" for key in found.made_from}


def test_a_call_goes_through_both_proxies(mesh: MeshSnapshot) -> None:
    caller, answering = ask(mesh)
    assert (caller.proxy, answering.proxy) == ("web.shop", "reviews-v1.shop")
    assert (caller.error, answering.error) == ("", "")
    found = steps(caller)
    assert found["listener"] == "0.0.0.0_80"
    assert found["cluster"] == "outbound|80|v1|reviews.shop.svc.cluster.local"
    assert found["endpoints"] == "10.2.0.1:9080"
    assert steps(answering)["cluster"] == "inbound|9080||"


def test_each_step_names_the_objects_that_it_was_made_from(mesh: MeshSnapshot) -> None:
    caller, answering = ask(mesh)
    assert made_from(caller, "route") == {"virtualservices/reviews"}
    assert {"destinationrules/reviews", "serviceentries/reviews"} <= made_from(caller, "cluster")
    assert {"workloadentries/reviews-v1", "peerauthentications/strict"} <= made_from(caller, "endpoints")
    assert "workloadentries/reviews-v2" not in made_from(caller, "endpoints")
    assert "peerauthentications/strict" in made_from(answering, "listener")


def test_the_request_chooses_the_route(mesh: MeshSnapshot) -> None:
    caller, answering = ask(mesh, user="jason")
    assert (steps(caller)["route"], answering.proxy) == ("testers", "reviews-v2.shop")


def test_a_redirect_ends_at_the_caller(mesh: MeshSnapshot) -> None:
    (caller,) = ask(mesh, "/old/page")
    assert steps(caller)["route"] == "moved"
    assert "cluster" not in steps(caller)
    assert caller.error == ""


def test_weights_are_told_and_every_side_is_shown(mesh: MeshSnapshot) -> None:
    caller, *answering = ask(mesh, "/split")
    shares = [each.detail.partition(";")[0] for each in caller.steps if each.what == "cluster"]
    assert shares == ["weight 80", "weight 20"]
    assert [each.proxy for each in answering] == ["reviews-v1.shop", "reviews-v2.shop"]


def test_a_gateway_is_asked_from_outside(mesh: MeshSnapshot) -> None:
    edge, answering = ask(mesh, caller="edge")
    assert steps(edge)["listener"] == "0.0.0.0_8080"
    assert "gateways/edge" in made_from(edge, "listener")
    assert answering.proxy == "reviews-v1.shop"


def test_a_call_that_ends_says_where(mesh: MeshSnapshot) -> None:
    edge = find_proxy(mesh, "edge")
    (side,) = explain(mesh, edge, Call("10.2.0.10", 81), lambda endpoint: proxy_of(mesh, endpoint))
    assert (side.error, side.steps) == ("NoListener", ())


def test_plaintext_is_not_let_in_where_mutual_tls_is_asked_for(mesh: MeshSnapshot) -> None:
    proxy = find_proxy(mesh, "reviews-v1")
    assert proxy.addresses == ("10.2.0.1",)
    case = {"proxy": {"id": "reviews-v1.shop", "namespace": "shop", "ipAddresses": ["10.2.0.1"]}}
    case["calls"] = [{"call": {"port": 9080, "protocol": "http", "callMode": "inbound"}}]  # type: ignore[assignment]
    assert [each["error"] for each in play_case(case, mesh)] == ["NoFilterChain"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nobody", "there is no workload nobody; the configuration has edge.shop, reviews-v1.shop"),
        ("web.other", "there is no workload web.other"),
    ],
)
def test_an_unknown_workload_is_told_with_those_that_are_there(mesh: MeshSnapshot, name: str, text: str) -> None:
    with pytest.raises(UnknownWorkload, match=text):
        find_proxy(mesh, name)


def test_a_name_in_two_namespaces_must_be_told_apart() -> None:
    twice = MESH + MESH[MESH.index("---") :].replace("namespace: shop", "namespace: other")
    with pytest.raises(UnknownWorkload, match=r"workload web is in other and shop; say web\.other"):
        find_proxy(Mesh(twice).snapshot, "web")


@pytest.mark.parametrize(
    ("stated", "text"),
    [
        ({}, "a proxy needs ipAddresses"),
        ({"ipAddresses": ["10.0.0.1"], "lables": {}}, "a proxy has no field 'lables'"),
        ({"ipAddresses": ["10.0.0.1"], "type": "waypoint"}, "is of type 'waypoint'"),
        ({"ipAddresses": ["10.0.0.1"], "metadata": {"INTERCEPTION_MODE": "MAYBE"}}, "known are REDIRECT"),
    ],
)
def test_a_proxy_that_cannot_be_is_refused(stated: dict[str, Any], text: str) -> None:
    with pytest.raises(NodeRefused, match=text):
        read_proxy(stated)


def test_a_proxy_is_read_with_its_place() -> None:
    proxy = read_proxy(
        {
            "type": "sidecar",
            "id": "client-1.shop",
            "ipAddresses": ["10.0.0.1", "fd00::1"],
            "namespace": "shop",
            "labels": {"app": "client"},
            "serviceAccount": "client",
            "locality": {"region": "r", "zone": "z"},
        }
    )
    assert (proxy.name, proxy.namespace, proxy.addresses) == ("client-1", "shop", ("10.0.0.1", "fd00::1"))
    assert (proxy.labels["app"], proxy.service_account, proxy.locality) == ("client", "client", "r/z")


def test_a_server_name_means_tls() -> None:
    assert read_call({"call": {"port": 443, "sni": "a"}, "effective": {"tls": "plaintext"}}).tls == "tls"


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"PILOT_UNHEARD_OF": "true"}, "environment PILOT_UNHEARD_OF is not known here; known are ENABLE"),
        ({"ENABLE_TLS_ON_SIDECAR_INGRESS": "maybe"}, "it must be true or false"),
    ],
)
def test_a_setting_that_is_not_known_is_an_error(environment: dict[str, str], text: str) -> None:
    with pytest.raises(BadCase, match=text):
        settings_of(environment)


def test_a_call_without_a_port_is_an_error(mesh: MeshSnapshot) -> None:
    case = {"proxy": {"ipAddresses": ["10.2.0.1"]}, "calls": [{"call": {}}]}
    with pytest.raises(BadCase, match=r"calls\[0\] has no 'port'"):
        list(play_case(case, mesh))
