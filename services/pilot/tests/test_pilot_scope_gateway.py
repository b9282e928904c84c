"""What a router serves: the Gateways that select it, and the VirtualServices bound to them."""

import pytest

from flotilla_pilot.scope.gateway import GatewayScope, gateway_key, gateway_scope, served_hosts
from flotilla_pilot.testing.meshes import Mesh, make_proxy


def item(kind: str, name: str, namespace: str, spec: str) -> str:
    return (
        f"\n---\napiVersion: networking.istio.io/v1\nkind: {kind}\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}}}\n"
    )


def gateway(name: str, selector: str, servers: str, namespace: str = "front") -> str:
    return item("Gateway", name, namespace, f"selector: {{{selector}}}, servers: [{servers}]")


def server(port: int, hosts: str = "'*'", bind: str = "") -> str:
    place = f", bind: {bind}" if bind else ""
    return f"{{port: {{number: {port}, name: p, protocol: HTTP}}, hosts: [{hosts}]{place}}}"


def scope_of(text: str) -> GatewayScope:
    return gateway_scope(
        Mesh(text).snapshot, make_proxy("gate", kind="router", namespace="gates", LABELS={"app": "gate"})
    )


def test_gateways_of_any_namespace_are_selected_by_labels_and_merged_by_place() -> None:
    text = (
        gateway("one", "app: gate", f"{server(80)}, {server(81)}")
        + gateway("two", "app: gate", server(80), "elsewhere")
        + gateway("three", "", server(80, bind="127.0.0.1"))
        + gateway("four", "app: other", server(80))
        + gateway("five", "app: gate, more: labels", server(80))
    )
    found = {
        place: [(each.gateway.key.full_name, each.field) for each in servers]
        for place, servers in scope_of(text).servers.items()
    }
    assert found == {
        ("0.0.0.0", 80): [("front/one", "spec.servers[0]"), ("elsewhere/two", "spec.servers[0]")],
        ("0.0.0.0", 81): [("front/one", "spec.servers[1]")],
        ("127.0.0.1", 80): [("front/three", "spec.servers[0]")],
    }


@pytest.mark.parametrize(
    ("spec", "namespace", "bound"),
    [
        ("hosts: [a.io], gateways: [front/g]", "apps", True),
        ("hosts: [a.io], gateways: [g]", "front", True),
        ("hosts: [a.io], gateways: [g]", "apps", False),
        ("hosts: [a.io]", "front", False),
        ("hosts: [a.io], gateways: [mesh, front/g]", "apps", True),
        ("hosts: [a.io], gateways: [front/g], exportTo: ['.']", "apps", False),
        ("hosts: [a.io], gateways: [front/g], exportTo: [front]", "apps", False),
        ("hosts: [a.io], gateways: [front/g], exportTo: [gates]", "apps", True),
    ],
)
def test_which_virtual_services_are_bound(spec: str, namespace: str, bound: bool) -> None:
    text = gateway("g", "app: gate", server(80)) + item("VirtualService", "r", namespace, spec)
    ((held,),) = scope_of(text).servers.values()
    assert [each.item.key.name for each in held.rules] == (["r"] if bound else [])


@pytest.mark.parametrize(
    ("hosts", "rules", "expected"),
    [
        ("'*'", "a.io", ["a.io"]),
        ("'*'", "'*'", ["*"]),
        ("a.io", "'*'", ["a.io"]),
        ("a.io", "a.io", ["a.io"]),
        ("a.io", "b.io", []),
        ("'*.io'", "a.io", ["a.io"]),
        ("a.io", "'*.io'", ["a.io"]),
        ("'*.io'", "'*.a.io'", ["*.a.io"]),
        ("'*.a.io'", "'*.io'", ["*.a.io"]),
        ("A.io", "a.IO", ["a.io"]),
        ("apps/a.io", "a.io", ["a.io"]),
        ("others/a.io", "a.io", []),
        ("'*/a.io'", "a.io", ["a.io"]),
        ("./a.io", "a.io", []),
        ("a.io, b.io", "'*'", ["a.io", "b.io"]),
        ("'*'", "a.io, b.io", ["a.io", "b.io"]),
    ],
)
def test_of_two_hosts_that_overlap_the_narrower_is_served(hosts: str, rules: str, expected: list[str]) -> None:
    text = gateway("g", "app: gate", server(80, hosts)) + item(
        "VirtualService", "r", "apps", f"hosts: [{rules}], gateways: [front/g]"
    )
    ((bound,),) = scope_of(text).servers.values()
    assert [host for each in bound.rules for host in served_hosts(bound, each)] == expected


def test_a_dot_is_the_gateways_own_namespace() -> None:
    text = gateway("g", "app: gate", server(80, "./a.io")) + item(
        "VirtualService", "r", "front", "hosts: [a.io], gateways: [g]"
    )
    ((bound,),) = scope_of(text).servers.values()
    assert list(served_hosts(bound, bound.rules[0])) == ["a.io"]


def test_routers_share_when_they_are_selected_alike() -> None:
    snapshot = Mesh(gateway("g", "app: gate", server(80))).snapshot

    def key(number: int, **labels: str) -> tuple[object, ...]:
        return gateway_key(snapshot, make_proxy(f"gate-{number}", number, "router", LABELS=labels))

    assert key(1, app="gate") == key(2, app="gate")
    assert key(1, app="gate") != key(1, app="other")


def test_a_router_sees_what_is_exported_to_its_namespace() -> None:
    def service(host: str, export: str) -> str:
        ports = "ports: [{number: 80, name: http, protocol: HTTP}]"
        return item("ServiceEntry", host.replace(".", "-"), "apps", f"hosts: [{host}], {ports}, exportTo: [{export}]")

    text = service("a.io", "'*'") + service("b.io", "'.'") + service("c.io", "gates")
    assert list(scope_of(text).services) == ["a.io", "c.io"]
