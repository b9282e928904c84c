"""Istio's own cases of who sees what, and who takes mutual TLS. What differs is listed with its reason.

Some rows lean on objects beside them; what these say is written down here.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from flotilla_pilot.model.aliases import resolve_aliases
from flotilla_pilot.model.authentication import DISABLE, PERMISSIVE, STRICT
from flotilla_pilot.model.frozen import EMPTY
from flotilla_pilot.model.services import Resolution, Service
from flotilla_pilot.model.snapshot import COLLECTIONS, MeshSettings, MeshSnapshot, build_snapshot
from flotilla_pilot.model.visibility import visible
from flotilla_pilot.scope.gateway import gateway_scope
from flotilla_pilot.scope.sidecar import sidecar_scope
from flotilla_pilot.testing.meshes import Objects, make_proxy, read_object
from flotilla_pilot.testing.rows import Check, Skipped, play_table, skip
from flotilla_shared.model.objects import ConfigObject, ObjectKey

Pair = tuple[Any, Any]
NETWORKING, SECURITY = "networking.istio.io/v1", "security.istio.io/v1"
CREATED = 10**9
PUSHES = skip("what is pushed follows from what was compiled, not from a request")
WAYPOINTS = skip("waypoints and Gateway API are not offered")
EXTENSIONS = skip("extensions are not offered")
TOKENS = skip("request authentication belongs to a later issue")


def snapshot_of(
    documents: Iterable[Mapping[str, Any]], mesh: Mapping[str, Any] | None = None, **settings: str
) -> MeshSnapshot:
    """The mesh of `documents`; each is as old as it says in its second, and all others are equally old."""
    objects: Objects = {name: {} for name in COLLECTIONS}
    for document in ({"kind": "MeshConfig", "spec": mesh or {}}, *documents):
        second = document.get("metadata", {}).get("creationTimestamp", "0Z")[-3:-1]
        item = read_object(document, CREATED * (1 + int(second or 0)))
        objects[item.key.collection][item.key] = item
    return build_snapshot(objects, MeshSettings(**settings))


def document(
    kind: str, name: str, namespace: str, spec: Any, version: str = NETWORKING, created: str = ""
) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": created or "0Z"}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


# -- exportTo (tables model-push_context)


def default_of(name: str) -> tuple[str, ...]:
    """What the mesh exports by default, which the row says in its name."""
    private = "global private" in name
    other = "foo" if "target namespace foo" in name else "unrelated"
    return ((".", other) if "target namespace" in name else (".",)) if private else ("*",)


def aliases(case: Any) -> Pair:
    """Of the services that are no other name of one."""
    made = resolve_aliases(named(each["Name"], each.get("ExternalName", "")) for each in case["input"])
    found = {each.host: [alias.host for alias in each.aliases] for each in made if not each.external_name}
    return found, {each["Name"]: each.get("Aliases", []) for each in case["output"] if "ExternalName" not in each}


def named(host: str, external: str) -> Service:
    source = ConfigObject(ObjectKey("services", "test", host), "1", None)
    return Service(host, "test", (), Resolution.DNS, False, (), (), (), (), source, external_name=external)


def service_visible(case: Any) -> Pair:
    """All rows ask for namespace foo."""
    attributes = case["service"]["Attributes"]
    if "Visibility" in attributes and "disabled" not in case["name"]:
        raise Skipped("visibility by ambient meshes is not offered")
    found = visible(attributes.get("ExportTo", ()), attributes["Namespace"], "foo", default_of(case["name"]))
    return found, case.get("expect", False)


def rule(name: str, namespace: str, host: str, export: list[str], *subsets: str) -> dict[str, Any]:
    return document(
        "DestinationRule",
        name,
        namespace,
        {"host": host, "exportTo": export, "subsets": [{"name": s} for s in subsets]},
    )


EXPORTED_RULES = [
    rule("rule1", "test1", "httpbin.org", [".", "ns1"], "subset1", "subset2"),
    rule("rule2", "test2", "httpbin.org", ["test2", "ns1", "test1", "newNS"], "subset3", "subset4"),
    rule("rule3", "test3", "httpbin.org", ["test1", "test2", "*"], "subset5", "subset6"),
    rule("rule4-local", "test4", "httpbin.org", ["test4"], "subset15", "subset16"),
    rule("rule4", "istio-system", "httpbin.org", [], "subset7", "subset8"),
    rule("rule1", "istio-system", "httpbin.org", ["."], "subset9", "subset10"),
    rule("rule2", "istio-system", "*.org", ["."], "subset11", "subset12"),
    rule("rule3", "istio-system", "*.app.org", ["."], "subset13", "subset14"),
    rule("rule5", "test5", "api.test.com", ["istio-system"], "subset5-0", "subset5-1"),
    rule("rule6", "test6", "api.test.com", ["istio-system"], "subset6-0", "subset6-1"),
]


def rule_found(case: Any) -> Pair:
    rules = snapshot_of(EXPORTED_RULES).destination_rules
    found = rules.find(case["host"], case["serviceNs"], case["proxyNs"], EMPTY)
    return [each.name for each in found.subsets], case.get("wantSubsets", [])


def selecting(name: str, app: str, created: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"host": "httpbin.org", "exportTo": ["test2", "."]}
    if app:
        spec["workloadSelector"] = {"matchLabels": {"app": app}}
    return document("DestinationRule", name, "test", spec, created=created)


SELECTING_RULES = [
    selecting("nsRule1", "app1", "01Z"),
    selecting("nsRule2", "app2", "02Z"),
    selecting("nsRule3", "app2", "02Z"),
    selecting("nsRule4", "", "00Z"),
]


def selected_rule(case: Any) -> Pair:
    rules = snapshot_of(SELECTING_RULES).destination_rules
    found = rules.find(case["serviceHostname"], case["serviceNs"], case["proxyNs"], EMPTY)
    return [key.name for key, _ in found.references], case["expectedDrName"]


def routing(name: str, namespace: str, host: str, export: list[str], *gateways: str) -> dict[str, Any]:
    return document(
        "VirtualService", name, namespace, {"hosts": [host], "exportTo": export, "gateways": list(gateways)}
    )


GATEWAY = "default/gateway"
FRONT = document(
    "Gateway",
    "gateway",
    "default",
    {
        "selector": {"a": "b"},
        "servers": [{"port": {"number": 80, "name": "h", "protocol": "HTTP"}, "hosts": ["*"]}],
    },
)
EXPORTED_ROUTES = [
    routing("rule1", "test1", "rule1.com", [".", "ns1"]),
    routing("rule2", "test2", "rule2.com", ["test2", "ns1", "test1"]),
    routing("rule2gw", "test2", "rule2gw.com", ["test2", "ns1", "test1"], GATEWAY, "mesh"),
    routing("rule3", "test3", "rule3.com", ["test1", "test2", "*"], "mesh"),
    routing("rule3gw", "test3", "rule3gw.com", ["test1", "test2", "*"], GATEWAY),
    routing("zzz", "zzz", "rootNS.com", []),
]
ROUTES_BY_DEFAULT = [
    routing("mesh-rule1", "test1", "mesh-rule1.com", []),
    routing("mesh-rule2", "test2", "mesh-rule2.com", []),
    routing("gw-rule", "test1", "gw-rule.com", [], GATEWAY),
]


def routes_seen(snapshot: MeshSnapshot, namespace: str, gateway: str) -> list[str]:
    if gateway == "mesh":
        (egress,) = sidecar_scope(snapshot, make_proxy("p", namespace=namespace), None).egress
        return sorted(host for each in egress.rules for host in each.hosts)
    router = make_proxy("r", kind="router", namespace=namespace, LABELS={"a": "b"})
    ((bound,),) = gateway_scope(snapshot, router).servers.values()
    return sorted(host for each in bound.rules for host in each.hosts)


def exported_routes(case: Any) -> Pair:
    snapshot = snapshot_of([*EXPORTED_ROUTES, FRONT], {"rootNamespace": "zzz"})
    found = routes_seen(snapshot, case["proxyNs"], case["gateway"])
    return found, sorted(each.lower() for each in case["wantHosts"])


def routes_by_default(case: Any) -> Pair:
    snapshot = snapshot_of([*ROUTES_BY_DEFAULT, FRONT], {"defaultVirtualServiceExportTo": [".", "ns1"]})
    return routes_seen(snapshot, case["proxyNs"], case["gateway"]), sorted(case["wantHosts"])


def served_mode(case: Any) -> Pair:
    """What clients take a service's workloads for. Whole is strict; of the mesh nothing is said."""
    if case.get("serviceResolution") == 2:
        raise Skipped("a headless service's workloads are looked at one by one")
    whole = document("PeerAuthentication", "default", "whole", {"mtls": {"mode": "STRICT"}}, SECURITY)
    found = snapshot_of([whole]).peer_mode(case["serviceNamespace"], {}, (), case["servicePort"]).mode
    return found, case["wanted"]


PUSH_CONTEXT: dict[str, Check] = {
    "TestIsServiceVisible": service_visible,
    "TestSetDestinationRuleWithExportTo": rule_found,
    "TestSetDestinationRuleWithWorkloadSelector": selected_rule,
    "TestVirtualServiceWithExportTo": exported_routes,
    "TestVirtualServiceWithDefaultExportTo": routes_by_default,
    "TestBestEffortInferServiceMTLSMode": served_mode,
    "TestMergeUpdateRequest": PUSHES,
    "TestEnvoyFilterUpdate": PUSHES,
    "TestEnvoyFilters": skip("the EnvoyFilters are not said by the row"),
    "TestTrafficExtensions": EXTENSIONS,
    "TestSidecarScope": skip("the Sidecars are not said by the row"),
    "TestSetDestinationRuleBackendPolicyMerging": WAYPOINTS,
    "TestResolveServiceAliases": aliases,
}

# -- mutual TLS (tables model-authentication and authn-policy_applier)

PEERS = [
    document("PeerAuthentication", "default", "foo", {"mtls": {"mode": "STRICT"}}, SECURITY),
    document("PeerAuthentication", "default", "istio-config", {"mtls": {}}, SECURITY),
    document(
        "PeerAuthentication",
        "peer-with-selector",
        "foo",
        {"mtls": {"mode": "DISABLE"}, "selector": {"matchLabels": {"version": "v1"}}},
        SECURITY,
    ),
]


def peers_found(case: Any, peers: Iterable[dict[str, Any]] = tuple(PEERS)) -> Pair:
    """Which objects speak for the workload, and what the namespace as a whole takes. Unknown is what nobody says."""
    namespace, labels = case["workloadNamespace"], case.get("workloadLabels", {})
    snapshot = snapshot_of(peers, {"rootNamespace": "istio-config"})
    held = {key.full_name for key, _ in snapshot.peer_mode(namespace, labels, (), 80).references}
    wanted = {f"{each['Meta']['Namespace']}/{each['Meta']['Name']}" for each in case.get("wantPeerAuthn", ())}
    whole = snapshot.peer_mode(namespace, {}, (), 80).mode
    return (held, whole), (wanted, case.get("wantNamespaceMutualTLS") or PERMISSIVE)


def peers_without_mesh(case: Any) -> Pair:
    return peers_found(case, [each for each in PEERS if each["metadata"]["namespace"] != "istio-config"])


def written(given: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for each in given:
        meta = each.get("Meta", {})
        created = meta.get("CreationTimestamp", "")
        name, namespace = meta.get("Name", "default"), meta.get("Namespace", "my-ns")
        found.append(document("PeerAuthentication", name, namespace, each["Spec"], SECURITY, created))
    return found


def composed(given: Iterable[Mapping[str, Any]], port: int) -> int:
    snapshot = snapshot_of(written(given), {"rootNamespace": "root-namespace"})
    return snapshot.peer_mode("my-ns", {"app": "foo"}, (), port).mode


def composed_mode(case: Any) -> Pair:
    ports = case["want"].get("PerPort", {})
    found = [composed(case["configs"], int(port)) for port in (9, *ports)]
    return found, [case["want"]["Mode"], *ports.values()]


def inbound_mode(case: Any) -> Pair:
    expected = case["expected"]
    return composed(case.get("peerPolicies", ()), expected["Port"]), expected["Mode"]


assert (DISABLE, PERMISSIVE, STRICT) == (1, 2, 3), "the rows number modes in this way"
TABLES: dict[str, dict[str, Check]] = {
    "tables/model-push_context": PUSH_CONTEXT,
    "tables/model-authentication": {
        "TestGetPoliciesForWorkload": peers_found,
        "TestGetPoliciesForGatewayPolicyAttachmentOnly": peers_found,
        "TestGetPoliciesForWorkloadWithoutMeshPeerAuthn": peers_without_mesh,
        "TestGetPoliciesForWorkloadWithJwksResolver": TOKENS,
        "TestFilterPeerAuthenticationNamespaces": skip("all namespaces are held"),
    },
    "tables/authn-policy_applier": {
        "TestComposePeerAuthentication": composed_mode,
        "TestInboundMTLSSettings": inbound_mode,
        "TestJwtFilter": TOKENS,
        "TestConvertToEnvoyJwtConfig": TOKENS,
        "TestBuildSpaceDelimitedClaims": TOKENS,
    },
}
DIFFERENT: dict[str, str] = {}
"""By id."""


@pytest.mark.parametrize("table", TABLES)
def test_rows_of_the_table(table: str, vectors: Path) -> None:
    ran, wrong = play_table(vectors / "today" / f"{table}.jsonl", TABLES[table], DIFFERENT)
    assert ran > 10
    assert wrong == [], "\n".join(wrong)
