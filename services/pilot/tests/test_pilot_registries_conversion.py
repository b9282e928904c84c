"""From Kubernetes Services, EndpointSlices, Pods and Nodes to services of the model."""

from typing import Any

import pytest
import yaml

from flotilla_pilot.model.services import Endpoint, Resolution, Service
from flotilla_pilot.offline.kubernetes import native_services, read_kubernetes
from flotilla_pilot.registries.conversion import Cluster, ServiceConversion
from flotilla_shared.model.protocols import Protocol

HOST = "a.shop.svc.cluster.local"


def service(spec: str = "", annotations: str = "", name: str = "a") -> str:
    return f"""
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: shop, annotations: {{{annotations}}}}}
spec: {{clusterIP: 10.96.0.1, ports: [{{name: http, port: 80, targetPort: 8080}}], {spec}}}
"""


def slice_of(*endpoints: str, name: str = "a-1", ports: str = "{name: http, port: 8080}", extra: str = "") -> str:
    return f"""
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}, namespace: shop, labels: {{kubernetes.io/service-name: a}}}}
addressType: IPv4
{extra}
ports: [{ports}]
endpoints: [{", ".join(endpoints)}]
"""


def endpoint(number: int, conditions: str = "ready: true", node: str = "n1") -> str:
    target = f"{{kind: Pod, name: a-{number}, namespace: shop}}"
    return f"{{addresses: [10.1.0.{number}], conditions: {{{conditions}}}, nodeName: {node}, targetRef: {target}}}"


def pod(number: int, labels: str = "app: a", account: str = "", owner: str = "") -> str:
    return f"""
---
apiVersion: v1
kind: Pod
metadata: {{name: a-{number}, namespace: shop, labels: {{{labels}}}, ownerReferences: [{owner}]}}
spec: {{serviceAccountName: "{account}", nodeName: n1, containers: [{{name: app}}]}}
status: {{phase: Running, podIP: 10.1.0.{number}}}
"""


NODE = """
---
apiVersion: v1
kind: Node
metadata:
  name: n1
  labels: {topology.kubernetes.io/region: r, topology.kubernetes.io/zone: z, topology.istio.io/subzone: s}
"""


def documents(text: str) -> list[Any]:
    return [each for each in yaml.safe_load_all(text) if each]


def services(text: str) -> dict[str, Service]:
    return {each.host: each for each in native_services(documents(text))}


def only(text: str) -> Service:
    (found,) = services(text).values()
    return found


def addresses(found: tuple[Endpoint, ...]) -> list[str]:
    return [each.address for each in found]


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ("{name: http-web, port: 80}", Protocol.HTTP),
        ("{name: grpc, port: 80}", Protocol.GRPC),
        ("{name: tcp, port: 80}", Protocol.TCP),
        ("{name: web, port: 80}", Protocol.UNSUPPORTED),
        ("{port: 80}", Protocol.UNSUPPORTED),
        ("{name: web, port: 3306}", Protocol.TCP),
        ("{name: tcp, port: 80, appProtocol: http}", Protocol.HTTP),
        ("{name: http, port: 80, appProtocol: kubernetes.io/h2c}", Protocol.HTTP2),
        ("{name: http, port: 80, appProtocol: example.com/own}", Protocol.HTTP),
        ("{name: http, port: 80, protocol: UDP}", Protocol.UDP),
        ("{name: http, port: 80, protocol: SCTP}", Protocol.UDP),
    ],
)
def test_protocols(port: str, expected: Protocol) -> None:
    assert only(service(f"ports: [{port}]")).ports[0].protocol is expected


def test_a_service_with_an_address() -> None:
    found = only(service())
    assert (found.host, found.namespace, found.addresses) == (HOST, "shop", ("10.96.0.1",))
    assert (found.resolution, found.external, found.headless) == (Resolution.STATIC, False, False)
    assert [(each.number, each.target_port) for each in found.ports] == [(80, 8080)]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("clusterIPs: [10.96.0.1, 'fd00:0::1']", ("10.96.0.1", "fd00::1")),
        ("clusterIP: ''", ()),
        ("clusterIP: None, clusterIPs: [None]", ()),
    ],
)
def test_addresses(spec: str, expected: tuple[str, ...]) -> None:
    assert only(service(spec)).addresses == expected


def test_a_headless_service() -> None:
    found = only(service("clusterIP: None") + slice_of(endpoint(1)) + pod(1))
    assert (found.resolution, found.headless, addresses(found.endpoints)) == (Resolution.NONE, True, ["10.1.0.1"])


def test_an_external_name() -> None:
    found = only(service("type: ExternalName, externalName: db.example., clusterIP: ''"))
    assert (found.resolution, found.external, found.addresses) == (Resolution.DNS, True, ())
    assert addresses(found.endpoints) == ["db.example"]


def test_an_external_name_needs_no_ports() -> None:
    found = only(service("type: ExternalName, externalName: Web.shop.svc.cluster.local., ports: []"))
    assert (found.external_name, found.ports) == ("web.shop.svc.cluster.local", ())


@pytest.mark.parametrize("spec", ["ports: []", "type: ExternalName"])
def test_what_is_nobodys_destination(spec: str) -> None:
    assert services(service(spec)) == {}


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("", ()),
        ("networking.istio.io/exportTo: '.'", (".",)),
        ("networking.istio.io/exportTo: 'a, b,'", ("a", "b")),
        ("networking.istio.io/exportTo: '~'", ("~",)),
    ],
)
def test_export_to(annotation: str, expected: tuple[str, ...]) -> None:
    assert only(service(annotations=annotation)).export_to == expected


def test_accounts_that_annotations_add() -> None:
    found = only(
        service(
            annotations="alpha.istio.io/canonical-serviceaccounts: 'spiffe://old/ns/x/sa/y', "
            "alpha.istio.io/kubernetes-serviceaccounts: 'b, c'"
        )
    )
    assert found.subject_alt_names == (
        "spiffe://old/ns/x/sa/y",
        "spiffe://cluster.local/ns/shop/sa/b",
        "spiffe://cluster.local/ns/shop/sa/c",
    )


@pytest.mark.parametrize(
    ("spec", "conditions", "ready"),
    [
        ("", "ready: true", True),
        ("", "ready: false", False),
        ("", "", True),
        ("", "ready: true, terminating: true", False),
        ("", "ready: false, serving: true, terminating: true", False),
        ("publishNotReadyAddresses: true", "ready: true, serving: false", True),
        ("publishNotReadyAddresses: true", "ready: true, terminating: true", True),
    ],
)
def test_who_takes_calls(spec: str, conditions: str, ready: bool) -> None:
    """Who takes none is still entered: by calls that are under way, and by the application's own probes."""
    found = only(service(spec) + slice_of(endpoint(1, conditions)) + pod(1))
    assert addresses(found.endpoints) == (["10.1.0.1"] if ready else [])
    assert addresses(found.unready) == ([] if ready else ["10.1.0.1"])


def test_what_an_endpoint_has_from_its_pod_and_node() -> None:
    owner = "{apiVersion: apps/v1, kind: ReplicaSet, name: a-7d9f, controller: true}"
    labels = "app: a, security.istio.io/tlsMode: istio, topology.istio.io/network: net, pod-template-hash: 7d9f"
    found = only(service() + slice_of(endpoint(1)) + pod(1, labels, "sa", owner) + NODE).endpoints[0]
    assert (found.name, found.namespace, found.service_account) == ("a", "shop", "sa")
    assert (found.tls_mode, found.network, found.locality) == ("istio", "net", "r/z/s")
    assert found.labels["app"] == "a"
    assert found.references[0][0].full_name == "shop/a-1"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("app: a", "r/z/s"),
        ("istio-locality: r2.z2.s2", "r2/z2/s2"),
        ("topology.istio.io/locality: r3.z3, istio-locality: r2", "r3/z3"),
    ],
)
def test_locality(labels: str, expected: str) -> None:
    assert only(service() + slice_of(endpoint(1)) + pod(1, labels) + NODE).endpoints[0].locality == expected


def test_a_node_that_is_not_known_says_nothing() -> None:
    assert only(service() + slice_of(endpoint(1)) + pod(1)).endpoints[0].locality == ""


def test_an_account_that_is_not_stated_is_the_default_one() -> None:
    assert only(service() + slice_of(endpoint(1)) + pod(1)).endpoints[0].service_account == "default"


def test_an_endpoint_waits_for_its_pod() -> None:
    """Nobody knows whether it speaks mutual TLS, and as whom."""
    made = ServiceConversion(Cluster())
    (found,) = made.convert(read_kubernetes(documents(service() + slice_of(endpoint(1), endpoint(2)) + pod(2))))
    assert (addresses(found.endpoints), made.waiting) == (["10.1.0.2"], 1)


def test_an_endpoint_without_a_pod_is_somebody_elses() -> None:
    found = only(service() + slice_of("{addresses: [192.0.2.1]}")).endpoints[0]
    assert (found.address, found.tls_mode, found.service_account) == ("192.0.2.1", "disabled", "")


def test_an_endpoint_has_the_ports_of_its_slice_only() -> None:
    text = service("ports: [{name: http, port: 80}, {name: tcp, port: 90, targetPort: late}]")
    found = only(text + slice_of(endpoint(1), ports="{name: http, port: 8080}") + pod(1))
    assert [found.endpoints[0].port_for(port) for port in found.ports] == [8080, 0]


def test_slices_add_up_and_one_endpoint_counts_once() -> None:
    text = service() + slice_of(endpoint(1), endpoint(2)) + slice_of(endpoint(2), endpoint(3), name="a-2")
    found = only(text + pod(1) + pod(2) + pod(3))
    assert addresses(found.endpoints) == ["10.1.0.1", "10.1.0.2", "10.1.0.3"]


def test_of_two_families_the_services_first_is_called() -> None:
    six = slice_of("{addresses: ['fd00::1']}", name="a-6").replace("addressType: IPv4", "addressType: IPv6")
    four = slice_of("{addresses: [10.1.0.1]}")
    assert addresses(only(service() + four + six).endpoints) == ["10.1.0.1"]
    first_six = service("clusterIPs: ['fd00::9', 10.96.0.1]")
    assert addresses(only(first_six + four + six).endpoints) == ["fd00::1"]
    assert addresses(only(service("clusterIP: None") + six).endpoints) == ["fd00::1"]


def test_names_that_are_no_addresses_are_left_out() -> None:
    text = slice_of("{addresses: [db.example]}").replace("addressType: IPv4", "addressType: FQDN")
    assert only(service() + text).endpoints == ()


BEFORE = service() + slice_of(endpoint(1)) + pod(1)


@pytest.mark.parametrize(
    ("case", "after", "identical", "same_service"),
    [
        ("nothing", BEFORE, True, True),
        ("an endpoint more", service() + slice_of(endpoint(1), endpoint(2)) + pod(1) + pod(2), False, True),
        ("an endpoint less", service() + slice_of() + pod(1), False, True),
        ("a label of a pod", service() + slice_of(endpoint(1)) + pod(1, "app: b"), False, True),
        ("another port", service("ports: [{name: http, port: 81}]") + slice_of(endpoint(1)) + pod(1), False, False),
        (
            "an annotation",
            service(annotations="networking.istio.io/exportTo: '.'") + slice_of(endpoint(1)) + pod(1),
            False,
            False,
        ),
        ("an annotation that nobody reads", service(annotations="x: y") + slice_of(endpoint(1)) + pod(1), True, True),
        ("a pod of nobody", BEFORE + pod(7), True, True),
    ],
)
def test_what_a_change_touches(case: str, after: str, identical: bool, same_service: bool) -> None:
    """An unchanged service is the identical value; one of which an endpoint changed is still the same Service."""
    conversion = ServiceConversion(Cluster())
    (first,) = conversion.convert(read_kubernetes(documents(BEFORE)))
    (second,) = conversion.convert(read_kubernetes(documents(after)))
    assert (first is second) is identical, case
    assert (first.references == second.references) is same_service, case


def test_the_order_of_what_comes_makes_no_difference() -> None:
    text = documents(BEFORE + service(name="b") + pod(2) + NODE + slice_of(endpoint(2), name="a-2"))
    for each in text:
        each["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    one, two = native_services(text), native_services(list(reversed(text)))
    assert [(each.host, each.version, each.endpoints) for each in one] == [
        (each.host, each.version, each.endpoints) for each in two
    ]
