"""Which service Mixer is told that a call is for; whose Mixer's cluster is; what all this depends on."""

from collections.abc import Callable
from typing import Any

import pytest

from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.compile.http_manager import HEADER_MUTATION, HTTP_MANAGER
from flotilla_pilot.compile.mixer import HTTP_CHECK, HTTP_REPORT, TCP_CHECK, TCP_REPORT
from flotilla_pilot.compile.resource import CLUSTER, LISTENER, TYPES
from flotilla_pilot.compile.tcp_proxy import TCP_PROXY
from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy
from flotilla_shared.model.static_attributes import METADATA, NAME, service_attributes

POLICY = "istio-policy.istio-system.svc.cluster.local"
MIXER = f"outbound|15004||{POLICY}"
PROXY = make_proxy("a-1", LABELS={"app": "a"})
ROUTER = make_proxy("way-in", 9, "router", LABELS={"istio": "ingressgateway"})


def document(kind: str, name: str, spec: str, namespace: str = "default", group: str = "networking") -> str:
    metadata = f"{{name: {name}, namespace: {namespace}}}"
    return f"---\napiVersion: {group}.istio.io/v1\nkind: {kind}\nmetadata: {metadata}\nspec: {{{spec}}}\n"


def service(host: str, port: str, more: str, namespace: str = "default") -> str:
    spec = f"hosts: [{host}], location: MESH_INTERNAL, resolution: STATIC, ports: [{{{port}}}], {more}"
    return document("ServiceEntry", host.partition(".")[0], spec, namespace)


def mesh_configuration(more: str = "") -> str:
    return (
        f"kind: MeshConfig\nspec: {{mixerCheckServer: '{POLICY}:15004', mixerReportServer: '{POLICY}:15004'{more}}}\n"
    )


def sidecar(protocol: str = "HTTP") -> str:
    port = f"port: {{number: 80, name: p, protocol: {protocol}}}"
    ingress = f"ingress: [{{{port}, bind: 127.0.2.1, defaultEndpoint: '0.0.0.0:80'}}]"
    return document("Sidecar", "own", f"{ingress}, egress: [{{bind: 127.0.3.1, hosts: ['*/*']}}]")


def peer_authentication(mode: str) -> str:
    return document("PeerAuthentication", "default", f"mtls: {{mode: {mode}}}", "istio-system", "security")


A = service(
    "a.default.svc.cluster.local", "number: 80, name: http, protocol: HTTP", "workloadSelector: {labels: {app: a}}"
)
B = service(
    "b.default.svc.cluster.local", "number: 80, name: http, protocol: HTTP", "endpoints: [{address: 127.0.2.2}]"
)
KV = service(
    "kv.default.svc.cluster.local", "number: 6379, name: tcp, protocol: TCP", "endpoints: [{address: 127.0.2.2}]"
)
WORKLOAD = document("WorkloadEntry", "a-1", "address: 127.0.2.1, labels: {app: a}, serviceAccount: a")
SERVERS = "endpoints: [{address: 127.0.0.14}], exportTo: ['.']"
OF_MIXER = service(POLICY, "number: 15004, name: grpc, protocol: GRPC", SERVERS, "istio-system")
REST = OF_MIXER + A + B + KV + WORKLOAD + sidecar() + peer_authentication("STRICT")
MESH = mesh_configuration() + REST


def compiled(text: str = MESH, proxy: Any = PROXY) -> Compiled:
    return Mesh(text).compile(proxy)


def static(message: Any) -> dict[str, str]:
    """The static attributes in a message's metadata."""
    metadata = as_dict(message).get("metadata", {})
    found: dict[str, str] = metadata.get("filter_metadata", {}).get(METADATA, {})
    return found


def of(name: str) -> dict[str, str]:
    return service_attributes(f"{name}.default.svc.cluster.local", "default")


def routes(found: Compiled, table: str) -> dict[str, list[dict[str, str]]]:
    """The static attributes of all routes of a table, by virtual host."""
    return {host.name: [static(each) for each in host.routes] for host in found.routes[table].virtual_hosts}


# --- the service of a route


BLACK_HOLE, PASSTHROUGH = {NAME: "BlackHoleCluster"}, {NAME: "PassthroughCluster"}


def to(*destinations: str) -> str:
    return f"route: [{', '.join(destinations)}]"


def share(host: str, weight: int) -> str:
    return f"{{destination: {{host: {host}}}, weight: {weight}}}"


ROUTED = [
    ("one destination", to("{destination: {host: b}}"), of("b")),
    ("the first of several", to(share("b", 1), share("a", 99)), of("b")),
    ("the first that gets anything", to(share("b", 0), share("a", 1)), of("a")),
    ("nobody", to("{destination: {host: nobody}}"), BLACK_HOLE),
    ("a subset that is none", to("{destination: {host: b, subset: v9}}"), BLACK_HOLE),
    ("no place", "redirect: {uri: /new}", {}),
    ("an answer of the proxy's own", "directResponse: {status: 418}", {}),
    ("what Envoy refuses, which is answered 503", f"{to('{destination: {host: b}}')}, timeout: -1s", of("b")),
]


@pytest.mark.parametrize(("leads_to", "rule", "expected"), ROUTED)
@pytest.mark.parametrize("proxy", [PROXY, ROUTER], ids=["sidecar", "gateway"])
def test_the_service_of_a_route_is_where_it_leads(
    leads_to: str, rule: str, expected: dict[str, str], proxy: Any, validate: Callable[[Compiled], None]
) -> None:
    port = "{number: 8080, name: http, protocol: HTTP}"
    gateway = f"selector: {{istio: ingressgateway}}, servers: [{{port: {port}, hosts: ['*']}}]"
    rules = document("VirtualService", "a", f"hosts: [a], gateways: [mesh, g], http: [{{{rule}}}]")
    found = compiled(MESH + document("Gateway", "g", gateway) + rules, proxy)
    table, label = ("80", "80") if proxy is PROXY else ("http.8080", "8080")
    assert routes(found, table)[f"a.default.svc.cluster.local:{label}"] == [expected], leads_to
    validate(found)


@pytest.mark.parametrize(
    ("policy", "mode", "host", "expected"),
    [
        ("REGISTRY_ONLY", "NONE", "block_all", [BLACK_HOLE]),
        ("ALLOW_ANY", "NONE", "allow_any", [PASSTHROUGH, PASSTHROUGH]),
        ("REGISTRY_ONLY", "REDIRECT", "block_all", [BLACK_HOLE]),
        ("ALLOW_ANY", "REDIRECT", "allow_any", [PASSTHROUGH]),
    ],
)
def test_what_leads_to_no_service_is_named_after_its_cluster(
    policy: str, mode: str, host: str, expected: list[dict[str, str]]
) -> None:
    text = mesh_configuration(f", outboundTrafficPolicy: {{mode: {policy}}}") + REST
    proxy = make_proxy("a-1", LABELS={"app": "a"}, INTERCEPTION_MODE=mode)
    assert routes(compiled(text, proxy), "80")[host] == expected


# --- the service of a listener and of a cluster


def inbound(found: Compiled) -> Any:
    return found.listeners["127.0.2.1_80"]


OLDER = service(
    "z.other.svc.cluster.local", "number: 80, name: http, protocol: HTTP", "endpoints: [{address: 127.0.2.1}]"
)
SERVED = [
    ("by selector", MESH, of("a")),
    ("by an application's address", MESH.replace("127.0.2.1, labels", "127.0.1.1, labels"), of("a")),
    (
        "by a port of its own",
        MESH.replace("number: 80, name: http", "number: 8000, targetPort: 80, name: http"),
        of("a"),
    ),
    ("on another port", MESH.replace("number: 80, name: http", "number: 81, name: http"), {}),
    ("by nobody", MESH.replace("labels: {app: a}, serviceAccount", "labels: {app: c}, serviceAccount"), {}),
    (
        "by two, of which the older speaks",
        mesh_configuration() + OLDER + REST,
        service_attributes("z.other.svc.cluster.local", "default"),
    ),
]


@pytest.mark.parametrize(("case", "text", "expected"), SERVED)
def test_the_service_that_is_entered_by_a_listener(
    case: str, text: str, expected: dict[str, str], validate: Callable[[Compiled], None]
) -> None:
    found = compiled(text)
    assert static(inbound(found)) == expected, case
    (chain,) = as_dict(inbound(found))["filter_chains"]
    manager = chain["filters"][0]["typed_config"]
    (route,) = manager["route_config"]["virtual_hosts"][0]["routes"]
    assert route.get("metadata", {}).get("filter_metadata", {}).get(METADATA, {}) == expected
    assert manager["http_filters"][0]["name"] == HTTP_CHECK  # who serves nothing is asked about all the same
    validate(found)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("outbound|80||a.default.svc.cluster.local", of("a")),
        ("outbound|6379||kv.default.svc.cluster.local", of("kv")),
        (MIXER, service_attributes(POLICY, "istio-system")),
        ("inbound|80||", {}),
        ("BlackHoleCluster", {}),
    ],
)
def test_the_service_of_a_cluster(name: str, expected: dict[str, str]) -> None:
    assert static(compiled().clusters[name]) == expected


def test_the_service_of_an_outbound_tcp_listener_is_the_one_that_is_called() -> None:
    found = compiled()
    assert static(found.listeners["127.0.3.1_6379"]) == of("kv")
    assert static(found.listeners["127.0.3.1_80"]) == {}  # requests have routes to say so


# --- what chains of each kind have


CHAINS = [
    # mode, protocol; for each chain: what it ends or passes on, what asks Mixer, whether it waits for the handshake and distrusts
    ("STRICT", "HTTP", [("mtls", HTTP_CHECK, False, False)]),
    ("STRICT", "TCP", [("mtls", TCP_CHECK, True, False)]),
    ("PERMISSIVE", "HTTP", [("mtls", HTTP_CHECK, False, False), ("plaintext", HTTP_CHECK, False, True)]),
    (
        "PERMISSIVE",
        "TCP",
        [
            ("mtls", TCP_CHECK, True, False),
            ("plaintext", TCP_CHECK, False, False),
            ("foreign-tls", TCP_CHECK, False, False),
        ],
    ),
    (
        "PERMISSIVE",
        "''",
        [
            ("mtls", HTTP_CHECK, False, False),
            ("mtls", TCP_CHECK, True, False),
            ("plaintext", HTTP_CHECK, False, True),
            ("plaintext", TCP_CHECK, False, False),
            ("foreign-tls", TCP_CHECK, False, False),
        ],
    ),
    ("DISABLE", "HTTP", [("plaintext", HTTP_CHECK, False, True)]),
    ("DISABLE", "TCP", [("plaintext", TCP_CHECK, False, False)]),
]


def takes(chain: Any) -> str:
    transport = "foreign-tls" if chain["filter_chain_match"]["transport_protocol"] == "tls" else "plaintext"
    return "mtls" if "transport_socket" in chain else transport


def asks(chain: Any) -> str:
    """The first filter of a chain, or of the connection manager in it."""
    first = chain["filters"][0]
    return str(first["typed_config"]["http_filters"][0]["name"] if first["name"] == HTTP_MANAGER else first["name"])


def waits(chain: Any) -> bool:
    """Whether the application is called only once the caller has shown its certificate."""
    last = chain["filters"][-1]
    mode = last["typed_config"].get("upstream_connect_mode", "IMMEDIATE")
    assert mode == "IMMEDIATE" or last["typed_config"]["max_early_data_bytes"]
    return bool(last["name"] == TCP_PROXY and mode == "ON_DOWNSTREAM_TLS_HANDSHAKE")


def distrusts(chain: Any) -> bool:
    found = chain["filters"][-1]["typed_config"].get("early_header_mutation_extensions", [])
    return [each["name"] for each in found] == [HEADER_MUTATION]


@pytest.mark.parametrize(("mode", "protocol", "expected"), CHAINS)
def test_each_chain_of_a_way_in(
    mode: str, protocol: str, expected: list[Any], validate: Callable[[Compiled], None]
) -> None:
    found = compiled(mesh_configuration() + OF_MIXER + A + WORKLOAD + sidecar(protocol) + peer_authentication(mode))
    chains = as_dict(inbound(found))["filter_chains"]
    assert [(takes(each), asks(each), waits(each), distrusts(each)) for each in chains] == expected
    validate(found)


def test_headers_that_carry_trust_are_taken_from_plaintext_callers_without_mixer_too() -> None:
    found = compiled("kind: MeshConfig\nspec: {}\n" + A + WORKLOAD + sidecar() + peer_authentication("PERMISSIVE"))
    mutual, plain = as_dict(inbound(found))["filter_chains"]
    assert (distrusts(mutual), distrusts(plain)) == (False, True)


def logs(chain: Any) -> tuple[str, str]:
    """The last filter of a chain, and the direction by which it tells Mixer."""
    last = chain["filters"][-1]
    (log,) = last["typed_config"]["access_log"]
    assert log["name"] == (HTTP_REPORT if last["name"] == HTTP_MANAGER else TCP_REPORT)
    return last["name"], log["typed_config"]["common_config"]["log_name"]


WAYS_IN = [
    # server, routes, what asks, what tells
    ("port: {number: 8080, name: p, protocol: HTTP}, hosts: ['*']", "http: [{%s}]", HTTP_CHECK, HTTP_MANAGER),
    (
        "port: {number: 8080, name: p, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: c}",
        "http: [{%s}]",
        HTTP_CHECK,
        HTTP_MANAGER,
    ),
    ("port: {number: 8080, name: p, protocol: TCP}, hosts: ['*']", "tcp: [{%s}]", TCP_CHECK, TCP_PROXY),
    (
        "port: {number: 8080, name: p, protocol: TLS}, hosts: ['*'], tls: {mode: PASSTHROUGH}",
        "tls: [{match: [{sniHosts: [x.io]}], %s}]",
        TCP_CHECK,
        TCP_PROXY,
    ),
]


@pytest.mark.parametrize(("server", "rule", "asking", "telling"), WAYS_IN)
def test_each_way_into_a_gateway(
    server: str, rule: str, asking: str, telling: str, validate: Callable[[Compiled], None]
) -> None:
    gateway = document("Gateway", "g", f"selector: {{istio: ingressgateway}}, servers: [{{{server}}}]")
    leads = rule % to("{destination: {host: b}}")
    found = compiled(MESH + gateway + document("VirtualService", "v", f"hosts: ['*'], gateways: [g], {leads}"), ROUTER)
    (chain,) = as_dict(found.listeners["0.0.0.0_8080"])["filter_chains"]
    assert (asks(chain), *logs(chain)) == (asking, telling, "outbound")
    assert distrusts(chain) is (telling == HTTP_MANAGER)
    validate(found)


def test_connections_by_name_are_told_too(validate: Callable[[Compiled], None]) -> None:
    tls = service(
        "t.default.svc.cluster.local", "number: 443, name: tls, protocol: TLS", "endpoints: [{address: 127.0.2.3}]"
    )
    found = compiled(MESH + tls)
    (chain,) = as_dict(found.listeners["127.0.3.1_443"])["filter_chains"]
    assert logs(chain) == (TCP_PROXY, "outbound")
    assert static(found.clusters["outbound|443||t.default.svc.cluster.local"]) == of("t")
    validate(found)


# --- whose Mixer's cluster is


TO_MIXER = "http: [{route: [{destination: {host: " + POLICY + ", port: {number: 15004}}}]}]"
USERS_OWN = (
    document("DestinationRule", "d", f"host: {POLICY}, trafficPolicy: {{tls: {{mode: DISABLE}}}}", "istio-system")
    + document(
        "Gateway",
        "g",
        "selector: {istio: ingressgateway}, servers: [{port: {number: 8080, name: h, protocol: HTTP}, hosts: ['*']}]",
    )
    + document("VirtualService", "v", f"hosts: ['*'], gateways: [g], {TO_MIXER}")
)
FOREIGN = service(POLICY, "number: 15004, name: tcp, protocol: TCP", "endpoints: [{address: 10.9.9.9}]", "default")
CLASHES = [
    ("nobody sees it", MESH),
    ("everybody sees it", MESH.replace("exportTo: ['.']", "exportTo: ['*']")),
    ("rules and routes are for it", MESH.replace("exportTo: ['.']", "exportTo: ['*']") + USERS_OWN),
    ("the port is said to be TCP", MESH.replace("name: grpc, protocol: GRPC", "name: tcp, protocol: TCP")),
    ("a namespace declares the host for itself", MESH + FOREIGN),
    ("automatic mTLS is off", mesh_configuration(", enableAutoMtls: false") + REST),
]


@pytest.mark.parametrize(("case", "text"), CLASHES)
@pytest.mark.parametrize("proxy", [PROXY, ROUTER], ids=["sidecar", "gateway"])
def test_mixers_cluster_is_pilots_own(case: str, text: str, proxy: Any, validate: Callable[[Compiled], None]) -> None:
    found, plain = compiled(text, proxy), compiled(MESH, proxy)
    assert found.clusters[MIXER] == plain.clusters[MIXER], case
    assert as_dict(found.endpoints[MIXER]) == as_dict(plain.endpoints[MIXER])
    validate(found)


def test_identity_and_root_namespace_are_those_of_the_mesh() -> None:
    text = mesh_configuration(", trustDomain: example.org, rootNamespace: flotilla") + REST
    cluster = as_dict(compiled(text).clusters[MIXER])
    context = cluster["transport_socket"]["typed_config"]["common_tls_context"]
    (san,) = context["combined_validation_context"]["default_validation_context"]["match_typed_subject_alt_names"]
    assert san["matcher"]["exact"] == "spiffe://example.org/ns/flotilla/sa/istio-mixer-service-account"


# --- what depends on what


def test_scopes_share_the_cluster_and_the_next_snapshot_has_it_too() -> None:
    compiler = Compiler()
    clusters = [
        compiler.compile(Mesh(text).snapshot, proxy).resources[CLUSTER][MIXER]
        for text in (MESH, MESH + document("WorkloadEntry", "z", "address: 127.0.2.9"))
        for proxy in (PROXY, make_proxy("c", 3, namespace="other"), ROUTER)
    ]
    assert all(each is clusters[0] for each in clusters)
    assert {(key.name, key.namespace) for key in clusters[0].depends_on} == {
        ("istio", "istio-system"),
        ("istio-policy", "istio-system"),
    }


@pytest.mark.parametrize(
    ("case", "after", "expected"),
    [
        ("nothing", MESH, set()),
        (
            "nobody passes any more, or everybody",
            mesh_configuration(", policyCheckFailOpen: true") + REST,
            {"127.0.2.1_80"},
        ),
        (
            "callers ask too",
            mesh_configuration(", enableClientSidePolicyCheck: true") + REST,
            {"127.0.3.1_80"},
        ),
        (
            "requests are not reported",
            mesh_configuration(", disableMixerHttpReports: true") + REST,
            {"127.0.2.1_80", "127.0.3.1_80"},
        ),
        ("Mixer moves", MESH.replace("127.0.0.14", "127.0.0.15"), {MIXER}),
        (
            "the workload serves no more",
            MESH.replace("workloadSelector: {labels: {app: a}}", "workloadSelector: {labels: {app: c}}"),
            {"127.0.2.1_80", "outbound|80||a.default.svc.cluster.local"},
        ),
    ],
)
def test_only_what_a_change_concerns_is_new(case: str, after: str, expected: set[str]) -> None:
    compiler = Compiler()
    first, second = (compiler.compile(Mesh(text).snapshot, PROXY).resources for text in (MESH, after))
    changed = {name for each in TYPES for name in second[each] if first[each].get(name, None) is not second[each][name]}
    assert changed == expected, case


def test_a_way_in_depends_on_what_makes_the_service_its_own() -> None:
    held = compiled().compiled.resources[LISTENER]["127.0.2.1_80"]
    assert {key.name for key in held.depends_on} == {"istio", "own", "default", "a", "a-1"}


def test_mixer_may_come_later() -> None:
    compiler = Compiler()
    without = mesh_configuration() + A + WORKLOAD + sidecar()
    before, after = (compiler.compile(Mesh(text).snapshot, PROXY) for text in (without, without + OF_MIXER))
    ((key, (problem,)),) = before.problems.items()
    assert (key.name, problem.severity, POLICY in problem.text) == ("istio", "warning", True)
    assert not after.problems
    assert before.resources[CLUSTER][MIXER] is not after.resources[CLUSTER][MIXER]
    assert Compiled(after).endpoints[MIXER].endpoints
