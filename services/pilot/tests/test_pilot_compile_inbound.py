"""A sidecar's inbound side: chains by PeerAuthentication and protocol, and where the application is."""

from collections.abc import Callable
from typing import Any

import pytest

from flotilla_pilot.compile.inbound_chains import Chain, Kind, chains
from flotilla_pilot.compile.tls import ISTIO_ALPN, ISTIO_HTTP_ALPN
from flotilla_pilot.model.authentication import DISABLE, PERMISSIVE, STRICT
from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy
from flotilla_shared.model.protocols import Protocol

HTTP, TCP = Kind.HTTP, Kind.TCP
PLAIN_HTTP = ("http/1.1", "h2c")
ISTIO_TCP = ("istio", "istio-peer-exchange")

# What each chain matches (transport, ALPN), what it speaks, and whether it ends mutual TLS: pilot.md 2.6.
TABLE: dict[tuple[int, Protocol], list[tuple[str, tuple[str, ...], Kind, bool]]] = {
    (STRICT, Protocol.HTTP): [("tls", (), HTTP, True)],
    (STRICT, Protocol.TCP): [("tls", (), TCP, True)],
    (STRICT, Protocol.UNSUPPORTED): [("tls", ISTIO_HTTP_ALPN, HTTP, True), ("tls", (), TCP, True)],
    (PERMISSIVE, Protocol.HTTP): [("tls", ISTIO_ALPN, HTTP, True), ("raw_buffer", (), HTTP, False)],
    (PERMISSIVE, Protocol.TCP): [
        ("tls", ISTIO_ALPN, TCP, True),
        ("raw_buffer", (), TCP, False),
        ("tls", (), TCP, False),
    ],
    (PERMISSIVE, Protocol.UNSUPPORTED): [
        ("tls", ISTIO_HTTP_ALPN, HTTP, True),
        ("tls", ISTIO_TCP, TCP, True),
        ("raw_buffer", PLAIN_HTTP, HTTP, False),
        ("raw_buffer", (), TCP, False),
        ("tls", (), TCP, False),
    ],
    (DISABLE, Protocol.HTTP): [("raw_buffer", (), HTTP, False)],
    (DISABLE, Protocol.TCP): [("raw_buffer", (), TCP, False)],
    (DISABLE, Protocol.UNSUPPORTED): [("raw_buffer", PLAIN_HTTP, HTTP, False), ("raw_buffer", (), TCP, False)],
}


def seen(chain: Chain) -> tuple[str, tuple[str, ...], Kind, bool]:
    return chain.transport, chain.alpn, chain.kind, chain.mutual


@pytest.mark.parametrize(("mode", "protocol"), TABLE)
def test_the_chains_of_a_mode_and_a_protocol(mode: int, protocol: Protocol) -> None:
    assert [seen(each) for each in chains(mode, protocol)] == TABLE[mode, protocol]


@pytest.mark.parametrize(
    ("protocol", "like"),
    [
        (Protocol.GRPC, Protocol.HTTP),
        (Protocol.HTTP2, Protocol.HTTP),
        (Protocol.TLS, Protocol.TCP),
        (Protocol.MONGO, Protocol.TCP),
    ],
)
@pytest.mark.parametrize("mode", [STRICT, PERMISSIVE, DISABLE])
def test_protocols_of_one_class_have_the_same_chains(mode: int, protocol: Protocol, like: Protocol) -> None:
    assert chains(mode, protocol) == chains(mode, like)


def mesh(protocol: str = "HTTP", mode: str = "STRICT", endpoint: str = "0.0.0.0:9080", extra: str = "") -> Mesh:
    return Mesh(f"""
kind: MeshConfig
spec: {{accessLogFile: /dev/stdout, trustDomainAliases: [old.example]}}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: own, namespace: default}}
spec:
  ingress:
  - {{port: {{number: 9080, name: p, protocol: {protocol}}}, bind: 127.0.2.1, defaultEndpoint: "{endpoint}"}}
{extra}  egress: [{{bind: 127.0.3.1, hosts: ["*/*"]}}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: default}}
spec: {{mtls: {{mode: {mode}}}}}
""")


PROXY = make_proxy("a-v1", LABELS={"app": "a"})


@pytest.mark.parametrize("mode", ["STRICT", "PERMISSIVE", "DISABLE"])
@pytest.mark.parametrize("protocol", ["HTTP", "GRPC", "TCP", "''"])
def test_envoy_takes_every_combination(mode: str, protocol: str, validate: Callable[[Compiled], None]) -> None:
    validate(mesh(protocol, mode).compile(PROXY))


def test_a_strict_listener_asks_for_a_certificate_of_the_mesh_and_of_its_aliases() -> None:
    listener = as_dict(mesh().compile(PROXY).listeners["127.0.2.1_9080"])
    (chain,) = listener["filter_chains"]
    assert chain["filter_chain_match"] == {"destination_port": 9080, "transport_protocol": "tls"}
    context = chain["transport_socket"]["typed_config"]
    assert context["require_client_certificate"] is True
    validation = context["common_tls_context"]["combined_validation_context"]["default_validation_context"]
    assert validation["match_typed_subject_alt_names"] == [
        {"san_type": "URI", "matcher": {"prefix": "spiffe://cluster.local/"}},
        {"san_type": "URI", "matcher": {"prefix": "spiffe://old.example/"}},
    ]


def test_connections_that_no_chain_takes_are_logged() -> None:
    listener = as_dict(mesh().compile(PROXY).listeners["127.0.2.1_9080"])
    (log,) = listener["access_log"]
    assert log["filter"] == {"response_flag_filter": {"flags": ["NR"]}}


@pytest.mark.parametrize(
    ("protocol", "mode", "expected"),
    [
        ("HTTP", "PERMISSIVE", ["tls_inspector"]),
        ("''", "STRICT", ["tls_inspector"]),
        ("''", "PERMISSIVE", ["tls_inspector", "http_inspector"]),
        ("''", "DISABLE", ["http_inspector"]),
        ("TCP", "DISABLE", []),
    ],
)
def test_the_inspectors_that_the_chains_need(protocol: str, mode: str, expected: list[str]) -> None:
    listener = mesh(protocol, mode).compile(PROXY).listeners["127.0.2.1_9080"]
    assert [each.name.rpartition(".")[2] for each in listener.listener_filters] == expected


def application(compiled: Compiled) -> tuple[Any, ...]:
    """Where the inbound cluster leads, and the address it calls from."""
    cluster = compiled.clusters["inbound|9080||"]
    address = cluster.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address
    source = cluster.upstream_bind_config.source_address.address
    if address.HasField("pipe"):
        return address.pipe.path, source
    return address.socket_address.address, address.socket_address.port_value, source


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("0.0.0.0:9080", ("127.0.1.1", 9080, "127.0.0.6")),
        ("0.0.0.0:8000", ("127.0.1.1", 8000, "127.0.0.6")),
        ("", ("127.0.1.1", 9080, "127.0.0.6")),
        ("127.0.0.1:8000", ("127.0.0.1", 8000, "")),
        ("unix:///run/app.sock", ("/run/app.sock", "127.0.0.6")),
        ("[::1]:8000", ("127.0.0.1", 8000, "")),
        ("[::]:8000", ("::1", 8000, "")),
    ],
)
def test_where_the_application_is(endpoint: str, expected: tuple[Any, ...]) -> None:
    assert application(mesh(endpoint=endpoint).compile(PROXY)) == expected


@pytest.mark.parametrize(("protocol", "http2"), [("HTTP", False), ("GRPC", True), ("HTTP2", True), ("TCP", False)])
def test_the_application_is_spoken_to_as_its_port_says(protocol: str, http2: bool) -> None:
    cluster = mesh(protocol).compile(PROXY).clusters["inbound|9080||"]
    assert bool(cluster.typed_extension_protocol_options) is http2


def test_without_an_ingress_there_is_no_way_in() -> None:
    compiled = Mesh("").compile(PROXY)
    assert list(compiled.listeners) == []
    assert not [name for name in compiled.clusters if name.startswith("inbound")]


def test_a_second_listener_on_one_address_is_told() -> None:
    again = '  - {port: {number: 9080, name: q, protocol: TCP}, bind: 127.0.2.1, defaultEndpoint: "127.0.0.1:1"}\n'
    compiled = mesh(extra=again).compile(PROXY)
    assert compiled.problems() == [("default/own", "listener-taken", "spec.ingress[1]")]
    assert application(compiled) == ("127.0.1.1", 9080, "127.0.0.6")


@pytest.mark.parametrize(
    "ingress",
    [
        "{port: {number: 9081, name: q, protocol: TCP}, bind: not.an.ip}",
        "{port: {number: 99999, name: q, protocol: TCP}}",
    ],
)
def test_a_place_that_is_none_is_left_out_and_told(ingress: str, validate: Callable[[Compiled], None]) -> None:
    compiled = mesh(extra=f"  - {ingress}\n").compile(PROXY)
    assert compiled.problems() == [("default/own", "bad-address", "spec.ingress[1]")]
    assert [name for name in compiled.listeners if "9080" in name] == ["127.0.2.1_9080"]
    validate(compiled)


def test_the_mode_is_that_of_the_port() -> None:
    text = """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: own, namespace: default}
spec:
  ingress:
  - {port: {number: 80, name: p, protocol: HTTP}, bind: 127.0.2.1}
  - {port: {number: 81, name: q, protocol: HTTP}, bind: 127.0.2.1}
  egress: [{hosts: ["*/*"]}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec: {selector: {matchLabels: {app: a}}, mtls: {mode: STRICT}, portLevelMtls: {81: {mode: DISABLE}}}
"""
    listeners = Mesh(text).compile(PROXY).listeners
    mutual = {
        name: [(chain.name, chain.HasField("transport_socket")) for chain in each.filter_chains]
        for name, each in listeners.items()
    }
    assert mutual == {
        "127.0.2.1_80": [("127.0.2.1_80", True)],
        "127.0.2.1_81": [("127.0.2.1_81", False)],
    }
