"""Services and endpoints, as ServiceEntry and WorkloadEntry describe them."""

from typing import Any

import pytest

from flotilla_pilot.model.frozen import FrozenMap
from flotilla_pilot.model.registry import is_ip
from flotilla_pilot.model.services import Endpoint, Resolution, Service, ServicePort
from flotilla_pilot.testing.meshes import Mesh
from flotilla_shared.model.protocols import Protocol


def services(text: str) -> list[Service]:
    return list(Mesh(text).snapshot.services)


def entry(spec: str, name: str = "s", namespace: str = "default", metadata: str = "") -> str:
    """A ServiceEntry of a flow-style spec."""
    return (
        "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\n"
        f"metadata: {{name: {name}, namespace: {namespace}{metadata}}}\nspec: {{{spec}}}\n"
    )


def workload(spec: str, name: str = "w", namespace: str = "default", metadata: str = "") -> str:
    return entry(spec, name, namespace, metadata).replace("ServiceEntry", "WorkloadEntry")


HTTP = "ports: [{number: 80, name: http, protocol: HTTP}]"
SELECTING = (
    f"hosts: [s.io], resolution: STATIC, location: MESH_INTERNAL, {HTTP}, workloadSelector: {{labels: {{app: a}}}}"
)


def test_an_entry_is_read_whole() -> None:
    (service,) = services(
        entry(
            "hosts: [API.example.com], addresses: [10.0.0.1/32, 10.1.0.0/16, 'fd00::1/128'], exportTo: ['.'],"
            "location: MESH_EXTERNAL, resolution: DNS, subjectAltNames: ['spiffe://x/y'],"
            "ports: [{number: 443, name: tls, protocol: TLS, targetPort: 8443}, {number: 5, name: odd, protocol: what}]"
        )
    )
    assert service.host == "api.example.com"
    assert service.addresses == ("10.0.0.1", "10.1.0.0/16", "fd00::1")
    assert service.external
    assert service.resolution is Resolution.DNS
    assert service.export_to == (".",)
    assert service.subject_alt_names == ("spiffe://x/y",)
    assert service.ports == (
        ServicePort(443, "tls", Protocol.TLS, 8443),
        ServicePort(5, "odd", Protocol.UNSUPPORTED, 0),
    )
    assert service.port(443) == service.ports[0]
    assert service.port(444) is None
    assert service.declaration(service.ports[1])[1] == "spec.ports[1]"


def test_every_host_is_a_service_once() -> None:
    found = services(entry(f"hosts: [b.io, a.io, A.io], resolution: NONE, {HTTP}"))
    assert [each.host for each in found] == ["a.io", "b.io"]


def test_services_are_oldest_first_and_by_host_among_equals() -> None:
    text = entry(f"hosts: [z.io, y.io], {HTTP}", "first") + entry(f"hosts: [a.io], {HTTP}", "second")
    assert [each.host for each in services(text)] == ["y.io", "z.io", "a.io"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("address: 10.0.0.1", Endpoint("10.0.0.1", "w", "default", labels=FrozenMap({"app": "a"}))),
        (
            "address: 10.0.0.1, serviceAccount: sa",
            Endpoint(
                "10.0.0.1", "w", "default", labels=FrozenMap({"app": "a"}), service_account="sa", tls_mode="istio"
            ),
        ),
        (
            "address: 10.0.0.1, weight: 7, locality: r/z/s, network: n, ports: {http: 8080, other: 1}",
            Endpoint(
                "10.0.0.1",
                "w",
                "default",
                ports=(("http", 8080), ("other", 1)),
                labels=FrozenMap({"app": "a"}),
                network="n",
                locality="r/z/s",
                weight=7,
            ),
        ),
    ],
)
def test_a_workload_is_an_endpoint(spec: str, expected: Endpoint) -> None:
    (service,) = services(entry(SELECTING) + workload(f"{spec}, labels: {{app: a}}"))
    (endpoint,) = service.endpoints
    assert without_references(endpoint) == without_references(expected)
    assert [key.full_name for key, _ in endpoint.references] == ["default/w"]


def without_references(endpoint: Endpoint) -> tuple[Any, ...]:
    return tuple(getattr(endpoint, name) for name in Endpoint.__slots__ if name != "references")


@pytest.mark.parametrize(
    ("spec_labels", "metadata", "account", "expected"),
    [
        ("app: a", "", "", "disabled"),
        ("app: a", "", "sa", "istio"),
        ("app: a, security.istio.io/tlsMode: disabled", "", "sa", "disabled"),
        ("app: a, security.istio.io/tlsMode: istio", "", "", "istio"),
        ("app: a", ", labels: {security.istio.io/tlsMode: disabled}", "sa", "disabled"),
    ],
)
def test_the_tls_mode_is_the_labels_else_the_accounts(
    spec_labels: str, metadata: str, account: str, expected: str
) -> None:
    text = workload(f"address: 10.0.0.1, labels: {{{spec_labels}}}, serviceAccount: '{account}'", metadata=metadata)
    (service,) = services(entry(SELECTING) + text)
    assert [each.tls_mode for each in service.endpoints] == [expected]


def test_labels_of_the_metadata_beat_those_of_the_spec() -> None:
    text = entry(SELECTING) + workload(
        "address: 10.0.0.1, labels: {app: b, version: v1}", metadata=", labels: {app: a, tier: front}"
    )
    (service,) = services(text)
    assert service.endpoints[0].labels == FrozenMap({"app": "a", "version": "v1", "tier": "front"})


@pytest.mark.parametrize(
    ("name", "spec", "namespace", "selected"),
    [
        ("all labels", "address: 10.0.0.1, labels: {app: a, x: y}", "default", True),
        ("another value", "address: 10.0.0.1, labels: {app: b}", "default", False),
        ("no labels", "address: 10.0.0.1", "default", False),
        ("another namespace", "address: 10.0.0.1, labels: {app: a}", "other", False),
    ],
)
def test_a_selector_selects_in_its_own_namespace(name: str, spec: str, namespace: str, selected: bool) -> None:
    (service,) = services(entry(SELECTING) + workload(spec, namespace=namespace))
    assert bool(service.endpoints) is selected, name


def test_a_selector_of_several_labels_wants_all_of_them() -> None:
    selecting = SELECTING.replace("{app: a}", "{app: a, version: v2}")
    text = entry(selecting) + "".join(
        workload(f"address: 10.0.0.{number}, labels: {{app: a, version: v{number}}}", f"w{number}")
        for number in (1, 2, 3)
    )
    (service,) = services(text)
    assert [each.address for each in service.endpoints] == ["10.0.0.2"]


def test_endpoints_are_oldest_first() -> None:
    text = entry(SELECTING) + "".join(
        workload(f"address: 10.0.0.{number}, labels: {{app: a}}", f"w{9 - number}") for number in (3, 1, 2)
    )
    (service,) = services(text)
    assert [each.address for each in service.endpoints] == ["10.0.0.3", "10.0.0.1", "10.0.0.2"]


def test_inline_endpoints_beat_the_selector() -> None:
    text = entry(f"{SELECTING}, endpoints: [{{address: 10.9.9.9}}]") + workload("address: 10.0.0.1, labels: {app: a}")
    (service,) = services(text)
    assert [each.address for each in service.endpoints] == ["10.9.9.9"]


@pytest.mark.parametrize(
    ("ports", "port", "expected"),
    [
        ((), ServicePort(80, "http", Protocol.HTTP), 80),
        ((), ServicePort(80, "http", Protocol.HTTP, 8080), 8080),
        ((("http", 9000),), ServicePort(80, "http", Protocol.HTTP, 8080), 9000),
        ((("grpc", 9000),), ServicePort(80, "http", Protocol.HTTP), 80),
    ],
)
def test_an_endpoints_port(ports: tuple[tuple[str, int], ...], port: ServicePort, expected: int) -> None:
    assert Endpoint("10.0.0.1", ports=ports).port_for(port) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (f"hosts: [a.io], resolution: DNS, {HTTP}", ["a.io"]),
        (f"hosts: [a.io, b.io], resolution: DNS_ROUND_ROBIN, {HTTP}", ["a.io", "b.io"]),
        (f"hosts: [a.io], resolution: DNS, {HTTP}, endpoints: [{{address: c.io}}]", ["c.io"]),
        (f"hosts: ['*.a.io'], resolution: DNS, {HTTP}", []),
        (f"hosts: [a.io], resolution: NONE, {HTTP}", []),
        (f"hosts: [a.io], resolution: STATIC, {HTTP}", []),
    ],
)
def test_a_service_of_dns_is_found_under_its_own_name(spec: str, expected: list[str]) -> None:
    assert [each.address for service in services(entry(spec)) for each in service.endpoints] == expected


def test_a_host_name_is_no_endpoint_of_a_static_service() -> None:
    mesh = Mesh(
        entry(f"hosts: [in.io], resolution: STATIC, {HTTP}, endpoints: [{{address: host.io}}, {{address: 10.0.0.1}}]")
        + entry(SELECTING, "selecting")
        + workload("address: somewhere.io, labels: {app: a}")
        + workload("address: 'unix:///run/app.sock', labels: {app: a}", "pipe")
    )
    found = {each.host: [endpoint.address for endpoint in each.endpoints] for each in mesh.snapshot.services}
    assert found == {"in.io": ["10.0.0.1"], "s.io": ["unix:///run/app.sock"]}
    assert mesh.problems() == [
        ("default/s", "endpoint-not-an-address", "spec.endpoints"),
        ("default/w", "endpoint-not-an-address", "spec.address"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"), [("10.0.0.1", True), ("fd00::1", True), ("host", False), ("10.0.0.0/8", False), ("", False)]
)
def test_what_is_an_address(text: str, expected: bool) -> None:
    assert is_ip(text) is expected


# -- one host, several entries


def declared(name: str, spec: str, namespace: str = "default") -> str:
    return (
        f"\n---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\nspec: {{hosts: [s.io], {spec}}}\n"
    )


WEB = "ports: [{number: 80, name: web, protocol: HTTP}], endpoints: [{address: 10.0.0.1, ports: {web: 8080}}]"
DATA = "ports: [{number: 80, name: other, protocol: TCP}, {number: 9000, name: data, protocol: TCP}]"
DATA += ", endpoints: [{address: 10.0.0.2}]"


def test_a_younger_entry_adds_its_ports_and_endpoints() -> None:
    (service,) = services(declared("a", f"resolution: STATIC, {WEB}") + declared("b", f"resolution: STATIC, {DATA}"))
    assert [(port.number, port.name) for port in service.ports] == [(80, "web"), (9000, "data")]
    found = {each.address: [each.port_for(port) for port in service.ports] for each in service.endpoints}
    assert found == {"10.0.0.1": [8080, 0], "10.0.0.2": [0, 9000]}
    assert [key.name for key, _ in service.references] == ["a", "b"]
    places = [service.declaration(port) for port in service.ports]
    assert [(key.name, place) for key, place in places] == [("a", "spec.ports[0]"), ("b", "spec.ports[1]")]


@pytest.mark.parametrize(
    ("case", "younger"),
    [
        ("another resolution", declared("b", f"resolution: NONE, {HTTP}")),
        ("another audience", declared("b", f"resolution: STATIC, exportTo: ['.'], {DATA}")),
        ("another location", declared("b", f"resolution: STATIC, location: MESH_INTERNAL, {DATA}")),
        ("another namespace", declared("b", f"resolution: STATIC, {DATA}", "other")),
        ("another selector", declared("b", f"resolution: STATIC, {HTTP}, workloadSelector: {{labels: {{a: b}}}}")),
    ],
)
def test_entries_that_do_not_agree_stay_apart(case: str, younger: str) -> None:
    found = services(declared("a", f"resolution: STATIC, {WEB}") + younger)
    assert len(found[0].ports) == 1, case
    assert len(found) == 2, case


def test_a_name_joined_of_two_entries_is_resolved_for_the_ports_of_each() -> None:
    text = declared("a", f"resolution: DNS, {HTTP}")
    text += declared("b", "resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS, targetPort: 8443}]")
    (service,) = services(text)
    assert [[each.port_for(port) for each in service.endpoints] for port in service.ports] == [[80, 0], [0, 8443]]
