"""Fields of a rule from before 1.0, which Istio 1.4 still read."""

from collections.abc import Callable
from typing import Any

import pytest

from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy

PROXY = make_proxy("client")
MESH = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a}
spec:
  hosts: [a.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec: {hosts: [a], http: [{%s}]}
"""
OVERWRITE = "OVERWRITE_IF_EXISTS_OR_ADD"


def compiled(rule: str) -> Compiled:
    return Mesh(MESH % rule).compile(PROXY)


def route_of(made: Compiled) -> dict[str, Any]:
    (host,) = (each for each in made.routes["80"].virtual_hosts if each.name.startswith("a.default"))
    return as_dict(host.routes[0])


def changes(part: dict[str, Any]) -> dict[str, list[Any]]:
    """By field what is done to headers: names that are removed, and name, value and action of those that are set."""
    found = {name: part[name] for name in part if name.endswith("headers_to_remove")}
    for name in (each for each in part if each.endswith("headers_to_add")):
        added = ((one["header"]["key"], one["header"]["value"], one.get("append_action", "")) for one in part[name])
        found[name] = list(added)
    return found


STATED = [
    ("appendRequestHeaders: {x: '1'}", {"request_headers_to_add": [("x", "1", "")]}),
    ("removeRequestHeaders: [x]", {"request_headers_to_remove": ["x"]}),
    ("appendResponseHeaders: {x: '1'}", {"response_headers_to_add": [("x", "1", "")]}),
    ("removeResponseHeaders: [x]", {"response_headers_to_remove": ["x"]}),
    (
        "appendRequestHeaders: {x: '1', y: '2'}, headers: {request: {add: {x: new}, set: {z: '3'}}}",
        {"request_headers_to_add": [("z", "3", OVERWRITE), ("x", "new", ""), ("y", "2", "")]},
    ),
    ("headers: {request: {remove: [x]}}", {"request_headers_to_remove": ["x"]}),
]


@pytest.mark.parametrize(("stated", "expected"), STATED)
def test_headers_of_a_rule(stated: str, expected: dict[str, Any], validate: Callable[[Compiled], None]) -> None:
    made = compiled(f"{stated}, route: [{{destination: {{host: a}}}}]")
    assert changes(route_of(made)) == expected
    validate(made)


def test_the_oldest_field_is_of_requests() -> None:
    made = compiled("appendHeaders: {x: '1'}, route: [{destination: {host: a}}]")
    assert changes(route_of(made)) == {"request_headers_to_add": [("x", "1", "")]}


@pytest.mark.parametrize(("stated", "expected"), STATED)
def test_headers_of_a_destination(stated: str, expected: dict[str, Any]) -> None:
    made = compiled(
        f"route: [{{destination: {{host: a}}, weight: 1, {stated}}}, {{destination: {{host: a}}, weight: 9}}]"
    )
    first, second = route_of(made)["route"]["weighted_clusters"]["clusters"]
    assert (changes(first), changes(second)) == (expected, {})


def test_what_envoy_refuses_is_told() -> None:
    made = compiled("appendRequestHeaders: {host: b}, route: [{destination: {host: a}}]")
    assert made.problems() == [("default/a", "refused-by-envoy", "spec.http[0].headers.request.add[host]")]
    assert changes(route_of(made)) == {}


@pytest.mark.parametrize("stated", ["", "websocketUpgrade: true, ", "websocketUpgrade: false, "])
def test_upgrades_are_always_let_through(stated: str) -> None:
    made = compiled(f"{stated}route: [{{destination: {{host: a}}}}]")
    managers = [
        each.typed_config.value
        for listener in made.listeners.values()
        for chain in listener.filter_chains
        for each in chain.filters
    ]
    assert any(b"websocket" in each for each in managers)
