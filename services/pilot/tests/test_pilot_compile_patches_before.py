"""EnvoyFilters as Istio 1.4 still took them: `filters` with `workloadLabels`, of before 1.3."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy

A = make_proxy("a", LABELS={"app": "a"})
MANAGER = "envoy.filters.network.http_connection_manager"
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
INBOUND, HTTP, TCP = "127.0.2.1_8080", "127.0.0.1_80", "127.0.0.1_90"
FAULT = {"filterName": "envoy.fault", "filterType": "HTTP", "filterConfig": {"abort": {"httpStatus": 444}}}
ECHO = {"filterName": "envoy.filters.network.rbac", "filterType": "NETWORK", "filterConfig": {"statPrefix": "x"}}
FAULTY, CHECKED = "envoy.filters.http.fault", "envoy.filters.network.rbac"


def compiled(*filters: dict[str, Any], **spec: Any) -> Compiled:
    item = {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "f", "namespace": "default"},
        "spec": {"filters": list(filters), **spec},
    }
    return Mesh(f"{MESH}\n---\n{yaml.safe_dump(item)}").compile(A)


def filters_of(found: Compiled, listener: str) -> list[str]:
    """Network filters and, in place of a connection manager, those in it."""
    (chain, *_) = as_dict(found.listeners[listener])["filter_chains"]
    names: list[str] = []
    for each in chain["filters"]:
        inner = each["typed_config"].get("http_filters", []) if each["name"] == MANAGER else [each]
        names += [one["name"] for one in inner]
    return names


PLAIN = {name: filters_of(compiled(), name) for name in (INBOUND, HTTP, TCP)}


def met(found: Compiled) -> set[str]:
    return {name for name, names in PLAIN.items() if filters_of(found, name) != names}


@pytest.mark.parametrize(
    ("filter_", "match", "listeners"),
    [
        (ECHO, {}, {INBOUND, HTTP, TCP}),
        (ECHO, {"listenerType": "SIDECAR_INBOUND"}, {INBOUND}),
        (ECHO, {"listenerType": "SIDECAR_OUTBOUND"}, {HTTP, TCP}),
        (ECHO, {"listenerType": "GATEWAY"}, set()),
        (ECHO, {"portNumber": 90}, {TCP}),
        (ECHO, {"listenerProtocol": "TCP"}, {TCP}),
        (ECHO, {"listenerProtocol": "HTTP"}, {INBOUND, HTTP}),
        (ECHO, {"address": ["127.0.2.1"]}, {INBOUND}),
        (ECHO, {"address": ["127.0.0.0/24", "nonsense"]}, {HTTP, TCP}),
        (FAULT, {}, {INBOUND, HTTP}),
        (FAULT, {"listenerProtocol": "TCP"}, set()),
        (FAULT, {"portNumber": 80, "listenerType": "SIDECAR_OUTBOUND"}, {HTTP}),
    ],
)
def test_where_a_filter_goes(
    filter_: dict[str, Any], match: dict[str, Any], listeners: set[str], validate: Callable[[Compiled], None]
) -> None:
    found = compiled({**filter_, "listenerMatch": match})
    assert met(found) == listeners
    assert found.problems() == []
    validate(found)


@pytest.mark.parametrize(
    ("position", "at"),
    [
        ({}, 0),
        ({"index": "FIRST"}, 0),
        ({"index": "LAST"}, -2),
        ({"index": "BEFORE", "relativeTo": "envoy.router"}, -2),
        ({"index": "AFTER", "relativeTo": "envoy.filters.http.grpc_stats"}, 1),
        ({"index": "AFTER", "relativeTo": "envoy.router"}, -2),
    ],
)
def test_its_place_among_the_filters(position: dict[str, str], at: int, validate: Callable[[Compiled], None]) -> None:
    buffer = {"filterName": "envoy.buffer", "filterType": "HTTP", "filterConfig": {"maxRequestBytes": 10}}
    found = compiled({**buffer, "insertPosition": position, "listenerMatch": {"portNumber": 80}})
    assert filters_of(found, HTTP)[at] == "envoy.filters.http.buffer"
    validate(found)


def test_labels_of_old_select_and_a_selector_counts_before_them() -> None:
    assert met(compiled(FAULT, workloadLabels={"app": "a"})) == {INBOUND, HTTP}
    assert met(compiled(FAULT, workloadLabels={"app": "b"})) == set()
    assert met(compiled(FAULT, workloadLabels={"app": "b"}, workloadSelector={"labels": {"app": "a"}})) == {
        INBOUND,
        HTTP,
    }


def test_patches_meet_what_filters_put_there() -> None:
    match = {
        "listener": {"filterChain": {"filter": {"name": MANAGER, "subFilter": {"name": "envoy.filters.http.buffer"}}}}
    }
    removal = {"applyTo": "HTTP_FILTER", "match": match, "patch": {"operation": "REMOVE"}}
    buffer = {"filterName": "envoy.buffer", "filterType": "HTTP", "filterConfig": {"maxRequestBytes": 10}}
    assert met(compiled(buffer)) == {INBOUND, HTTP}
    found = compiled(buffer, configPatches=[removal])
    assert found.problems() == []


LUA = "function envoy_on_request(handle) end"
SERVICE = {"grpcService": {"envoyGrpc": {"clusterName": "outbound|80||b.test"}, "timeout": "1s"}}
OLD = {
    "envoy.lua": ({"inlineCode": LUA}, {"default_source_code": {"inline_string": LUA}}),
    "envoy.ext_authz": (SERVICE, {"transport_api_version": "V3"}),
    "envoy.rate_limit": (
        {"domain": "d", "rateLimitService": SERVICE},
        {"domain": "d"},
    ),
    "envoy.cors": ({}, {}),
}


@pytest.mark.parametrize("name", OLD)
def test_what_was_said_in_v2_is_said_in_v3(name: str, validate: Callable[[Compiled], None]) -> None:
    stated, wanted = OLD[name]
    position = {"index": "BEFORE", "relativeTo": "envoy.router"}
    match = {"listenerType": "SIDECAR_OUTBOUND"}
    given = {"filterName": name, "filterType": "HTTP", "filterConfig": stated}
    found = compiled({**given, "insertPosition": position, "listenerMatch": match})
    (chain,) = as_dict(found.listeners[HTTP])["filter_chains"]
    config = chain["filters"][-1]["typed_config"]["http_filters"][-2]["typed_config"]
    assert wanted.items() <= config.items()
    if "rate" in name:
        assert config["rate_limit_service"]["transport_api_version"] == "V3"
    assert found.problems() == []
    validate(found)


BAD = {
    "a filter of Istio's own": ({**FAULT, "filterName": "mixer"}, "wrong-value", "filterConfig"),
    "a filter that is gone": ({**FAULT, "filterName": "envoy.squash"}, "wrong-value", "filterConfig"),
    "a field that it has not": ({**FAULT, "filterConfig": {"such": 1}}, "wrong-value", "filterConfig"),
    "a limit of Envoy's": (
        {**FAULT, "filterConfig": {"abort": {"httpStatus": 99}}},
        "refused-by-envoy",
        "filterConfig",
    ),
    "a name of ports": (
        {**FAULT, "listenerMatch": {"portNamePrefix": "h"}},
        "not-offered",
        "listenerMatch.portNamePrefix",
    ),
    "beside nobody": ({**FAULT, "insertPosition": {"index": "AFTER"}}, "invalid", "insertPosition.relativeTo"),
    "no type": ({**FAULT, "filterType": "INVALID"}, "invalid", "filterType"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_filter_is_told_and_the_others_count(name: str) -> None:
    bad, code, field = BAD[name]
    found = compiled(bad, ECHO)
    assert set(found.problems()) == {("default/f", code, f"spec.filters[0].{field}")}
    assert met(found) == {INBOUND, HTTP, TCP}
    assert all(filters_of(found, each)[0] == CHECKED for each in PLAIN)
