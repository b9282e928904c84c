"""Istio's own cases of what a Sidecar lets in, rule by rule. What differs is listed with its reason."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from flotilla_pilot.model.route_rules import RuleIndex
from flotilla_pilot.model.services import KUBERNETES_SERVICES, Resolution, Service, ServicePort
from flotilla_pilot.model.snapshot import COLLECTIONS, MeshSettings, MeshSnapshot, build_snapshot
from flotilla_pilot.scope.sidecar import find_sidecar, sidecar_scope
from flotilla_pilot.testing.meshes import Objects, make_proxy, read_object
from flotilla_pilot.testing.rows import Check, Skipped, play_table, skip
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.protocols import parse_protocol

Pair = tuple[Any, Any]
CREATED = 10**9
DEPENDS = skip("what a proxy depends on is read off what was compiled for it, not asked beforehand")
HOSTS_LOST = skip("the row does not say which hosts are let in")
BARE = MeshSettings(domain="")
RESOLUTIONS = {0: "STATIC", 1: "DNS", 2: "NONE"}


def snapshot_of(case: Mapping[str, Any]) -> MeshSnapshot:
    """The services, rules and Sidecar of a row, all equally old; what Kubernetes has comes as its own."""
    services = case.get("services", ())
    entries = [each for each in services if each.get("Attributes", {}).get("ServiceRegistry") != "Kubernetes"]
    objects: Objects = {name: {} for name in COLLECTIONS}
    for document in (*map(entry, range(len(entries)), entries), *written(case)):
        item = read_object(document, CREATED)
        objects[item.key.collection][item.key] = item
    native = [kubernetes(each) for each in services if each not in entries]
    return build_snapshot(objects, BARE, native)


def entry(number: int, service: Mapping[str, Any]) -> dict[str, Any]:
    attributes = service.get("Attributes", {})
    spec = {
        "hosts": [service["Hostname"]],
        "resolution": RESOLUTIONS[service.get("Resolution", 0)],
        "exportTo": attributes.get("ExportTo", []),
        "workloadSelector": {"labels": attributes.get("LabelSelectors", {})},
        "ports": [
            {"number": each["Port"], "name": each["Name"], "protocol": each.get("Protocol", "")}
            for each in service.get("Ports", ())
        ],
    }
    metadata = {"name": f"entry-{number:02}", "namespace": attributes.get("Namespace", "default")}
    return {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": metadata, "spec": spec}


def kubernetes(service: Mapping[str, Any]) -> Service:
    namespace = service["Attributes"]["Namespace"]
    key = ObjectKey(KUBERNETES_SERVICES, namespace, service["Hostname"])
    ports = tuple(ServicePort(e["Port"], e["Name"], parse_protocol(e["Protocol"])) for e in service["Ports"])
    source = ConfigObject(key, "1", None, {}, {}, CREATED)
    return Service(service["Hostname"], namespace, ports, Resolution.STATIC, False, (), (), (), (), source)


def written(case: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    given = [("VirtualService", each) for each in case.get("virtualServices", ())]
    for name in ("sidecarConfig", "sidecar"):
        given += [("Sidecar", case[name])] if case.get(name) else []
    for kind, each in given:
        metadata = {"name": each["Meta"]["Name"], "namespace": each["Meta"].get("Namespace", "default")}
        yield {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": each["Spec"]}


# -- model-sidecar


def services_let_in(case: Any) -> Pair:
    snapshot = snapshot_of(case)
    stated = snapshot.objects.values()
    sidecar = next((each for each in stated if each.key.collection == kinds.SIDECARS), None)
    proxy = make_proxy("p", namespace=sidecar.key.namespace if sidecar is not None else "default")
    found = sidecar_scope(snapshot, proxy, sidecar).services
    return shown(found.values()), sorted(map(described, case.get("expectedServices") or ()))


def shown(services: Iterable[Service]) -> list[tuple[str, str, list[int]]]:
    return sorted((each.host, each.namespace, sorted(port.number for port in each.ports)) for each in services)


def described(service: Mapping[str, Any]) -> tuple[str, str, list[int]]:
    namespace = service.get("Attributes", {}).get("Namespace", "default")
    return service["Hostname"], namespace, sorted(each["Port"] for each in service.get("Ports", ()))


def passes_unknown(case: Any) -> Pair:
    """Whether what no service has goes through."""
    if "meshConfig" not in case:
        raise Skipped("no mesh is said")
    mesh = {"outboundTrafficPolicy": case["meshConfig"].get("outboundTrafficPolicy", {})}
    objects: Objects = {name: {} for name in COLLECTIONS}
    for document in ({"kind": "MeshConfig", "spec": mesh}, *written(case)):
        item = read_object(document, CREATED)
        objects[item.key.collection][item.key] = item
    snapshot = build_snapshot(objects, MeshSettings())
    proxy = make_proxy("p", namespace="not-default", INTERCEPTION_MODE="REDIRECT")
    scope = sidecar_scope(snapshot, proxy, find_sidecar(snapshot, proxy))
    if "expectedMode" in case:
        return scope.resolves_names, case["expectedMode"] == 3
    return scope.allow_any, case["outboundTrafficPolicy"].get("mode") == "ALLOW_ANY"


def rules_by_host(case: Any) -> Pair:
    """The rules come in the order in which they count."""
    objects: Objects = {name: {} for name in COLLECTIONS}
    for number, document in enumerate(written(case)):
        item = read_object(document, CREATED + number)
        objects[item.key.collection][item.key] = item
    index = RuleIndex(build_snapshot(objects, BARE).route_rules)
    found = {each["Hostname"]: index.find(each["Hostname"]) for each in case["services"]}
    wanted = {host: each["Name"] for host, each in case["expectedIndex"].items()}
    return {host: each.item.key.name for host, each in found.items() if each is not None}, wanted


SIDECARS: dict[str, Check] = {
    "TestCreateSidecarScope": services_let_in,
    "TestSelectServicesExactParity": HOSTS_LOST,
    "TestIstioEgressListenerWrapper": HOSTS_LOST,
    "TestContainsEgressDependencies": DEPENDS,
    "TestRootNsSidecarDependencies": DEPENDS,
    "TestSidecarOutboundTrafficPolicy": passes_unknown,
    "TestSidecarOutboundTrafficPolicyAllowAnyDynamicDNS": passes_unknown,
    "TestComputeWildcardHostVirtualServiceIndex": rules_by_host,
}

DIFFERENT: dict[str, str] = {}


@pytest.mark.parametrize("table", ["tables/model-sidecar"])
def test_tables(table: str, vectors: Path) -> None:
    ran, wrong = play_table(vectors / "today" / f"{table}.jsonl", SIDECARS, DIFFERENT)
    assert ran > 30
    assert wrong == [], "\n".join(wrong)
