"""Where a patch of an EnvoyFilter belongs: every field of its match, one by one."""

from typing import Any

import pytest
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import VirtualHost
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter
from google.protobuf import json_format

from flotilla_pilot.compile.patches.clusters import matches_cluster
from flotilla_pilot.compile.patches.filters import place_filters
from flotilla_pilot.compile.patches.listeners import patch_listener
from flotilla_pilot.compile.patches.matching import http_filter_name, is_named, matches_chain, matches_listener
from flotilla_pilot.compile.patches.patch import Context, Kind, Operation, Patch
from flotilla_pilot.compile.patches.route_matching import matches_host, matches_table
from flotilla_pilot.compile.patches.turn import Turn
from flotilla_protos.istio.networking.v1alpha3.envoy_filter_pb2 import EnvoyFilter
from flotilla_shared.model.envoy_values import build_value
from flotilla_shared.model.objects import ObjectKey

REFERENCE = (ObjectKey("envoyfilters", "default", "f"), "1")


def matching(**match: Any) -> Patch:
    stated = json_format.ParseDict(match, EnvoyFilter.EnvoyConfigObjectMatch())
    return Patch(REFERENCE, 0, 0, Operation.REMOVE, stated, None)


def patch(kind: int, operation: int, value: dict[str, Any] | None = None, filter_class: int = 0, **match: Any) -> Patch:
    given = EnvoyFilter.Patch()
    given.value.update(value or {})
    made = build_value(kind, given.value) if value is not None else None
    return Patch(REFERENCE, 0, kind, operation, matching(**match).match, made, filter_class)


def listener(name: str = "127.0.0.1_80", **fields: Any) -> Any:
    place = {"socketAddress": {"address": "127.0.0.1", "portValue": 80}}
    return json_format.ParseDict({"name": name, "address": place, **fields}, Listener())


@pytest.mark.parametrize(
    ("stated", "wanted"),
    [
        ({}, True),
        ({"name": "127.0.0.1_80"}, True),
        ({"name": "virtualInbound"}, False),
        ({"portNumber": 80}, True),
        ({"portNumber": 81}, False),
        ({"portName": "whatever"}, True),
    ],
)
def test_listeners(stated: dict[str, Any], wanted: bool) -> None:
    assert matches_listener(listener(), matching(listener=stated)) is wanted


def test_a_listener_of_all_ports_leaves_the_port_to_its_chains() -> None:
    held = listener("virtualInbound", filterChains=[{"filterChainMatch": {"destinationPort": 8080}}, {}])
    own, other = (matching(listener={"portNumber": each}) for each in (8080, 8081))
    assert matches_listener(held, own)
    assert [matches_chain(held, each, own) for each in held.filter_chains] == [True, False]
    assert [matches_chain(held, each, other) for each in held.filter_chains] == [False, False]


CHAIN = {
    "name": "c",
    "filterChainMatch": {
        "serverNames": ["a.test", "b.test"],
        "transportProtocol": "tls",
        "applicationProtocols": ["istio", "h2"],
        "destinationPort": 443,
    },
}


@pytest.mark.parametrize(
    ("stated", "wanted"),
    [
        ({}, True),
        ({"name": "c"}, True),
        ({"name": "d"}, False),
        ({"sni": "b.test"}, True),
        ({"sni": "*.test"}, False),
        ({"transportProtocol": "tls"}, True),
        ({"transportProtocol": "raw_buffer"}, False),
        ({"applicationProtocols": "h2,istio"}, True),
        ({"applicationProtocols": "h2,http/1.1"}, False),
        ({"destinationPort": 443}, True),
        ({"destinationPort": 80}, False),
        ({"name": "c", "sni": "x"}, False),
    ],
)
def test_filter_chains(stated: dict[str, Any], wanted: bool) -> None:
    held = listener(filterChains=[CHAIN])
    found = matches_chain(held, held.filter_chains[0], matching(listener={"filterChain": stated}))
    assert found is wanted
    bare = listener(filterChains=[{}])
    assert matches_chain(bare, bare.filter_chains[0], matching(listener={"filterChain": stated})) is (stated == {})


@pytest.mark.parametrize(
    ("wanted", "name", "same"),
    [
        ("envoy.filters.http.cors", "envoy.filters.http.cors", True),
        ("envoy.cors", "envoy.filters.http.cors", True),
        ("envoy.http_connection_manager", "envoy.filters.network.http_connection_manager", True),
        ("envoy.listener.tls_inspector", "envoy.filters.listener.tls_inspector", True),
        ("envoy.tls_inspector", "envoy.filters.listener.tls_inspector", False),
        ("envoy.cors", "cors", False),
        ("", "envoy.filters.http.cors", False),
    ],
)
def test_filters_by_their_names_of_now_and_then(wanted: str, name: str, same: bool) -> None:
    assert is_named(wanted, name) is same


INSPECTORS = [{"name": f"envoy.filters.listener.{each}"} for each in ("tls_inspector", "http_inspector")]


@pytest.mark.parametrize(
    ("operation", "named", "wanted"),
    [
        (Operation.ADD, "", ["tls_inspector", "http_inspector", "new"]),
        (Operation.INSERT_FIRST, "", ["new", "tls_inspector", "http_inspector"]),
        (Operation.INSERT_BEFORE, "http_inspector", ["tls_inspector", "new", "http_inspector"]),
        (Operation.INSERT_AFTER, "tls_inspector", ["tls_inspector", "new", "http_inspector"]),
        (Operation.REPLACE, "tls_inspector", ["new", "http_inspector"]),
        (Operation.REPLACE, "", ["tls_inspector", "http_inspector"]),
        (Operation.REMOVE, "tls_inspector", ["http_inspector"]),
        (Operation.REMOVE, "", ["tls_inspector", "http_inspector"]),
    ],
)
def test_listener_filters(operation: int, named: str, wanted: list[str]) -> None:
    held = listener(listenerFilters=INSPECTORS)
    match = {"listenerFilter": f"envoy.filters.listener.{named}"} if named else {}
    value = None if operation == Operation.REMOVE else {"name": "new"}
    turn = Turn(Context.SIDECAR_INBOUND, (patch(Kind.LISTENER_FILTER, operation, value, listener=match),))
    assert patch_listener(held, turn)
    assert [each.name.rpartition(".")[2] for each in held.listener_filters] == wanted


HTTPS = "https.443.web.g.ns"


@pytest.mark.parametrize(
    ("name", "stated", "wanted"),
    [
        ("http.80", {"portNumber": 80}, True),
        ("http.8080", {"portNumber": 80}, True),
        ("http.8081", {"portNumber": 80}, False),
        (HTTPS, {"portNumber": 443, "portName": "web", "gateway": "ns/g"}, True),
        (HTTPS, {"portName": "api"}, False),
        (HTTPS, {"gateway": "g/ns"}, False),
        (HTTPS, {"name": HTTPS}, True),
        ("other", {"portNumber": 80}, False),
        ("other", {"name": "other"}, True),
    ],
)
def test_route_tables_of_gateways(name: str, stated: dict[str, Any], wanted: bool) -> None:
    ports = {8080: frozenset({80})}
    assert matches_table(name, matching(routeConfiguration=stated), Context.GATEWAY, ports) is wanted


@pytest.mark.parametrize(
    ("stated", "wanted"), [({"domainName": "b.test"}, True), ({"domainName": "c.test"}, False), ({"name": "x"}, False)]
)
def test_virtual_hosts(stated: dict[str, Any], wanted: bool) -> None:
    host = VirtualHost(name="a", domains=["a.test", "b.test"])
    assert matches_host(host, matching(routeConfiguration={"vhost": stated})) is wanted


@pytest.mark.parametrize(
    ("name", "stated", "wanted"),
    [
        ("outbound|80|v1|b.test", {}, True),
        ("outbound|80|v1|b.test", {"service": "b.test", "portNumber": 80, "subset": "v1"}, True),
        ("outbound|80|v1|b.test", {"subset": "v2"}, False),
        ("outbound|80||b.test", {"subset": "v1"}, False),
        ("outbound|80|v1|b.test", {"portNumber": 8080}, False),
        ("outbound_.80_.v1_.b.test", {"service": "b.test", "subset": "v1"}, True),
        ("BlackHoleCluster", {"name": "BlackHoleCluster"}, True),
        ("BlackHoleCluster", {"service": "b.test"}, False),
        ("outbound|80|v1|b.test", {"name": "outbound|80||b.test", "service": "b.test"}, False),
        ("inbound|80||", {"service": "own.test"}, True),
        ("inbound|80||", {"service": "b.test"}, False),
    ],
)
def test_clusters(name: str, stated: dict[str, Any], wanted: bool) -> None:
    assert matches_cluster(name, ("own.test",), matching(cluster=stated)) is wanted


@pytest.mark.parametrize(
    ("filter_class", "wanted"),
    [
        (EnvoyFilter.Patch.UNSPECIFIED, ["jwt_authn", "rbac", "fault", "new", "router"]),
        (EnvoyFilter.Patch.AUTHN, ["jwt_authn", "new", "rbac", "fault", "router"]),
        (EnvoyFilter.Patch.AUTHZ, ["jwt_authn", "rbac", "new", "fault", "router"]),
        (EnvoyFilter.Patch.STATS, ["jwt_authn", "rbac", "fault", "new", "router"]),
    ],
)
def test_filter_class(filter_class: int, wanted: list[str]) -> None:
    held = [HttpFilter(name=f"envoy.filters.http.{each}") for each in ("jwt_authn", "rbac", "fault", "router")]
    place_filters(held, [patch(Kind.HTTP_FILTER, Operation.ADD, {"name": "new"}, filter_class)], http_filter_name)
    assert [each.name.rpartition(".")[2] for each in held] == wanted
