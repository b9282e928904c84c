"""Gateways that send TLS on by name, their own or the mesh's, and that route by name what they end."""

from collections.abc import Callable

import pytest
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import DownstreamTlsContext

from flotilla_pilot.compile.tls import ISTIO_ALPN
from flotilla_pilot.testing.meshes import Compiled, Mesh, make_proxy

PROXY = make_proxy("gate", 100, "router", LABELS={"app": "gate"})
SIMPLE = "mode: SIMPLE, credentialName: c"


def item(kind: str, name: str, spec: str, namespace: str = "default") -> str:
    return (
        f"\n---\napiVersion: networking.istio.io/v1\nkind: {kind}\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}}}\n"
    )


def gateway(*servers: str, name: str = "g") -> str:
    return item("Gateway", name, f"selector: {{app: gate}}, servers: [{', '.join(servers)}]")


def server(protocol: str, hosts: str, tls: str = "", port: int = 80) -> str:
    secured = f", tls: {{{tls}}}" if tls else ""
    return f"{{port: {{number: {port}, name: p, protocol: {protocol}}}, hosts: [{hosts}]{secured}}}"


def routes(spec: str, name: str = "r") -> str:
    return item("VirtualService", name, f"{spec}, gateways: [g]")


def names_of(compiled: Compiled, listener: str) -> list[list[str]]:
    return [list(chain.filter_chain_match.server_names) for chain in compiled.listeners[listener].filter_chains]


WORKLOAD = "\n---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: %s}\nspec: {%s}\n"
A = (
    item(
        "ServiceEntry",
        "a",
        "hosts: [a.default.svc.cluster.local], location: MESH_INTERNAL, resolution: STATIC, "
        "ports: [{number: 80, name: p, protocol: HTTP}], workloadSelector: {labels: {app: a}}",
    )
    + WORKLOAD % ("plain", "address: 10.0.0.1, labels: {app: a}")
    + WORKLOAD % ("mutual", "address: 10.0.0.2, labels: {app: a, security.istio.io/tlsMode: istio}")
)
OUTSIDE = item(
    "ServiceEntry",
    "x",
    "hosts: [x.default.svc.cluster.local], location: MESH_EXTERNAL, resolution: STATIC, "
    "ports: [{number: 80, name: p, protocol: HTTP}], endpoints: [{address: 10.0.0.3}]",
)
SUBSETS = item("DestinationRule", "a", "host: a, subsets: [{name: v1, labels: {version: v1}}]")
NAME = "outbound_.80_._.a.default.svc.cluster.local"
SUBSET = "outbound_.80_.v1_.a.default.svc.cluster.local"


def tls_routes(*hosts: str, to: str = "a", name: str = "t", namespace: str = "default") -> str:
    rules = ", ".join(
        f"{{match: [{{sniHosts: ['{host}']}}], route: [{{destination: {{host: {to}, port: {{number: 80}}}}}}]}}"
        for host in hosts
    )
    named = ", ".join(f"'{host}'" for host in hosts)
    return item("VirtualService", name, f"hosts: [{named}], gateways: [default/g], tls: [{rules}]", namespace)


def clusters_of(compiled: Compiled) -> list[str]:
    return sorted(each for each in compiled.clusters if each != "BlackHoleCluster")


@pytest.mark.parametrize(
    ("hosts", "exposed"),
    [
        ("'*.local'", [[NAME], [SUBSET]]),
        ("'*'", [[NAME], [SUBSET]]),
        ("./a.default.svc.cluster.local", [[NAME], [SUBSET]]),
        ("'*.other.svc.cluster.local'", []),
    ],
)
def test_auto_passthrough_exposes_what_its_hosts_cover(
    hosts: str, exposed: list[list[str]], validate: Callable[[Compiled], None]
) -> None:
    text = A + OUTSIDE + SUBSETS + gateway(server("TLS", hosts, "mode: AUTO_PASSTHROUGH", 15443))
    compiled = Mesh(text).compile(PROXY)
    assert (names_of(compiled, "0.0.0.0_15443") if exposed else []) == exposed
    assert [[each] for each in clusters_of(compiled)] == exposed
    assert bool(compiled.listeners) is bool(exposed)
    validate(compiled)


def test_only_callers_of_the_mesh_reach_only_who_speaks_its_tls() -> None:
    text = A + gateway(server("TLS", "'*.local'", "mode: AUTO_PASSTHROUGH", 15443))
    compiled = Mesh(text).compile(PROXY)
    (chain,) = compiled.listeners["0.0.0.0_15443"].filter_chains
    assert tuple(chain.filter_chain_match.application_protocols) == ISTIO_ALPN
    assert not chain.HasField("transport_socket")
    cluster = compiled.clusters[NAME]
    assert not cluster.HasField("transport_socket")
    assert not cluster.transport_socket_matches
    ends = [end for place in compiled.endpoints[NAME].endpoints for end in place.lb_endpoints]
    assert [end.endpoint.address.socket_address.address for end in ends] == ["10.0.0.2"]


def test_two_servers_expose_a_cluster_once(validate: Callable[[Compiled], None]) -> None:
    one = server("TLS", "'*.local'", "mode: AUTO_PASSTHROUGH", 15443)
    compiled = Mesh(A + gateway(one) + gateway(one, name="h")).compile(PROXY)
    assert names_of(compiled, "0.0.0.0_15443") == [[NAME]]
    validate(compiled)


def test_two_ports_of_one_number_are_exposed_once(validate: Callable[[Compiled], None]) -> None:
    twice = A.replace("protocol: HTTP}", "protocol: HTTP}, {number: 80, name: q, protocol: TCP}")
    compiled = Mesh(twice + gateway(server("TLS", "'*.local'", "mode: AUTO_PASSTHROUGH", 15443))).compile(PROXY)
    assert names_of(compiled, "0.0.0.0_15443") == [[NAME]]
    validate(compiled)


@pytest.mark.parametrize(
    ("case", "servers", "rules", "expected"),
    [
        ("one name", [server("TLS", "a.io", SIMPLE)], tls_routes("a.io"), [(["a.io"], True)]),
        (
            "ended here and passed on",
            [server("TLS", "a.io", SIMPLE), server("TLS", "b.io", "mode: PASSTHROUGH")],
            tls_routes("a.io", name="s") + tls_routes("b.io"),
            [(["a.io"], True), (["b.io"], False)],
        ),
        (
            "TCP for the names that no TLS route has",
            [server("TLS", "a.io, b.io", SIMPLE)],
            tls_routes("a.io")
            + routes("hosts: [b.io], tcp: [{route: [{destination: {host: a, port: {number: 80}}}]}]", "tcp"),
            [(["a.io"], True), (["b.io"], True)],
        ),
        ("everything", [server("TLS", "'*'", SIMPLE)], tls_routes("*"), [([], True)]),
        ("HTTP is not routed by name", [server("HTTPS", "a.io", SIMPLE)], tls_routes("a.io"), [(["a.io"], True)]),
        ("of no host of the server", [server("TLS", "b.io", SIMPLE)], tls_routes("a.io"), []),
        (
            "of no namespace of the server",
            [server("TLS", "./a.io", "mode: PASSTHROUGH")],
            tls_routes("a.io", namespace="other"),
            [],
        ),
    ],
)
def test_tls_routes_of_a_server(
    case: str,
    servers: list[str],
    rules: str,
    expected: list[tuple[list[str], bool]],
    validate: Callable[[Compiled], None],
) -> None:
    compiled = Mesh(A + gateway(*servers) + rules).compile(PROXY)
    chains = [chain for each in compiled.listeners.values() for chain in each.filter_chains]
    found = [(list(chain.filter_chain_match.server_names), chain.HasField("transport_socket")) for chain in chains]
    assert found == expected, case
    assert compiled.problems() == []
    validate(compiled)


@pytest.mark.parametrize(
    ("pin", "taken"),
    [
        ("verifyCertificateSpki: [%s=]" % ("a" * 43), True),
        ("verifyCertificateHash: [%s]" % ("ab" * 32), True),
        ("verifyCertificateSpki: [abc]", False),
        ("verifyCertificateHash: [abc]", False),
    ],
)
def test_a_pin_that_envoy_refuses_opens_nothing(pin: str, taken: bool, validate: Callable[[Compiled], None]) -> None:
    secured = f"mode: MUTUAL, credentialName: c, {pin}"
    compiled = Mesh(A + gateway(server("HTTPS", "a.io", secured), server("HTTPS", "b.io", SIMPLE))).compile(PROXY)
    assert names_of(compiled, "0.0.0.0_80") == ([["a.io"], ["b.io"]] if taken else [["b.io"]])
    refused = [("default/g", "refused-by-envoy", "spec.servers[0].tls")]
    assert compiled.problems() == ([] if taken else refused)
    validate(compiled)


def test_tcp_routes_keep_to_the_hosts_of_the_server() -> None:
    tcp = "tcp: [{route: [{destination: {host: a, port: {number: 80}}}]}]"
    text = A + gateway(server("TCP", "other.io", port=90)) + routes(f"hosts: [a.io], {tcp}")
    assert Mesh(text).compile(PROXY).listeners == {}


@pytest.mark.parametrize("rule", ["tcp: [{}]", "tls: [{match: [{sniHosts: [a.io]}]}]"])
def test_a_route_without_a_destination_is_none_and_harms_nobody(
    rule: str, validate: Callable[[Compiled], None]
) -> None:
    text = (
        A + gateway(server("TLS", "a.io", SIMPLE), server("HTTPS", "b.io", SIMPLE)) + routes(f"hosts: [a.io], {rule}")
    )
    compiled = Mesh(text).compile(PROXY)
    assert names_of(compiled, "0.0.0.0_80") == [["b.io"]]
    validate(compiled)


def test_a_gateway_that_ends_tls_without_a_route_has_no_chain() -> None:
    compiled = Mesh(A + gateway(server("TLS", "a.io", SIMPLE))).compile(PROXY)
    assert compiled.listeners == {}


@pytest.mark.parametrize("mode", ["MUTUAL", "OPTIONAL_MUTUAL"])
@pytest.mark.parametrize("skips", [True, False])
def test_a_server_may_take_certificates_of_anybody(
    mode: str, skips: bool, validate: Callable[[Compiled], None]
) -> None:
    secured = f"mode: {mode}, credentialName: c, insecureSkipVerify: {str(skips).lower()}"
    compiled = Mesh(A + gateway(server("HTTPS", "a.io", secured))).compile(PROXY)
    (chain,) = compiled.listeners["0.0.0.0_80"].filter_chains
    context = DownstreamTlsContext.FromString(chain.transport_socket.typed_config.value)
    asked = context.common_tls_context.combined_validation_context.default_validation_context
    assert (asked.trust_chain_verification == asked.ACCEPT_UNTRUSTED) is skips
    validate(compiled)


@pytest.mark.parametrize(
    ("stated", "authority"),
    [
        ("caCertificates: /ca.pem", "file-root:/ca.pem"),
        ("caCertificates: /ca.pem, caCrl: /crl.pem", "file-root:/ca.pem~/crl.pem"),
        ("caCertificates: /ca.pem, caCrl: /crl.pem, credentialName: c", "kubernetes://c-cacert"),
    ],
)
def test_what_is_revoked_comes_with_the_authority(
    stated: str, authority: str, validate: Callable[[Compiled], None]
) -> None:
    """Its agent reads both: Envoy would refuse the listener for a file that is not there."""
    tls = f"mode: MUTUAL, serverCertificate: /c.pem, privateKey: /k.pem, {stated}"
    compiled = Mesh(gateway(server("HTTPS", "x.io", tls, 443))).compile(PROXY)
    (chain,) = compiled.listeners["0.0.0.0_443"].filter_chains
    context = DownstreamTlsContext()
    chain.transport_socket.typed_config.Unpack(context)
    combined = context.common_tls_context.combined_validation_context
    assert combined.validation_context_sds_secret_config.name == authority
    validate(compiled)
