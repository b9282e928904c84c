"""Which outbound listeners there are, and which services share each of them."""

from collections.abc import Callable

import pytest

from flotilla_pilot.compile.egress_plan import plan_listeners
from flotilla_pilot.compile.listener_plan import is_place
from flotilla_pilot.model.mesh import MeshSettings
from flotilla_pilot.scope.sidecar import find_sidecar, sidecar_scope
from flotilla_pilot.testing.meshes import Compiled, Mesh, make_proxy
from flotilla_shared.model.problems import ProblemLog

PROXY = make_proxy("client")
Plan = dict[str, list[str]]


def service(name: str, protocol: str, port: int = 80, extra: str = "") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: default}}
spec:
  hosts: [{name}.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: {port}, name: p, protocol: {protocol}}}]
  endpoints: [{{address: 10.0.0.1}}]{extra}
"""


def sidecar(egress: str) -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: own, namespace: default}}
spec: {{egress: [{egress}]}}
"""


def planned(text: str, **metadata: str) -> tuple[Plan, list[tuple[str, str, str]]]:
    """The services on each listener (by short name), and the problems."""
    mesh, log = Mesh(text), ProblemLog()
    proxy = make_proxy("client", **metadata)
    scope = sidecar_scope(mesh.snapshot, proxy, find_sidecar(mesh.snapshot, proxy))
    plans = plan_listeners(scope, log)
    held = {
        plan.name: [
            f"{kind} {service.host.split('.')[0]}"
            for kind, services in (("http", plan.http), ("tls", plan.tls), ("tcp", [plan.tcp] if plan.tcp else []))
            for service, _ in services
        ]
        for plan in plans
    }
    problems = [(key.name, each.code, each.field) for key, found in log.found().items() for each in found]
    return held, problems


TAKEN = "listener-taken"


@pytest.mark.parametrize(
    ("first", "second", "held", "taken"),
    [
        ("HTTP", "HTTP", ["http a", "http b"], False),
        ("HTTP", "GRPC", ["http a", "http b"], False),
        ("HTTP", "TCP", ["http a"], True),
        ("HTTP", "TLS", ["http a"], True),
        ("TCP", "HTTP", ["tcp a"], True),
        ("TCP", "TCP", ["tcp a"], True),
        ("TCP", "TLS", ["tls b", "tcp a"], False),
        ("TLS", "TLS", ["tls a", "tls b"], False),
        ("TLS", "TCP", ["tls a", "tcp b"], False),
        ("TLS", "HTTP", ["tls a"], True),
        ("''", "''", ["tcp a"], True),
        ("HTTP", "UDP", ["http a"], False),
    ],
)
def test_two_services_on_one_port(first: str, second: str, held: list[str], taken: bool) -> None:
    plans, problems = planned(service("a", first) + service("b", second))
    assert plans == {"127.0.0.1_80": held}
    assert problems == ([("b", TAKEN, "spec.ports[0]")] if taken else [])


def test_the_oldest_has_the_port_whatever_the_names() -> None:
    plans, problems = planned(service("z", "TCP") + service("a", "TCP"))
    assert plans == {"127.0.0.1_80": ["tcp z"]}
    assert problems == [("a", TAKEN, "spec.ports[0]")]


@pytest.mark.parametrize(
    ("case", "egress", "expected"),
    [
        ("no Sidecar binds to loopback", "", {"127.0.0.1_80": ["http a"], "127.0.0.1_6379": ["tcp kv"]}),
        (
            "a catch-all with an address",
            "{bind: 127.0.3.1, hosts: ['*/*']}",
            {"127.0.3.1_80": ["http a"], "127.0.3.1_6379": ["tcp kv"]},
        ),
        (
            "an HTTP proxy takes all HTTP services",
            "{port: {number: 15002, name: p, protocol: HTTP_PROXY}, bind: 127.0.3.1, hosts: ['*/*']}",
            {"127.0.3.1_15002": ["http a"]},
        ),
        (
            "a port takes the services of that port",
            "{port: {number: 6379, name: p, protocol: TCP}, bind: 127.0.4.1, hosts: ['*/*']}",
            {"127.0.4.1_6379": ["tcp kv"]},
        ),
        (
            "what is let in counts",
            "{bind: 127.0.3.1, hosts: ['*/a.default.svc.cluster.local']}",
            {"127.0.3.1_80": ["http a"]},
        ),
        ("a way out for a port that nobody has", "{port: {number: 1, name: p, protocol: TCP}, hosts: ['*/*']}", {}),
        (
            "a way out with a port keeps others off its address",
            "{port: {number: 80, name: p, protocol: HTTP}, bind: 127.0.3.1, hosts: ['other/*']},"
            "{bind: 127.0.3.1, hosts: ['*/*']}",
            {"127.0.3.1_80": ["http a"], "127.0.3.1_6379": ["tcp kv"]},
        ),
    ],
)
def test_ways_out(case: str, egress: str, expected: Plan) -> None:
    text = service("a", "HTTP") + service("kv", "TCP", 6379)
    plans, problems = planned(text + (sidecar(egress) if egress else ""))
    assert plans == expected, case
    assert problems == []


def test_captured_tcp_services_have_their_own_addresses() -> None:
    text = service("kv", "TCP", 6379, "\n  addresses: [10.9.0.1]") + service(
        "a", "HTTP", 80, "\n  addresses: [10.9.0.2]"
    )
    plans, _ = planned(text, INTERCEPTION_MODE="REDIRECT")
    assert plans == {"10.9.0.1_6379": ["tcp kv"], "0.0.0.0_80": ["http a"]}


def test_captured_listeners_are_not_bound() -> None:
    compiled = Mesh(service("a", "HTTP")).compile(make_proxy("client", INTERCEPTION_MODE="REDIRECT"))
    listener = compiled.listeners["0.0.0.0_80"]
    assert listener.HasField("bind_to_port")
    assert not listener.bind_to_port.value
    assert "PassthroughCluster" in compiled.clusters


def test_tables_of_one_port_have_names_of_their_own() -> None:
    ways = ", ".join(
        f"{{bind: 127.0.{number}.1, port: {{number: 80, name: p, protocol: HTTP}}, hosts: ['*/*']}}"
        for number in (3, 4)
    )
    compiled = Mesh(service("a", "HTTP") + sidecar(ways)).compile(PROXY)
    assert sorted(compiled.routes) == ["127.0.4.1_80", "80"]
    assert sorted(compiled.listeners) == ["127.0.3.1_80", "127.0.4.1_80"]


@pytest.mark.parametrize(
    ("bind", "port", "expected"),
    [
        ("", 80, True),
        ("127.0.0.1", 0, True),
        ("fd00::1", 80, True),
        ("unix:///run/x", 0, True),
        ("host", 80, False),
        ("127.0.0.1", 65536, False),
    ],
)
def test_what_is_a_place(bind: str, port: int, expected: bool) -> None:
    assert is_place(bind, port) is expected


def test_a_bind_that_is_no_address_is_left_out_and_told(validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(service("a", "HTTP") + sidecar("{bind: my.host, hosts: ['*/*']}")).compile(PROXY)
    assert compiled.problems() == [("default/own", "bad-address", "spec.egress[0]")]
    assert compiled.listeners == {}
    validate(compiled)


def domains(compiled: Compiled, table: str) -> dict[str, list[str]]:
    return {host.name: list(host.domains) for host in compiled.routes[table].virtual_hosts}


def test_the_names_of_a_service() -> None:
    text = service("a", "HTTP", 9080, "\n  addresses: [10.9.0.1, 10.8.0.0/16, 'fd00::1']")
    own = domains(Mesh(text).compile(PROXY), "9080")["a.default.svc.cluster.local:9080"]
    full = "a.default.svc.cluster.local"
    assert own == [full, f"{full}.", "a", "a.default.svc", "a.default", "10.9.0.1"]
    newer = make_proxy("client", INSTANCE_IPS="fd00::9")
    assert domains(Mesh(text).compile(newer), "9080")["a.default.svc.cluster.local:9080"][-1] == "[fd00::1]"
    elsewhere = Mesh(text).compile(make_proxy("client", namespace="other"))
    assert "a" not in domains(elsewhere, "9080")["a.default.svc.cluster.local:9080"]


PROXIED = sidecar("{port: {number: 15002, name: p, protocol: HTTP_PROXY}, bind: 127.0.3.1, hosts: ['*/*']}")


def test_an_http_proxy_wants_the_port_but_of_80() -> None:
    text = service("a", "HTTP", 80) + service("b", "HTTP", 9080) + PROXIED
    found = domains(Mesh(text).compile(PROXY), "15002")
    assert "a:80" in found["a.default.svc.cluster.local:80"]
    assert "a" in found["a.default.svc.cluster.local:80"]
    assert "b:9080" in found["b.default.svc.cluster.local:9080"]
    assert "b" not in found["b.default.svc.cluster.local:9080"]


def test_ports_are_ignored_where_the_listener_tells_them() -> None:
    compiled = Mesh(service("a", "HTTP") + PROXIED.replace("}]}", "}, {bind: 127.0.3.1, hosts: ['*/*']}]}")).compile(
        PROXY
    )
    flags = {name: table.ignore_port_in_host_matching for name, table in compiled.routes.items()}
    assert flags == {"15002": False, "80": True}


def test_a_name_goes_to_the_first_that_claims_it() -> None:
    other = service("b", "HTTP").replace("b.default.svc.cluster.local", "A.default")
    found = domains(Mesh(service("a", "HTTP") + other).compile(PROXY), "80")
    assert "a.default" in found["a.default.svc.cluster.local:80"]
    assert found["a.default:80"] == ["a.default."]


ROUTES = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: r, namespace: default}
spec: {hosts: [virtual.example, a], http: [{route: [{destination: {host: a}}]}]}
"""


@pytest.mark.parametrize(
    ("port", "extra", "table", "expected"),
    [
        (80, "", "80", {"virtual.example:80": ["virtual.example"]}),
        (9080, "", "9080", {"virtual.example:9080": ["virtual.example"]}),
        (
            9080,
            PROXIED,
            "15002",
            {
                "virtual.example:80": ["virtual.example", "virtual.example:80"],
                "virtual.example:9080": ["virtual.example:9080"],
            },
        ),
    ],
)
def test_hosts_that_only_rules_know_are_where_others_of_the_rules_are(
    port: int, extra: str, table: str, expected: dict[str, list[str]]
) -> None:
    found = domains(Mesh(service("a", "HTTP", port) + ROUTES + extra).compile(PROXY), table)
    assert {name: each for name, each in found.items() if name.startswith("virtual.example:")} == expected


@pytest.mark.parametrize(("port", "expected"), [(80, ["virtual.example"]), (9080, None)])
def test_hosts_of_rules_without_any_service_are_on_port_80(port: int, expected: list[str] | None) -> None:
    rules = ROUTES.replace("[virtual.example, a]", "[virtual.example]")
    found = domains(Mesh(service("a", "HTTP", port) + rules).compile(PROXY), str(port))
    assert found.get("virtual.example:80") == expected
    assert "virtual.example:9080" not in found


@pytest.mark.parametrize(
    ("policy", "mode", "expected"),
    [
        ("REGISTRY_ONLY", "NONE", ["block_all"]),
        ("REGISTRY_ONLY", "REDIRECT", ["block_all"]),
        ("ALLOW_ANY", "NONE", ["connect", "allow_any"]),
        ("ALLOW_ANY", "REDIRECT", ["allow_any"]),
    ],
)
def test_what_happens_to_hosts_that_nobody_declared(
    policy: str, mode: str, expected: list[str], validate: Callable[[Compiled], None]
) -> None:
    text = f"kind: MeshConfig\nspec: {{outboundTrafficPolicy: {{mode: {policy}}}}}\n" + service("a", "HTTP")
    compiled = Mesh(text).compile(make_proxy("client", INTERCEPTION_MODE=mode))
    last = compiled.routes["80"].virtual_hosts[-1]
    assert list(last.domains) == ["*"]
    assert [route.name for route in last.routes] == expected
    assert ("dfp" in compiled.clusters) is (expected[0] == "connect")
    validate(compiled)


def test_unknown_hosts_may_be_sent_to_where_they_were_dialled_as_in_istio(validate: Callable[[Compiled], None]) -> None:
    settings = MeshSettings(resolve_unknown_names=False)
    compiled = Mesh(service("a", "HTTP"), settings).compile(make_proxy("client"))
    last = compiled.routes["80"].virtual_hosts[-1]
    assert [(each.name, each.route.cluster) for each in last.routes] == [("allow_any", "PassthroughCluster")]
    assert {"PassthroughCluster", "InboundPassthroughCluster"} <= set(compiled.clusters)
    assert "dfp" not in compiled.clusters
    assert "dynamic_forward_proxy" not in str(compiled.listeners)
    validate(compiled)


SOCKET = "{port: {name: s, protocol: %s}, bind: 'unix:///tmp/flotilla-%s.sock', hosts: ['*/*']}"


@pytest.mark.parametrize("mode", ["NONE", "REDIRECT"])
def test_a_socket_of_the_file_system_is_one_listener(mode: str, validate: Callable[[Compiled], None]) -> None:
    ways = ", ".join((SOCKET % ("HTTP", "http"), SOCKET % ("TCP", "tcp"), "{hosts: ['*/*'], bind: 127.0.3.1}"))
    services = service("a", "HTTP") + service("b", "HTTP", 8080) + service("c", "TCP", 9000)
    compiled = Mesh(services + sidecar(ways)).compile(make_proxy("client", INTERCEPTION_MODE=mode))
    sockets = [each for each in compiled.listeners.values() if each.address.HasField("pipe")]
    assert [each.address.pipe.path for each in sockets] == ["/tmp/flotilla-http.sock", "/tmp/flotilla-tcp.sock"]
    found = domains(compiled, "unix:///tmp/flotilla-http.sock")
    assert {"a.default:80", "a.default"} <= set(found["a.default.svc.cluster.local:80"])
    assert "b.default:8080" in found["b.default.svc.cluster.local:8080"]
    assert {"80", "8080"} <= set(compiled.routes)
    assert compiled.problems() == []
    validate(compiled)


def test_a_socket_without_services_for_it_is_not_there() -> None:
    compiled = Mesh(service("a", "HTTP") + sidecar(SOCKET % ("TCP", "tcp"))).compile(PROXY)
    assert [each for each in compiled.listeners.values() if each.address.HasField("pipe")] == []
