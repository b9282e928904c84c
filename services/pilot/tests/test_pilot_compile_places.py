"""Where a sidecar listens: its own ports, the proxy that the mesh has everywhere, what it has a right to."""

from collections.abc import Callable
from typing import Any

import pytest

from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy

PROXY_PORT = "kind: MeshConfig\nspec: {proxyHttpPort: 15002}\n---\n"


def service(name: str, port: int, protocol: str = "HTTP", more: str = "") -> str:
    spec = f"hosts: [{name}.io], resolution: STATIC, endpoints: [{{address: 10.0.0.1}}]{more}"
    return f"""---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}}}
spec: {{{spec}, ports: [{{number: {port}, name: p, protocol: {protocol}}}]}}
"""


def sidecar(spec: str) -> str:
    return f"---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: own}}\nspec: {{{spec}}}\n"


def caller(**metadata: Any) -> Any:
    return make_proxy("p", **{"INTERCEPTION_MODE": "REDIRECT", **metadata})


@pytest.mark.parametrize(
    ("mesh", "metadata", "expected"),
    [
        (PROXY_PORT, {}, ["127.0.0.1_15002"]),
        ("", {"HTTP_PROXY_PORT": "15007"}, ["127.0.0.1_15007"]),
        (PROXY_PORT, {"HTTP_PROXY_PORT": "15007"}, ["127.0.0.1_15007"]),
        ("", {}, []),
        (PROXY_PORT, {"INTERCEPTION_MODE": "NONE"}, ["127.0.0.1_15002"]),
    ],
)
def test_the_proxy_that_every_sidecar_is(
    mesh: str, metadata: dict[str, str], expected: list[str], validate: Callable[[Compiled], None]
) -> None:
    compiled = Mesh(mesh + service("a", 80) + service("b", 8080)).compile(caller(**metadata))
    assert [name for name in compiled.listeners if name.startswith("127.0.0.1_15")] == expected
    for name in expected:
        (chain,) = as_dict(compiled.listeners[name])["filter_chains"]
        manager = chain["filters"][0]["typed_config"]
        assert manager["http_protocol_options"] == {"allow_absolute_url": True}
        assert manager["rds"]["route_config_name"] == "http_proxy"
        domains = [name for host in compiled.routes["http_proxy"].virtual_hosts for name in host.domains]
        assert {"a.io:80", "b.io:8080"} <= set(domains)
    validate(compiled)


def test_a_sidecar_without_a_general_way_out_has_no_such_proxy() -> None:
    text = (
        PROXY_PORT
        + service("a", 80)
        + sidecar("egress: [{port: {number: 80, name: h, protocol: HTTP}, hosts: ['*/*']}]")
    )
    assert "127.0.0.1_15002" not in Mesh(text).compile(caller()).listeners


@pytest.mark.parametrize(
    ("metadata", "taken"),
    [
        ({}, {15001, 15006}),
        ({"ENVOY_STATUS_PORT": 15121}, {15001, 15006, 15121}),
        ({"ENVOY_STATUS_PORT": "15121", "ENVOY_PROMETHEUS_PORT": 15190}, {15001, 15006, 15121, 15190}),
        ({"EnvoySecureMergedMetricsPort": 15092}, {15001, 15006, 15092}),
    ],
)
def test_ports_at_which_the_proxy_itself_answers(
    metadata: dict[str, Any], taken: set[int], validate: Callable[[Compiled], None]
) -> None:
    ports = (15001, 15006, 15020, 15021, 15090, 15092, 15121, 15190)
    compiled = Mesh("".join(service(f"s{port}", port) for port in ports)).compile(caller(**metadata))
    assert {port for port in ports if f"0.0.0.0_{port}" not in compiled.listeners} == taken
    assert {code for _, code, _ in compiled.problems()} == {"port-reserved"}
    validate(compiled)


def test_at_an_address_of_its_own_a_service_may_have_any_port(validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(service("a", 15021, "TCP", ", addresses: [240.0.0.9]")).compile(caller())
    assert "240.0.0.9_15021" in compiled.listeners
    assert compiled.problems() == []
    validate(compiled)


@pytest.mark.parametrize(
    ("egress", "expected"),
    [
        ("bind: 0.0.0.0, port: {number: 15001, name: h, protocol: HTTP}", [("default/own", "spec.egress[0].port")]),
        (
            "bind: 0.0.0.0, port: {number: 15006, name: p, protocol: HTTP_PROXY}",
            [("default/own", "spec.egress[0].port")],
        ),
        ("bind: 0.0.0.0", [("default/a", "spec.ports[0]")]),
        ("bind: 10.9.9.9, port: {number: 15001, name: h, protocol: HTTP}", []),
    ],
)
def test_no_way_out_takes_a_port_of_the_proxy_itself(
    egress: str, expected: list[tuple[str, str]], validate: Callable[[Compiled], None]
) -> None:
    text = service("a", 15001) + sidecar(f"egress: [{{hosts: ['*/*'], {egress}}}]")
    compiled = Mesh(text).compile(caller())
    assert [(key, field) for key, code, field in compiled.problems() if code == "port-reserved"] == expected
    validate(compiled)


INGRESS = sidecar("ingress: [{port: {number: %d, name: h, protocol: HTTP}, defaultEndpoint: '127.0.0.1:8080'}]")


@pytest.mark.parametrize(
    ("port", "metadata", "expected"),
    [
        (80, {}, ["10.1.1.1_80"]),
        (80, {"UNPRIVILEGED_POD": "true"}, []),
        (1024, {"UNPRIVILEGED_POD": "true"}, ["10.1.1.1_1024"]),
        (80, {"UNPRIVILEGED_POD": "false"}, ["10.1.1.1_80"]),
    ],
)
def test_a_way_in_that_is_bound_is_at_the_workloads_address(
    port: int, metadata: dict[str, str], expected: list[str], validate: Callable[[Compiled], None]
) -> None:
    proxy = caller(INTERCEPTION_MODE="NONE", INSTANCE_IPS="10.1.1.1", **metadata)
    compiled = Mesh(INGRESS % port).compile(proxy)
    assert list(compiled.listeners) == expected
    assert compiled.problems() == ([] if expected else [("default/own", "bad-address", "spec.ingress[0].port")])
    validate(compiled)


@pytest.mark.parametrize(("mode", "expected"), [("REDIRECT", True), ("NONE", False)])
def test_without_rights_low_ports_are_only_handed_over(mode: str, expected: bool) -> None:
    compiled = Mesh(service("a", 80)).compile(caller(INTERCEPTION_MODE=mode, UNPRIVILEGED_POD="true"))
    assert any(name.endswith("_80") for name in compiled.listeners) is expected
    assert [code for _, code, _ in compiled.problems()] == ([] if expected else ["bad-address"])


HEADLESS = """
apiVersion: v1
kind: Service
metadata: {name: db, namespace: default}
spec: {clusterIP: None, ports: [{name: tcp, port: 9999, targetPort: 9999}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db, namespace: default, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}}, {addresses: [10.0.0.2], conditions: {ready: true}}]
ports: [{name: tcp, port: 9999}]
"""


@pytest.mark.parametrize(
    ("address", "expected"),
    [("10.0.0.1", {"10.0.0.2_9999"}), ("10.0.0.9", {"10.0.0.1_9999", "10.0.0.2_9999"})],
)
def test_no_way_out_leads_to_oneself(address: str, expected: set[str]) -> None:
    """One compilation serves all: what a proxy does not get of it is left out at the end."""
    mesh = Mesh(HEADLESS)
    mesh.compile(caller(INSTANCE_IPS="10.0.0.2"))
    listeners = mesh.compile(caller(INSTANCE_IPS=address)).listeners
    assert {name for name in listeners if name.endswith("_9999")} == expected


GATEWAY = """---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: g}
spec: {selector: {app: gate}, servers: [{port: {number: 8080, name: p, protocol: HTTP}, hosts: ['*']}]}
"""


@pytest.mark.parametrize(
    ("kind", "metadata", "expected"),
    [
        (
            "sidecar",
            {"INTERCEPTION_MODE": "REDIRECT"},
            {"::_80": "::", "virtualInbound": "::", "virtualOutbound": "::"},
        ),
        ("sidecar", {"INTERCEPTION_MODE": "NONE"}, {"::1_80": "::1"}),
        ("router", {"LABELS": {"app": "gate"}}, {"::_8080": "::"}),
    ],
)
def test_a_workload_of_ipv6_alone(
    kind: str, metadata: dict[str, Any], expected: dict[str, str], validate: Callable[[Compiled], None]
) -> None:
    proxy = make_proxy("p", kind=kind, **{"INSTANCE_IPS": "fd00::9", **metadata})
    compiled = Mesh(service("a", 80) + GATEWAY).compile(proxy)
    assert {name: each.address.socket_address.address for name, each in compiled.listeners.items()} == expected
    validate(compiled)
