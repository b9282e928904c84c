"""EnvoyFilter in the compiler: where patches go, in which order, and what a bad one harms."""

from typing import Any

import pytest
import yaml
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)

from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.testing.meshes import Compiled, Mesh, make_proxy

MESH = """
apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata: {name: b, namespace: default}
spec:
  hosts: [b.test]
  addresses: [127.0.3.1]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 90, name: tcp, protocol: TCP}]
  endpoints: [{address: 127.0.1.2}]
---
apiVersion: networking.istio.io/v1alpha3
kind: Sidecar
metadata: {name: a, namespace: default}
spec:
  workloadSelector: {labels: {app: a}}
  ingress: [{port: {number: 8080, name: http, protocol: HTTP}, bind: 127.0.2.1, defaultEndpoint: 127.0.1.1:8080}]
  egress: [{hosts: ["*/*"]}]
"""
MANAGER = "envoy.filters.network.http_connection_manager"
LUA: dict[str, Any] = {
    "name": "envoy.filters.http.lua",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
        "default_source_code": {"inline_string": "function envoy_on_request(handle) end"},
    },
}


def patch(apply_to: str, operation: str, value: dict[str, Any] | None = None, **match: Any) -> dict[str, Any]:
    stated = {"operation": operation, **({} if value is None else {"value": value})}
    return {"applyTo": apply_to, "match": match, "patch": stated}


def envoy_filter(*patches: dict[str, Any], name: str = "f", namespace: str = "default", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"configPatches": list(patches), **spec},
    }


def mesh_of(*filters: dict[str, Any], compiler: Compiler | None = None) -> Mesh:
    return Mesh(f"{MESH}\n---\n{yaml.safe_dump_all(filters)}", compiler=compiler)


def compiled(*filters: dict[str, Any], **metadata: Any) -> Compiled:
    return mesh_of(*filters).compile(make_proxy("a", **{"LABELS": {"app": "a"}, **metadata}))


def manager_of(listener: Any) -> Any:
    found = HttpConnectionManager()
    assert listener.filter_chains[0].filters[-1].typed_config.Unpack(found)
    return found


def http_filters(listener: Any) -> list[str]:
    return [each.name.rpartition(".")[2] for each in manager_of(listener).http_filters]


INBOUND, OUTBOUND = "127.0.2.1_8080", "127.0.0.1_80"


def at(**sub_filter: Any) -> dict[str, Any]:
    return {"filterChain": {"filter": {"name": MANAGER, **({"subFilter": sub_filter} if sub_filter else {})}}}


PLACES = {
    "ADD": (at(), "ADD", ["grpc_stats", "fault", "cors", "dynamic_forward_proxy", "lua", "router"]),
    "INSERT_FIRST": (at(), "INSERT_FIRST", ["lua", "grpc_stats", "fault", "cors", "dynamic_forward_proxy", "router"]),
    "before nothing": (
        at(),
        "INSERT_BEFORE",
        ["lua", "grpc_stats", "fault", "cors", "dynamic_forward_proxy", "router"],
    ),
    "after nothing": (at(), "INSERT_AFTER", ["grpc_stats", "fault", "cors", "dynamic_forward_proxy", "lua", "router"]),
    "before one": (
        at(name="envoy.filters.http.cors"),
        "INSERT_BEFORE",
        ["grpc_stats", "fault", "lua", "cors", "dynamic_forward_proxy", "router"],
    ),
    "by its old name": (
        at(name="envoy.cors"),
        "INSERT_BEFORE",
        ["grpc_stats", "fault", "lua", "cors", "dynamic_forward_proxy", "router"],
    ),
    "after one": (
        at(name="envoy.filters.http.fault"),
        "INSERT_AFTER",
        ["grpc_stats", "fault", "lua", "cors", "dynamic_forward_proxy", "router"],
    ),
    "after the router": (
        at(name="envoy.filters.http.router"),
        "INSERT_AFTER",
        ["grpc_stats", "fault", "cors", "dynamic_forward_proxy", "lua", "router"],
    ),
    "instead": (
        at(name="envoy.filters.http.cors"),
        "REPLACE",
        ["grpc_stats", "fault", "lua", "dynamic_forward_proxy", "router"],
    ),
    "instead of nothing": (at(), "REPLACE", ["grpc_stats", "fault", "cors", "dynamic_forward_proxy", "router"]),
    "gone": (at(name="envoy.filters.http.cors"), "REMOVE", ["grpc_stats", "fault", "dynamic_forward_proxy", "router"]),
    "beside none that is there": (
        at(name="x"),
        "INSERT_AFTER",
        ["grpc_stats", "fault", "cors", "dynamic_forward_proxy", "router"],
    ),
}


@pytest.mark.parametrize("name", PLACES)
def test_where_an_http_filter_goes(name: str) -> None:
    listener, operation, wanted = PLACES[name]
    value = None if operation == "REMOVE" else LUA
    found = compiled(envoy_filter(patch("HTTP_FILTER", operation, value, listener=listener)))
    assert http_filters(found.listeners[OUTBOUND]) == wanted
    assert found.problems() == []


@pytest.mark.parametrize(
    ("context", "inside", "outside"),
    [("ANY", 1, 1), ("SIDECAR_INBOUND", 1, 0), ("SIDECAR_OUTBOUND", 0, 1), ("GATEWAY", 0, 0)],
)
def test_contexts(context: str, inside: int, outside: int) -> None:
    found = compiled(envoy_filter(patch("HTTP_FILTER", "ADD", LUA, context=context))).listeners
    assert http_filters(found[INBOUND]).count("lua") == inside
    assert http_filters(found[OUTBOUND]).count("lua") == outside


WHOM = {
    "all": ({}, True),
    "its labels": ({"workloadSelector": {"labels": {"app": "a"}}}, True),
    "other labels": ({"workloadSelector": {"labels": {"app": "b"}}}, False),
    "a Gateway": ({"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "a"}]}, False),
    "the root namespace": ({"namespace": "istio-system"}, True),
    "another namespace": ({"namespace": "other"}, False),
}


@pytest.mark.parametrize("name", WHOM)
def test_whose_patches_they_are(name: str) -> None:
    spec, wanted = WHOM[name]
    found = compiled(envoy_filter(patch("HTTP_FILTER", "ADD", LUA), **spec)).listeners[OUTBOUND]
    assert ("lua" in http_filters(found)) is wanted


def test_a_gateway_is_told_by_the_label_of_its_pods() -> None:
    target = {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"}]}
    labels = {"app": "a", "gateway.networking.k8s.io/gateway-name": "g"}
    found = compiled(envoy_filter(patch("HTTP_FILTER", "ADD", LUA), **target), LABELS=labels)
    assert "lua" in http_filters(found.listeners[OUTBOUND])


@pytest.mark.parametrize(
    ("stated", "wanted"),
    [
        ({"proxyVersion": r"^1\.2.*"}, True),
        ({"proxyVersion": r"^1\.3.*"}, False),
        ({"metadata": {"COLOUR": "red"}}, True),
        ({"metadata": {"COLOUR": "blue"}}, False),
    ],
)
def test_which_proxies_match(stated: dict[str, Any], wanted: bool) -> None:
    given = envoy_filter(patch("HTTP_FILTER", "ADD", LUA, proxy=stated))
    found = compiled(given, ISTIO_VERSION="1.24.0", COLOUR="red").listeners[OUTBOUND]
    assert ("lua" in http_filters(found)) is wanted


def named(name: str, **extra: Any) -> dict[str, Any]:
    value = {**LUA, "name": name}
    return envoy_filter(patch("HTTP_FILTER", "INSERT_FIRST", value), name=name, **extra)


def test_the_order_of_objects() -> None:
    """What is inserted first last stands first: by priority, then the root namespace's, then by age and name."""
    found = compiled(
        named("young"), named("late", priority=5), named("early", priority=-5), named("root", namespace="istio-system")
    )
    inserted = [each.name for each in manager_of(found.listeners[OUTBOUND]).http_filters][:4]
    assert inserted == ["late", "young", "root", "early"]


def cluster_of(value: dict[str, Any], **match: Any) -> tuple[Any, Compiled]:
    found = compiled(envoy_filter(patch("CLUSTER", "MERGE", value, **match)))
    return found.clusters["outbound|80||b.test"], found


def test_a_cluster_is_merged_and_durations_are_replaced() -> None:
    value = {"connect_timeout": "0.25s", "circuit_breakers": {"thresholds": [{"max_connections": 7}]}}
    cluster, found = cluster_of(value, cluster={"service": "b.test", "portNumber": 80})
    assert (cluster.connect_timeout.seconds, cluster.connect_timeout.nanos) == (0, 250_000_000)
    assert cluster.circuit_breakers.thresholds[-1].max_connections.value == 7
    assert found.clusters["outbound|90||b.test"].connect_timeout.seconds > 0
    made = found.compiled.resources["type.googleapis.com/envoy.config.cluster.v3.Cluster"]
    assert "default/f" in {each.full_name for each in made["outbound|80||b.test"].depends_on}
    assert "default/f" not in {each.full_name for each in made["outbound|90||b.test"].depends_on}


def test_lists_are_joined_or_replaced() -> None:
    value = {"circuit_breakers": {"thresholds": [{"max_connections": 7}]}}
    joined = cluster_of(value)[0].circuit_breakers.thresholds
    replaced = compiled(envoy_filter(patch("CLUSTER", "MERGE_AND_REPLACE_LIST", value))).clusters["outbound|80||b.test"]
    assert len(joined) == 2
    assert len(replaced.circuit_breakers.thresholds) == 1


def test_a_removed_cluster_takes_its_endpoints_along() -> None:
    found = compiled(envoy_filter(patch("CLUSTER", "REMOVE", cluster={"name": "outbound|80||b.test"})))
    assert "outbound|80||b.test" not in {**found.clusters, **found.endpoints}
    assert "outbound|90||b.test" in found.endpoints


def test_a_whole_listener_comes_and_goes() -> None:
    value = {
        "name": "extra",
        "address": {"socket_address": {"address": "127.0.9.9", "port_value": 9}},
        "filter_chains": [{"filters": []}],
    }
    found = compiled(
        envoy_filter(patch("LISTENER", "ADD", value), patch("LISTENER", "REMOVE", listener={"name": INBOUND}))
    )
    assert "extra" in found.listeners
    assert INBOUND not in found.listeners
    assert found.problems() == []


def test_an_inlined_table_is_patched_as_any() -> None:
    match = {"context": "SIDECAR_INBOUND", "routeConfiguration": {"portNumber": 8080}}
    found = compiled(envoy_filter(patch("HTTP_ROUTE", "MERGE", {"route": {"timeout": "9s"}}, **match)))
    assert manager_of(found.listeners[INBOUND]).route_config.virtual_hosts[0].routes[0].route.timeout.seconds == 9


def test_a_virtual_host_and_its_routes() -> None:
    host = {
        "name": "new",
        "domains": ["new.test"],
        "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 204}}],
    }
    route = {"name": "first", "match": {"path": "/x"}, "direct_response": {"status": 205}}
    match = {"routeConfiguration": {"name": "80", "vhost": {"name": "b.test:80"}}}
    found = compiled(
        envoy_filter(
            patch("VIRTUAL_HOST", "ADD", host, routeConfiguration={"name": "80"}),
            patch("HTTP_ROUTE", "INSERT_FIRST", route, **match),
            patch(
                "ROUTE_CONFIGURATION", "MERGE", {"request_headers_to_remove": ["x"]}, routeConfiguration={"name": "80"}
            ),
        )
    )
    table = found.routes["80"]
    assert found.problems() == []
    assert [each.name for each in table.virtual_hosts] == ["b.test:80", "allow_any", "new"]
    assert [each.routes[0].name == "first" for each in table.virtual_hosts] == [True, False, False]
    assert list(table.request_headers_to_remove) == ["x"]


def test_a_filter_that_is_discovered_gets_what_an_extension_config_adds() -> None:
    asked = {
        "name": "ext",
        "config_discovery": {"config_source": {"ads": {}}, "type_urls": [LUA["typed_config"]["@type"]]},
    }
    config = {"name": "ext", "typed_config": LUA["typed_config"]}
    found = compiled(envoy_filter(patch("HTTP_FILTER", "ADD", asked), patch("EXTENSION_CONFIG", "ADD", config)))
    made = {each.name: each for each in manager_of(found.listeners[OUTBOUND]).http_filters}["ext"]
    assert made.WhichOneof("config_type") == "typed_config"


def test_proxies_without_patches_share_what_they_had() -> None:
    compiler = Compiler()
    given = envoy_filter(patch("HTTP_FILTER", "ADD", LUA), workloadSelector={"labels": {"app": "b"}})
    mesh = mesh_of(given, compiler=compiler)
    one, other = (mesh.compile(make_proxy("a", 1, LABELS={"app": each})).compiled for each in ("x", "b"))
    again = mesh.compile(make_proxy("c", 3, LABELS={"app": "b"})).compiled
    kind = "type.googleapis.com/envoy.config.listener.v3.Listener"
    assert one.resources[kind][OUTBOUND] is not other.resources[kind][OUTBOUND]
    assert again.resources[kind][OUTBOUND] is other.resources[kind][OUTBOUND]
    clusters = kind.replace("listener", "cluster").replace("Listener", "Cluster")
    assert all(each is other.resources[clusters][name] for name, each in one.resources[clusters].items())


GATEWAY = """
apiVersion: networking.istio.io/v1alpha3
kind: Gateway
metadata: {name: g, namespace: default}
spec:
  selector: {app: gw}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata: {name: gw, namespace: default}
spec:
  hosts: [gw.test]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]
  endpoints: [{address: 127.0.1.9}]
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: v, namespace: default}
spec:
  hosts: [b.test]
  gateways: [g]
  http: [{name: first, route: [{destination: {host: b.test, port: {number: 80}}}]}]
"""


def test_a_router_is_patched_in_its_own_context_and_by_the_ports_of_its_service() -> None:
    route = {"routeConfiguration": {"portNumber": 80, "vhost": {"route": {"name": "first"}}}}
    given = envoy_filter(
        patch("HTTP_FILTER", "ADD", LUA, context="GATEWAY"),
        patch("HTTP_FILTER", "INSERT_FIRST", {**LUA, "name": "x"}, context="SIDECAR_OUTBOUND"),
        patch("HTTP_ROUTE", "MERGE", {"route": {"timeout": "9s"}}, context="GATEWAY", **route),
        patch("CLUSTER", "ADD", {"name": "own", "connect_timeout": "1s"}),
    )
    mesh = Mesh("\n---\n".join([MESH, GATEWAY, yaml.safe_dump(given)]))
    found = mesh.compile(make_proxy("gw", 9, "router", LABELS={"app": "gw"}))
    assert found.problems() == []
    (listener,) = found.listeners.values()
    assert http_filters(listener)[-2:] == ["lua", "router"]
    assert "x" not in http_filters(listener)
    (table,) = found.routes.values()
    assert table.name == "http.8080"
    assert [each.route.timeout.seconds for host in table.virtual_hosts for each in host.routes] == [9]
    assert "own" in found.clusters
