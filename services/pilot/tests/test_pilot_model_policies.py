"""1.4's Policy and MeshPolicy: which one counts for a port, and how they stand beside PeerAuthentication."""

from collections.abc import Callable
from typing import Any

import pytest

from flotilla_pilot.model.authentication import DISABLE, PERMISSIVE, STRICT
from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy

SERVICES = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web}
spec:
  hosts: [web.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}, {number: 90, name: tcp, protocol: TCP}]
  endpoints: [{address: 10.1.0.1, labels: {app: web}, serviceAccount: web}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: other}
spec:
  hosts: [other.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 81, name: http, protocol: HTTP, targetPort: 8080}]
  endpoints: [{address: 10.1.0.1, labels: {app: web}, serviceAccount: web}]
"""
MTLS, EITHER, PLAIN = "peers: [{mtls: {}}]", "peers: [{mtls: {mode: PERMISSIVE}}]", "peers: []"
WHOLE, PORT = "targets: [{name: web}]", "targets: [{name: web, ports: [{number: 80}]}]"


def policy(name: str, spec: str, kind: str = "Policy", namespace: str = "default") -> str:
    metadata = f"{{name: {name}, namespace: {namespace}}}"
    return f"---\napiVersion: authentication.istio.io/v1alpha1\nkind: {kind}\nmetadata: {metadata}\nspec: {{{spec}}}\n"


def mesh_policy(spec: str) -> str:
    return policy("default", spec, "MeshPolicy", "''")


def peers(name: str, spec: str, namespace: str = "default") -> str:
    metadata = f"{{name: {name}, namespace: {namespace}}}"
    return f"---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {metadata}\nspec: {{{spec}}}\n"


def asked(text: str, port: int = 8080) -> int:
    snapshot = Mesh(SERVICES + text).snapshot
    return snapshot.peer_mode("default", {"app": "web"}, ("10.1.0.1",), port).mode


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (MTLS, STRICT),
        ("peers: [{mtls: {mode: STRICT}}]", STRICT),
        ("peers: [{}]", STRICT),
        (EITHER, PERMISSIVE),
        ("peers: [{mtls: {allowTls: true}}]", PERMISSIVE),
        (PLAIN, DISABLE),
        ("", DISABLE),
        ("peers: [{jwt: {issuer: a}}]", DISABLE),
        ("peers: [{jwt: {issuer: a}}, {mtls: {}}]", STRICT),
        (f"peerIsOptional: true, {MTLS}", STRICT),
    ],
)
def test_what_the_peers_of_a_policy_say(spec: str, expected: int) -> None:
    assert asked(policy("default", spec)) == expected
    assert asked(mesh_policy(spec)) == expected


NAMESPACE = policy("default", PLAIN)


@pytest.mark.parametrize(
    ("case", "text", "expected"),
    [
        ("nobody says", "", PERMISSIVE),
        ("the namespace's over the mesh's", mesh_policy(MTLS) + NAMESPACE, DISABLE),
        ("a service's over the namespace's", NAMESPACE + policy("w", f"{WHOLE}, {MTLS}"), STRICT),
        ("a port's over its service's", policy("w", f"{WHOLE}, {PLAIN}") + policy("p", f"{PORT}, {MTLS}"), STRICT),
        ("the order of age does not matter", policy("p", f"{PORT}, {MTLS}") + policy("w", f"{WHOLE}, {PLAIN}"), STRICT),
        ("a port by its name", policy("p", f"targets: [{{name: web, ports: [{{name: http}}]}}], {MTLS}"), STRICT),
        ("another port", policy("p", f"targets: [{{name: web, ports: [{{number: 90}}]}}], {MTLS}"), PERMISSIVE),
        (
            "the workload's port is no service's",
            policy("p", f"targets: [{{name: web, ports: [{{number: 8080}}]}}], {MTLS}"),
            PERMISSIVE,
        ),
        ("another service of the port", policy("o", f"targets: [{{name: other}}], {MTLS}"), STRICT),
        ("a service that is elsewhere", policy("x", f"targets: [{{name: third}}], {MTLS}"), PERMISSIVE),
        ("one of several targets", policy("x", f"targets: [{{name: third}}, {{name: web}}], {MTLS}"), STRICT),
        ("another namespace's", policy("w", f"{WHOLE}, {MTLS}", namespace="far"), PERMISSIVE),
        ("another namespace's default", policy("default", MTLS, namespace="far"), PERMISSIVE),
        ("labels", policy("l", f"targets: [{{labels: {{app: web}}}}], {MTLS}"), STRICT),
        ("other labels", policy("l", f"targets: [{{labels: {{app: far}}}}], {MTLS}"), PERMISSIVE),
        ("a target that names nothing", policy("l", f"targets: [{{}}], {MTLS}"), PERMISSIVE),
        (
            "labels and a port",
            policy("l", f"targets: [{{labels: {{app: web}}, ports: [{{number: 81}}]}}], {MTLS}"),
            STRICT,
        ),
        ("the older of two", policy("b", f"{WHOLE}, {MTLS}") + policy("a", f"{WHOLE}, {PLAIN}"), STRICT),
    ],
)
def test_the_narrowest_policy_counts(case: str, text: str, expected: int) -> None:
    assert asked(text) == expected, case


OWN = "selector: {matchLabels: {app: web}}"


@pytest.mark.parametrize(
    ("case", "text", "expected"),
    [
        ("both for the mesh", mesh_policy(MTLS) + peers("m", "mtls: {mode: DISABLE}", "istio-system"), DISABLE),
        ("both for the namespace", policy("default", MTLS) + peers("n", "mtls: {mode: DISABLE}"), DISABLE),
        (
            "both for the workload",
            policy("w", f"{WHOLE}, {MTLS}") + peers("w", f"{OWN}, mtls: {{mode: DISABLE}}"),
            DISABLE,
        ),
        (
            "both for the port",
            policy("p", f"{PORT}, {MTLS}") + peers("w", f"{OWN}, portLevelMtls: {{8080: {{mode: DISABLE}}}}"),
            DISABLE,
        ),
        ("a Policy that is narrower", policy("w", f"{WHOLE}, {MTLS}") + peers("n", "mtls: {mode: DISABLE}"), STRICT),
        ("a port's", policy("p", f"{PORT}, {MTLS}") + peers("w", f"{OWN}, mtls: {{mode: DISABLE}}"), STRICT),
        ("one that is broader", policy("default", MTLS) + peers("w", f"{OWN}, mtls: {{mode: DISABLE}}"), DISABLE),
        ("one that leaves it open", policy("default", MTLS) + peers("w", f"{OWN}, mtls: {{mode: UNSET}}"), STRICT),
    ],
)
def test_beside_peer_authentication_the_narrower_counts(case: str, text: str, expected: int) -> None:
    assert asked(text) == expected, case


def test_the_objects_that_were_asked_are_told() -> None:
    text = SERVICES + mesh_policy(MTLS) + NAMESPACE + policy("w", f"{WHOLE}, {MTLS}")
    found = Mesh(text).snapshot.peer_mode("default", {"app": "web"}, ("10.1.0.1",), 8080)
    assert [key.full_name.rpartition("/")[2] for key, _ in found.references] == ["default", "default", "w"]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (policy("default", MTLS), []),
        (policy("default", MTLS) + policy("b", PLAIN), [("default/b", "default-taken", "spec")]),
        (
            policy("default", f"origins: [{{jwt: {{issuer: a}}}}], {MTLS}"),
            [("default/default", "not-offered", "spec.origins")],
        ),
        (policy("default", "peers: [{jwt: {issuer: a}}]"), [("default/default", "not-offered", "spec.peers[0].jwt")]),
        (
            policy("default", f"peerIsOptional: true, {MTLS}"),
            [("default/default", "not-offered", "spec.peerIsOptional")],
        ),
    ],
)
def test_what_is_asked_in_vain_is_told(text: str, problems: list[tuple[str, str, str]]) -> None:
    assert Mesh(text).problems() == problems


SERVER = make_proxy("web-1", INTERCEPTION_MODE="REDIRECT", INSTANCE_IPS="10.1.0.1", LABELS={"app": "web"})
CLIENT = make_proxy("client-1", INTERCEPTION_MODE="REDIRECT", INSTANCE_IPS="10.1.0.2")


def entered(compiled: Compiled, port: int) -> list[tuple[str, bool]]:
    """Transport of each chain of the port, and whether it ends mutual TLS."""
    chains = as_dict(compiled.listeners["virtualInbound"])["filter_chains"]
    return [
        (each["filter_chain_match"].get("transport_protocol", ""), "transport_socket" in each)
        for each in chains
        if each["filter_chain_match"].get("destination_port") == port
    ]


def told_mutual(compiled: Compiled, cluster: str) -> bool:
    (group,) = as_dict(compiled.endpoints[cluster])["endpoints"]
    (endpoint,) = group["lb_endpoints"]
    return "envoy.transport_socket_match" in endpoint["metadata"].get("filter_metadata", {})


@pytest.mark.parametrize(
    ("spec", "chains", "mutual"),
    [
        (MTLS, [("tls", True)], True),
        (EITHER, [("tls", True), ("raw_buffer", False)], True),
        (PLAIN, [("raw_buffer", False)], False),
    ],
)
def test_server_and_clients_agree(
    spec: str, chains: list[tuple[str, bool]], mutual: bool, validate: Callable[[Compiled], None]
) -> None:
    mesh = Mesh(SERVICES + policy("p", f"{PORT}, {spec}"))
    server, client = mesh.compile(SERVER), mesh.compile(CLIENT)
    assert entered(server, 8080) == chains
    for host, port in (("web", 80), ("other", 81)):
        assert told_mutual(client, f"outbound|{port}||{host}.default.svc.cluster.local") == mutual
    assert told_mutual(client, "outbound|90||web.default.svc.cluster.local")
    validate(server)
    validate(client)


def test_a_policy_that_changes_is_seen_by_what_was_compiled_before() -> None:
    """The compiler's caches must not serve what an older Policy said."""
    first = Mesh(SERVICES + policy("p", f"{PORT}, {MTLS}"))
    strict: Any = entered(first.compile(SERVER), 8080)
    second = Mesh(SERVICES + policy("p", f"{PORT}, {PLAIN}"), compiler=first.compiler)
    assert entered(second.compile(SERVER), 8080) != strict
    assert not told_mutual(second.compile(CLIENT), "outbound|80||web.default.svc.cluster.local")
