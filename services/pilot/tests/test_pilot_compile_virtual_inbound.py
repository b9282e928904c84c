"""The listener by which everything enters an intercepted workload."""

from collections.abc import Callable
from typing import Any

import pytest

from flotilla_pilot.compile.tls import ISTIO_ALPN, ISTIO_HTTP_ALPN
from flotilla_pilot.testing.meshes import TOLD_PORTS, Compiled, Mesh, as_dict, make_proxy

PROXY = make_proxy("a-1", INTERCEPTION_MODE="REDIRECT", INSTANCE_IPS="10.1.0.1", LABELS={"app": "a"}, **TOLD_PORTS)
PLAIN_HTTP = ("http/1.1", "h2c")
ISTIO_TCP = ("istio", "istio-peer-exchange")


def service(name: str, port: int, protocol: str, namespace: str = "default", target: int = 0) -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  hosts: [{name}.example]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: {port}, name: p, protocol: {protocol}, targetPort: {target or port}}}]
  endpoints: [{{address: 10.1.0.1}}]
"""


def policy(mode: str, ports: str = "") -> str:
    return f"""
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: own, namespace: default}}
spec: {{selector: {{matchLabels: {{app: a}}}}, mtls: {{mode: {mode}}}, portLevelMtls: {{{ports}}}}}
"""


def seen(chain: dict[str, Any]) -> tuple[Any, ...]:
    """Port, transport, ALPN; where it leads, whether it ends mutual TLS, its name."""
    match, last = chain["filter_chain_match"], chain["filters"][-1]["typed_config"]
    target = last["cluster"] if "cluster" in last else f"http {last['route_config']['name']}"
    what = (
        match.get("destination_port", 0),
        match.get("transport_protocol", ""),
        tuple(match.get("application_protocols", ())),
    )
    return *what, target, "transport_socket" in chain, chain["name"]


def chains(compiled: Compiled, port: int) -> list[tuple[Any, ...]]:
    found = [seen(each) for each in as_dict(compiled.listeners["virtualInbound"])["filter_chains"]]
    return [each[1:] for each in found if each[0] == port]


def rest(mode: str) -> list[tuple[Any, ...]]:
    """The chains for ports that no service knows."""
    cluster, web = "InboundPassthroughCluster", "virtualInbound-catchall-http"
    mutual = [("tls", ISTIO_HTTP_ALPN, f"http {cluster}", True, web)]
    plain = ("raw_buffer", PLAIN_HTTP, f"http {cluster}", False, web)
    if mode == "STRICT":
        return [*mutual, ("tls", (), cluster, True, "virtualInbound")]
    others = [plain, ("raw_buffer", (), cluster, False, "virtualInbound")]
    if mode == "DISABLE":
        return others
    foreign = ("tls", (), cluster, False, "virtualInbound")
    return [*mutual, ("tls", ISTIO_TCP, cluster, True, "virtualInbound"), *others, foreign]


@pytest.mark.parametrize("mode", ["STRICT", "PERMISSIVE", "DISABLE"])
def test_without_services_everything_passes_as_the_policy_says(mode: str, validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(policy(mode)).compile(PROXY)
    assert chains(compiled, 0) == rest(mode)
    assert chains(compiled, 15006) == [("", (), "BlackHoleCluster", False, "virtualInbound-blackhole")]
    validate(compiled)


HTTP, NAME = "http inbound|8080||", "0.0.0.0_8080"
PORTS: dict[tuple[str, str], list[tuple[Any, ...]]] = {
    ("HTTP", "STRICT"): [("tls", (), HTTP, True, NAME)],
    ("HTTP", "PERMISSIVE"): [("tls", ISTIO_ALPN, HTTP, True, NAME), ("raw_buffer", (), HTTP, False, NAME)],
    ("HTTP", "DISABLE"): [("raw_buffer", (), HTTP, False, NAME)],
    ("TCP", "STRICT"): [("tls", (), "inbound|8080||", True, NAME)],
    ("TCP", "PERMISSIVE"): [
        ("tls", ISTIO_ALPN, "inbound|8080||", True, NAME),
        ("raw_buffer", (), "inbound|8080||", False, NAME),
        ("tls", (), "inbound|8080||", False, NAME),
    ],
    ("TCP", "DISABLE"): [("raw_buffer", (), "inbound|8080||", False, NAME)],
    ("''", "PERMISSIVE"): [
        ("tls", ISTIO_HTTP_ALPN, HTTP, True, NAME),
        ("tls", ISTIO_TCP, "inbound|8080||", True, NAME),
        ("raw_buffer", PLAIN_HTTP, HTTP, False, NAME),
        ("raw_buffer", (), "inbound|8080||", False, NAME),
        ("tls", (), "inbound|8080||", False, NAME),
    ],
}


@pytest.mark.parametrize(("protocol", "mode"), PORTS)
def test_a_port_that_a_service_leads_to(protocol: str, mode: str, validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(service("s", 80, protocol, target=8080) + policy(mode)).compile(PROXY)
    assert chains(compiled, 8080) == PORTS[protocol, mode]
    assert chains(compiled, 0) == rest(mode)
    validate(compiled)


def test_the_application_is_dialled_where_the_caller_meant_it_to_be() -> None:
    compiled = Mesh(service("s", 80, "HTTP", target=8080)).compile(PROXY)
    for name in ("inbound|8080||", "InboundPassthroughCluster"):
        found = as_dict(compiled.clusters[name])
        assert (found["type"], found["lb_policy"]) == ("ORIGINAL_DST", "CLUSTER_PROVIDED")
        assert found["upstream_bind_config"]["source_address"]["address"] == "127.0.0.6"


@pytest.mark.parametrize(
    ("ports", "named", "other"),
    [("9000: {mode: STRICT}", "STRICT", "DISABLE"), ("9000: {mode: DISABLE}", "DISABLE", "STRICT")],
)
def test_a_policy_for_a_port_that_no_service_knows(
    ports: str, named: str, other: str, validate: Callable[[Compiled], None]
) -> None:
    compiled = Mesh(policy(other, ports)).compile(PROXY)
    assert chains(compiled, 9000) == rest(named)
    assert chains(compiled, 0) == rest(other)
    validate(compiled)


def disabled(inspector: dict[str, Any]) -> list[int]:
    match = inspector["filter_disabled"]
    rules = match["or_match"]["rules"] if "or_match" in match else [match]
    assert all(each["destination_port_range"]["end"] == each["destination_port_range"]["start"] + 1 for each in rules)
    return [each["destination_port_range"]["start"] for each in rules]


def test_nobody_waits_for_a_first_byte_that_tells_nothing() -> None:
    """A server that speaks first would never be heard."""
    text = service("web", 80, "HTTP") + service("db", 3306, "TCP") + service("any", 90, "''")
    compiled = Mesh(text + policy("PERMISSIVE", "3306: {mode: DISABLE}")).compile(PROXY)
    inspectors = as_dict(compiled.listeners["virtualInbound"])["listener_filters"]
    assert [each["name"].split(".")[-1] for each in inspectors] == ["original_dst", "tls_inspector", "http_inspector"]
    assert disabled(inspectors[1]) == [3306, 15006]
    assert disabled(inspectors[2]) == [80, 3306, 15006]


def test_a_service_of_another_namespace_opens_nothing() -> None:
    """Else anybody could say what a workload speaks."""
    compiled = Mesh(service("s", 80, "HTTP", namespace="other")).compile(PROXY)
    assert chains(compiled, 80) == []


@pytest.mark.parametrize("port", [15001, 15006, 15020, 15021, 15090])
def test_the_proxys_own_ports_are_not_entered_by(port: int, validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(service("s", 80, "HTTP", target=port)).compile(PROXY)
    assert ("default/s", "port-reserved", "spec.ports") in compiled.problems()
    assert f"inbound|{port}||" not in compiled.clusters
    validate(compiled)


def test_two_services_on_one_port_of_the_workload(validate: Callable[[Compiled], None]) -> None:
    same = Mesh(service("a", 80, "HTTP", target=8080) + service("b", 81, "HTTP", target=8080)).compile(PROXY)
    assert (len(chains(same, 8080)), same.problems()) == (2, [])
    other = Mesh(service("a", 80, "HTTP", target=8080) + service("b", 81, "TCP", target=8080)).compile(PROXY)
    assert chains(other, 8080) == PORTS["HTTP", "PERMISSIVE"]
    assert other.problems() == [("default/b", "inbound-protocol-taken", "spec.ports[0]")]
    validate(other)


INGRESS = """
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: own, namespace: default}
spec:
  ingress:
  - {port: {number: 9080, name: http, protocol: HTTP}, defaultEndpoint: "127.0.0.1:8081"}
  - {port: {number: 9081, name: tcp, protocol: TCP}, bind: 10.1.0.1, captureMode: NONE, defaultEndpoint: "127.0.0.1:8082"}
  egress: [{hosts: ["*/*"]}]
"""


def test_an_ingress_says_by_itself_how_to_enter(validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(service("s", 80, "HTTP") + INGRESS).compile(PROXY)
    assert chains(compiled, 80) == []
    assert [each[-1] for each in chains(compiled, 9080)] == ["10.1.0.1_9080", "10.1.0.1_9080"]
    endpoint = as_dict(compiled.clusters["inbound|9080||"])["load_assignment"]["endpoints"][0]["lb_endpoints"][0]
    assert endpoint["endpoint"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 8081}
    assert "10.1.0.1_9081" in compiled.listeners
    assert chains(compiled, 9081) == []
    validate(compiled)


@pytest.mark.parametrize(("port", "refused"), [(15001, True), (15006, True), (15021, True), (15100, False)])
def test_an_ingress_of_its_own_listener_leaves_the_proxy_its_ports(
    port: int, refused: bool, validate: Callable[[Compiled], None]
) -> None:
    ingress = INGRESS.replace("number: 9081", f"number: {port}").replace("bind: 10.1.0.1", "bind: 0.0.0.0")
    compiled = Mesh(service("s", 80, "HTTP") + ingress).compile(PROXY)
    expected = [("default/own", "port-reserved", "spec.ingress[1].port")] if refused else []
    assert compiled.problems() == expected
    validate(compiled)


def test_pods_of_one_workload_share_what_they_enter_by() -> None:
    text = (
        service("s", 80, "HTTP")
        .replace("- {address", "- {address")
        .replace("[{address: 10.1.0.1}]", "[{address: 10.1.0.1}, {address: 10.1.0.2}]")
    )
    mesh = Mesh(text)
    one, two = (
        mesh.compile(make_proxy("a-1", INTERCEPTION_MODE="REDIRECT", INSTANCE_IPS=ip, LABELS={"app": "a"})).compiled
        for ip in ("10.1.0.1", "10.1.0.2")
    )
    for type_url, resources in one.resources.items():
        assert all(each is two.resources[type_url][name] for name, each in resources.items())


@pytest.mark.parametrize(("mode", "transparent"), [("REDIRECT", None), ("TPROXY", True)])
def test_a_transparent_proxy_takes_what_is_for_others(mode: str, transparent: bool | None) -> None:
    mesh = Mesh(service("a", 80, "HTTP"))
    proxy = make_proxy("a-1", INTERCEPTION_MODE=mode, INSTANCE_IPS="10.1.0.1", LABELS={"app": "a"})
    assert as_dict(mesh.compile(proxy).listeners["virtualInbound"]).get("transparent") is transparent


def test_a_call_that_meets_a_closing_connection_is_tried_again() -> None:
    compiled = Mesh(service("web", 80, "HTTP", target=8080)).compile(PROXY)
    listener = as_dict(compiled.listeners["virtualInbound"])
    tables = [each["filters"][-1]["typed_config"].get("route_config") for each in listener["filter_chains"]]
    hosts = {
        (host["name"], route["route"]["cluster"], str(route["route"]["retry_policy"]))
        for table in tables
        if table
        for host in table["virtual_hosts"]
        for route in host["routes"]
    }
    retried = str({"retry_on": "reset-before-request", "num_retries": 2})
    assert hosts == {
        ("inbound|http|80", "inbound|8080||", retried),  # named after the service's port, as Istio names it
        ("inbound|http|0", "InboundPassthroughCluster", retried),
    }
