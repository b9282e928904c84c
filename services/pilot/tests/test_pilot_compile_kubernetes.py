"""Kubernetes services as proxies see them; what a change of endpoints costs."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.compile.resource import CLUSTER, ENDPOINTS, LISTENER, ROUTES, TYPES, CompiledProxy
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.snapshot import MeshSettings, build_snapshot
from flotilla_pilot.offline.kubernetes import is_kubernetes, read_kubernetes
from flotilla_pilot.registries.conversion import Cluster, ServiceConversion
from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy, read_objects

CLIENT = make_proxy("client", INTERCEPTION_MODE="REDIRECT", INSTANCE_IPS="10.1.9.9", namespace="shop")


def service(name: str, spec: str = "", annotations: str = "") -> str:
    return f"""
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: shop, annotations: {{{annotations}}}}}
spec:
  clusterIP: 10.96.0.{len(name)}
  ports: [{{name: http, port: 80, targetPort: 8080}}, {{name: tcp, port: 90}}]
  {spec}
"""


def pods(name: str, *numbers: int, labels: str = "security.istio.io/tlsMode: istio", account: str = "sa") -> str:
    """Ready pods of a service, with their slice."""
    ends = ", ".join(
        f"{{addresses: [10.1.0.{number}], conditions: {{ready: true}}, "
        f"targetRef: {{kind: Pod, name: {name}-{number}, namespace: shop}}}}"
        for number in numbers
    )
    text = f"""
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-x, namespace: shop, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: http, port: 8080}}, {{name: tcp, port: 90}}]
endpoints: [{ends}]
"""
    for number in numbers:
        text += f"""
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}-{number}, namespace: shop, labels: {{app: {name}, {labels}}}}}
spec: {{serviceAccountName: {account}}}
"""
    return text


def test_a_service_is_listened_for_by_address_and_by_port(validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(service("a") + pods("a", 1, 2)).compile(CLIENT)
    assert sorted(compiled.listeners) == ["0.0.0.0_80", "10.96.0.1_90", "virtualInbound", "virtualOutbound"]
    assert list(compiled.routes) == ["80"]
    assignment = as_dict(compiled.endpoints["outbound|80||a.shop.svc.cluster.local"])
    ends = assignment["endpoints"][0]["lb_endpoints"]
    found = [each["endpoint"]["address"]["socket_address"] for each in ends]
    assert found == [{"address": f"10.1.0.{number}", "port_value": 8080} for number in (1, 2)]
    assert ends[0]["metadata"]["filter_metadata"]["envoy.transport_socket_match"] == {"tlsMode": "istio"}
    assert not compiled.problems()
    validate(compiled)


def test_callers_are_told_whom_to_trust() -> None:
    text = service("a", annotations="alpha.istio.io/kubernetes-serviceaccounts: other") + pods("a", 1, account="one")
    cluster = as_dict(Mesh(text).compile(CLIENT).clusters["outbound|80||a.shop.svc.cluster.local"])
    context = cluster["transport_socket_matches"][0]["transport_socket"]["typed_config"]["common_tls_context"]
    names = context["combined_validation_context"]["default_validation_context"]["match_typed_subject_alt_names"]
    assert [each["matcher"]["exact"] for each in names] == [
        "spiffe://cluster.local/ns/shop/sa/one",
        "spiffe://cluster.local/ns/shop/sa/other",
    ]


@pytest.mark.parametrize(
    ("export", "namespace", "seen"),
    [
        ("'.'", "shop", True),
        ("'.'", "other", False),
        ("'other'", "other", True),
        ("'~'", "shop", False),
        ("'*'", "other", True),
    ],
)
def test_who_sees_a_service(export: str, namespace: str, seen: bool) -> None:
    proxy = make_proxy("client", namespace=namespace, INTERCEPTION_MODE="REDIRECT")
    compiled = Mesh(service("a", annotations=f"networking.istio.io/exportTo: {export}")).compile(proxy)
    assert ("outbound|80||a.shop.svc.cluster.local" in compiled.clusters) is seen


MIXED = pods("a", 1) + pods("a", 2, labels="x: y").replace("a-x", "a-y")


@pytest.mark.parametrize(
    ("ends", "policy", "mutual"),
    [(pods("a", 1, 2), "", True), (MIXED, "", False), (pods("a", 1), "DISABLE", False), (pods("a", 1), "STRICT", True)],
)
def test_a_headless_service(ends: str, policy: str, mutual: bool, validate: Callable[[Compiled], None]) -> None:
    """Whichever endpoint a caller dials must take what its proxy speaks."""
    rule = f"""
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: shop}}
spec: {{mtls: {{mode: {policy}}}}}
"""
    text = service("a").replace("clusterIP: 10.96.0.1", "clusterIP: None") + ends + (rule if policy else "")
    compiled = Mesh(text).compile(CLIENT)
    assert {"10.1.0.1_90"} <= set(compiled.listeners)
    for port in (80, 90):
        cluster = as_dict(compiled.clusters[f"outbound|{port}||a.shop.svc.cluster.local"])
        assert cluster["type"] == "ORIGINAL_DST"
        assert ("transport_socket" in cluster) is mutual
    (host,) = [each for each in as_dict(compiled.routes["80"])["virtual_hosts"] if each["name"].startswith("a.")]
    assert {"a.shop.svc.cluster.local", "*.a.shop.svc.cluster.local", "*.a"} <= set(host["domains"])
    assert compiled.endpoints == {}
    validate(compiled)


def test_a_gateway_is_told_the_endpoints_of_a_headless_service(validate: Callable[[Compiled], None]) -> None:
    text = service("a").replace("clusterIP: 10.96.0.1", "clusterIP: None") + pods("a", 1) + GATEWAY
    compiled = Mesh(text).compile(make_proxy("gw", kind="router", namespace="shop", LABELS={"istio": "gw"}))
    assert as_dict(compiled.clusters["outbound|80||a.shop.svc.cluster.local"])["type"] == "EDS"
    assert list(compiled.endpoints) == ["outbound|80||a.shop.svc.cluster.local"]
    validate(compiled)


GATEWAY = """
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: shop}
spec:
  selector: {istio: gw}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: shop}
spec:
  hosts: ["a.example"]
  gateways: [gw]
  http: [{match: [{port: 80}], route: [{destination: {host: a.shop.svc.cluster.local, port: {number: 80}}}]}]
"""


@pytest.mark.parametrize(
    ("behind", "metadata", "expected"),
    [
        (service("gateway") + pods("gateway", 1), {}, ["0.0.0.0_8080"]),
        (service("gateway") + pods("gateway", 1), {"UNPRIVILEGED_POD": "true"}, ["0.0.0.0_8080"]),
        ("", {}, ["0.0.0.0_80"]),
        ("", {"UNPRIVILEGED_POD": "true"}, []),
    ],
)
def test_a_gateway_listens_where_its_service_leads(
    behind: str, metadata: dict[str, str], expected: list[str], validate: Callable[[Compiled], None]
) -> None:
    """Rules ask for the port that clients know; tables are named after the one that is listened on."""
    proxy = make_proxy(
        "gw", kind="router", namespace="shop", LABELS={"istio": "gw"}, INSTANCE_IPS="10.1.0.1", **metadata
    )
    compiled = Mesh(service("a") + pods("a", 2) + behind + GATEWAY).compile(proxy)
    assert list(compiled.listeners) == expected
    for table in compiled.routes.values():
        assert table.name == f"http.{expected[0].split('_')[1]}"
        assert [len(host.routes) for host in table.virtual_hosts] == [1]
    validate(compiled)


def test_a_kubernetes_service_counts_before_a_service_entry_of_its_host() -> None:
    entry = """
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: thief, namespace: other}
spec:
  hosts: [a.shop.svc.cluster.local]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 192.0.2.6}]
"""
    mesh = Mesh(entry + service("a") + pods("a", 1))
    for namespace, owner in (("shop", "shop"), ("third", "shop"), ("other", "other")):
        compiled = mesh.compile(make_proxy("client", namespace=namespace, INTERCEPTION_MODE="REDIRECT"))
        cluster = as_dict(compiled.clusters["outbound|80||a.shop.svc.cluster.local"])
        (described,) = cluster["metadata"]["filter_metadata"]["istio"]["services"]
        assert described["namespace"] == owner, namespace


def test_a_route_to_a_udp_port_leads_nowhere(validate: Callable[[Compiled], None]) -> None:
    rule = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: shop}
spec: {hosts: [a], http: [{route: [{destination: {host: a, port: {number: 53}}}]}]}
"""
    text = service("a").replace("{name: tcp, port: 90}", "{name: dns, port: 53, protocol: UDP}") + rule
    compiled = Mesh(text).compile(CLIENT)
    (host, _) = as_dict(compiled.routes["80"])["virtual_hosts"]
    assert host["routes"][0]["route"]["cluster"] == "outbound|53||a.shop.svc.cluster.local"
    assert "outbound|53||a.shop.svc.cluster.local" not in compiled.clusters
    validate(compiled)


def test_mixer_is_found_by_its_services(validate: Callable[[Compiled], None]) -> None:
    text = """
kind: MeshConfig
spec:
  mixerCheckServer: istio-policy.istio-system.svc.cluster.local:15004
  mixerReportServer: istio-telemetry.istio-system.svc.cluster.local:15004
"""
    for name in ("istio-policy", "istio-telemetry"):
        mixer = service(name, "ports: [{name: grpc-mixer, port: 15004}]").replace(
            "  ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 90}]\n", ""
        )
        ends = pods(name, len(name)).replace("{name: http, port: 8080}", "{name: grpc-mixer, port: 15004}")
        text += (mixer + ends).replace("namespace: shop", "namespace: istio-system")
    compiled = Mesh(text + service("a") + pods("a", 1)).compile(CLIENT)
    for name in ("istio-policy", "istio-telemetry"):
        full = f"outbound|15004||{name}.istio-system.svc.cluster.local"
        assert as_dict(compiled.clusters[full])["type"] == "EDS"
        assert len(compiled.endpoints[full].endpoints) == 1
    (host, _) = as_dict(compiled.routes["80"])["virtual_hosts"]
    assert host["routes"][0]["metadata"]["filter_metadata"]["flotilla"] == {
        "destination.service.host": "a.shop.svc.cluster.local",
        "destination.service.name": "a",
        "destination.service.namespace": "shop",
        "destination.service.uid": "istio://shop/services/a",
    }
    validate(compiled)


SHORT = {CLUSTER: "C", ENDPOINTS: "E", LISTENER: "L", ROUTES: "R"}


class Changing:
    """One compiler and one conversion, over the states of a cluster."""

    def __init__(self) -> None:
        self.compiler = Compiler()
        self.conversion = ServiceConversion(Cluster())

    def compile(self, text: str, proxy: Proxy = CLIENT) -> CompiledProxy:
        documents: list[Any] = [each for each in yaml.safe_load_all(text) if each]
        native = self.conversion.convert(read_kubernetes(each for each in documents if is_kubernetes(each)))
        return self.compiler.compile(build_snapshot(read_objects(text), MeshSettings(), native), proxy)


def changed(before: CompiledProxy, after: CompiledProxy) -> list[str]:
    """What is new or another object, as `type name`."""
    return sorted(
        f"{SHORT[each]} {re.sub(r'[.]shop[.]svc[.]cluster[.]local', '', name)}"
        for each in TYPES
        for name, resource in after.resources[each].items()
        if before.resources[each].get(name) is not resource
    )


BOTH = service("a") + service("bb")
ENDS = "E outbound|80||a", "E outbound|90||a"


@pytest.mark.parametrize(
    ("case", "after", "expected"),
    [
        ("nothing", BOTH + pods("a", 1) + pods("bb", 3), []),
        ("an endpoint comes", BOTH + pods("a", 1, 2) + pods("bb", 3), list(ENDS)),
        ("all endpoints go", BOTH + pods("a") + pods("bb", 3), ["C outbound|80||a", "C outbound|90||a", *ENDS]),
        (
            "an endpoint with another account",
            BOTH + pods("a", 1, account="new") + pods("bb", 3),
            ["C outbound|80||a", "C outbound|90||a"],
        ),
        ("a pod gets its proxy", BOTH + pods("a", 1, labels="x: y") + pods("bb", 3), list(ENDS)),
        (
            "a service comes",
            BOTH + pods("a", 1) + pods("bb", 3) + service("ccc"),
            [
                "C outbound|80||ccc",
                "C outbound|90||ccc",
                "E outbound|80||ccc",
                "E outbound|90||ccc",
                "L 10.96.0.3_90",
                "R 80",
            ],
        ),
    ],
)
def test_what_is_compiled_anew(case: str, after: str, expected: list[str]) -> None:
    cluster = Changing()
    before = cluster.compile(BOTH + pods("a", 1) + pods("bb", 3))
    assert changed(before, cluster.compile(after)) == sorted(expected), case


def test_endpoints_alone_compile_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Changing()
    first = cluster.compile(BOTH + pods("a", 1) + pods("bb", 3))
    monkeypatch.setattr("flotilla_pilot.compile.compiler.compile_outbound", None)
    second = cluster.compile(BOTH + pods("a", 1, 2) + pods("bb", 3))
    third = cluster.compile(BOTH + pods("a", 1, 2) + pods("bb", 3, 4))
    assert changed(first, second) == list(ENDS)
    assert changed(second, third) == ["E outbound|80||bb", "E outbound|90||bb"]


def test_what_endpoints_leave_is_what_compiling_anew_gives() -> None:
    cluster = Changing()
    states = [BOTH + pods("a", *range(1, 2 + number % 3)) + pods("bb", *range(number)) for number in range(6)]
    for state in states:
        walked = Compiled(cluster.compile(state)).bodies()
        assert walked == Compiled(Changing().compile(state)).bodies()


def test_a_proxy_that_was_not_compiled_for_in_between_catches_up() -> None:
    cluster = Changing()
    other = make_proxy("other", namespace="other", INTERCEPTION_MODE="REDIRECT")
    states = [BOTH + pods("a", *range(1, 2 + number)) + pods("bb", 9) for number in range(4)]
    cluster.compile(states[0], other)
    for state in states[1:3]:
        cluster.compile(state)
    assert (
        Compiled(cluster.compile(states[3], other)).bodies() == Compiled(Changing().compile(states[3], other)).bodies()
    )
