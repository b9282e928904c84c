"""Istio's own cases of the virtual hosts of sidecars, and of their domains. What differs is listed with its reason."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.compile.host_plans import domains
from flotilla_pilot.model.services import KUBERNETES_SERVICES, Resolution, Service, ServicePort
from flotilla_pilot.model.snapshot import COLLECTIONS, MeshSettings, MeshSnapshot, build_snapshot
from flotilla_pilot.testing.meshes import Compiled, Objects, make_proxy, read_object
from flotilla_pilot.testing.rows import Check, Skipped, play_table, skip
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.protocols import Protocol

Pair = tuple[Any, Any]
TABLE = "tables/core-httproute"
CREATED = 10**9
HEADLESS = "0.0.0.0"

SERVICES = (
    ("bookinfo.com", "*", HEADLESS, "default", (9999, 70)),
    ("private.com", ".", HEADLESS, "default", (9999, 80)),
    ("test.com", "*", "8.8.8.8", "not-default", (8080,)),
    ("test-private.com", ".", "9.9.9.9", "not-default", (80, 70)),
    ("test-private-2.com", ".", "9.9.9.10", "not-default", (60,)),
    ("test-headless.com", "*", HEADLESS, "not-default", (8888,)),
    ("service-a.default.svc.cluster.local", "*", "", "default", (7777,)),
)
"""The services that stand beside the rows: host, exportTo, address, namespace and ports, which all are HTTP."""


def native(host: str, export: str, address: str, namespace: str, numbers: Iterable[int]) -> Service:
    source = ConfigObject(ObjectKey(KUBERNETES_SERVICES, namespace, host), "1", None, {}, {}, CREATED)
    ports = tuple(ServicePort(each, f"http-{each}", Protocol.HTTP) for each in numbers)
    headless = address == HEADLESS
    resolution = Resolution.NONE if headless else Resolution.STATIC
    addresses = (address,) if address and not headless else ()
    return Service(host, namespace, ports, resolution, False, addresses, (export,), (), (), source, headless=headless)


def mesh_of(services: Iterable[Service], case: Mapping[str, Any], domain: str) -> MeshSnapshot:
    mode = "REGISTRY_ONLY" if case.get("registryOnly") else "ALLOW_ANY"
    objects: Objects = {name: {} for name in COLLECTIONS}
    written = [{"kind": "MeshConfig", "spec": {"outboundTrafficPolicy": {"mode": mode}}}]
    written += [document("VirtualService", each) for each in case.get("virtualServiceConfigs", case.get("config", ()))]
    written += [document("Sidecar", case["sidecarConfig"])] if "sidecarConfig" in case else []
    for each in written:
        item = read_object(each, CREATED)
        objects[item.key.collection][item.key] = item
    return build_snapshot(objects, MeshSettings(domain=domain), list(services))


def document(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"name": given["Meta"]["Name"], "namespace": given["Meta"].get("Namespace", "default")}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": given["Spec"]}


def hosts_of(snapshot: MeshSnapshot, table: str, namespace: str) -> Mapping[str, Any]:
    proxy = make_proxy("app", namespace=namespace, INTERCEPTION_MODE="REDIRECT")
    found = Compiled(Compiler().compile(snapshot, proxy)).routes
    if table not in found:
        raise Skipped(NO_TABLE)
    return {each.name: each for each in found[table].virtual_hosts}


NO_TABLE = "no listener asks for this table, so that it is not made"


def visible_hosts(case: Any) -> Pair:
    table = case["routeName"]
    found = hosts_of(mesh_of((native(*each) for each in SERVICES), case, ""), table, "not-default")
    wanted = {name.lower(): {each.lower() for each in held} for name, held in case["expectedHosts"].items()}
    return {name: set(each.domains) for name, each in found.items()}, wanted


def claimed_hosts(case: Any) -> Pair:
    """Domains, and the cluster of each host's one route."""
    services = [native(each["Hostname"], "*", "", "default", (80,)) for each in case["services"]]
    found = hosts_of(mesh_of(services, case, "cluster.local"), "80", "default")
    wanted = {
        name: (sorted(held), case["expectedDestination"].get(name)) for name, held in case["expectedHosts"].items()
    }
    return {name: (sorted(each.domains), each.routes[0].route.cluster) for name, each in found.items()}, wanted


def own_domains(case: Any) -> Pair:
    """The node's domain is read as a namespace's, `ns.svc.cluster-domain`, which is how it comes."""
    if case.get("enableDualStack") or case["service"].get("ClusterVIPs"):
        raise Skipped("addresses of a service by cluster and family")
    namespace, _, domain = case["node"]["DNSDomain"].partition(".svc.")
    headless = case["service"].get("Resolution") == Resolution.DNS.value
    service = native(case["service"]["Hostname"], "*", HEADLESS if headless else "", namespace, ())
    return sorted(domains(service, case["port"], False, namespace, domain)), sorted(case["want"])


CHECKS: dict[str, Check] = {
    "TestGenerateVirtualHostDomains": own_domains,
    "TestSidecarOutboundHTTPRouteConfig": visible_hosts,
    "TestSidecarOutboundHTTPRouteConfigWithDuplicateHosts": claimed_hosts,
    "TestSidecarStatefulsessionFilter": skip("stateful sessions are not offered"),
    "TestInboundHTTPRouteConfig": skip("inbound routes are made from a listener, not by a function of these"),
    "TestWaypointInboundRouteHashPolicy": skip("waypoints are not offered"),
}
SIDECARS = f"{TABLE}/TestSidecarOutboundHTTPRouteConfig"
DIFFERENT = {
    f"{SIDECARS}/http_proxy_sidecar_config_with_non_matching_virtual_service": (
        "by an explicit proxy, hosts that only rules know are reached too, on port 80"
    ),
    f"{TABLE}/TestGenerateVirtualHostDomains/same_domain": (
        "a proxy's domain is always that of a namespace: ns.svc and the cluster's"
    ),
}


def test_rows_of_the_table(vectors: Path) -> None:
    ran, wrong = play_table(vectors / "today" / f"{TABLE}.jsonl", CHECKS, DIFFERENT)
    assert ran > 0
    assert wrong == [], "\n".join(wrong)
