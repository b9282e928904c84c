"""Istio's own cases of services and their endpoints. What differs is listed with its reason."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from flotilla_pilot.model.frozen import FrozenMap
from flotilla_pilot.model.registry import workload_endpoint
from flotilla_pilot.model.services import KUBERNETES_SERVICES, Endpoint, Resolution, Service
from flotilla_pilot.model.snapshot import COLLECTIONS, MeshSettings, MeshSnapshot, build_snapshot
from flotilla_pilot.scope.addresses import AddressView, address_view
from flotilla_pilot.testing.meshes import Objects, make_proxy, read_object
from flotilla_pilot.testing.recorded import registry_entries
from flotilla_pilot.testing.rows import Check, Skipped, play_table, skip
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.spiffe import spiffe_id

Pair = tuple[Any, Any]
CREATED = 10**9
FAMILIES = {1: frozenset({4}), 2: frozenset({6}), 3: frozenset({4, 6})}
UNSPECIFIED = ("0.0.0.0", "::", "")
WAYPOINTS = skip("waypoints and ambient meshes are not offered")
PUSHES = skip("what is pushed follows from what was compiled, not from a request")
ELSEWHERE = skip("held by the tables of what makes it")


def snapshot_of(documents: Iterable[Mapping[str, Any]]) -> MeshSnapshot:
    objects: Objects = {name: {} for name in COLLECTIONS}
    for number, document in enumerate(documents, 1):
        item = read_object(document, CREATED * number)
        objects[item.key.collection][item.key] = item
    return build_snapshot(objects, MeshSettings())


def document(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    meta = given.get("Meta", {})
    metadata = {
        "name": meta.get("Name", "w"),
        "namespace": meta.get("Namespace", "default"),
        "labels": meta.get("Labels", {}),
    }
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": given["Spec"]}


# -- ServiceEntries and WorkloadEntries (tables serviceentry-conversion)


def instances(snapshot: MeshSnapshot) -> list[Any]:
    """Every endpoint of every port of every host."""
    return sorted(
        (service.host, port.number, port.name, port.protocol.value, service.resolution.name, *shown(endpoint, port))
        for service in snapshot.services
        for endpoint in service.endpoints
        for port in service.ports
    )


def shown(endpoint: Endpoint, port: Any = None) -> tuple[Any, ...]:
    number = endpoint.port_for(port) if port is not None and not endpoint.address.startswith("unix://") else 0
    account = endpoint.service_account and spiffe_id("cluster.local", endpoint.namespace, endpoint.service_account)
    address = endpoint.address.removeprefix("unix://")
    return address, number, sorted(endpoint.labels.items()), endpoint.namespace, endpoint.tls_mode, account


RESOLUTIONS = {0: "STATIC", 1: "DNS", 2: "NONE", 3: "DNS_ROUND_ROBIN", 5: "DYNAMIC_DNS"}


def wanted_instances(given: Iterable[Mapping[str, Any]]) -> list[Any]:
    return sorted(
        (
            each["Service"]["Hostname"],
            each["ServicePort"]["Port"],
            each["ServicePort"]["Name"],
            each["ServicePort"]["Protocol"],
            RESOLUTIONS[each["Service"].get("Resolution", 0)],
            *wanted_endpoint(each["Endpoint"]),
        )
        for each in given
    )


TOPOLOGY = ("topology.istio.io/", "topology.kubernetes.io/")


def wanted_endpoint(given: Mapping[str, Any]) -> tuple[Any, ...]:
    """Labels that follow from where it is are not kept, but found when they are asked for."""
    labels = {name: value for name, value in given.get("Labels", {}).items() if not name.startswith(TOPOLOGY)}
    ends = given["Addresses"][0], given.get("EndpointPort", 0), sorted(labels.items())
    return *ends, given["Namespace"], given.get("TLSMode", ""), given.get("ServiceAccount", "")


def converted(case: Any) -> Pair:
    return instances(snapshot_of([document("ServiceEntry", case["externalSvc"])])), wanted_instances(case["out"])


def selected(case: Any) -> Pair:
    """A WorkloadEntry of the ServiceEntry's namespace."""
    entry = document("ServiceEntry", case["se"])
    workload = document("WorkloadEntry", {"Meta": {"Namespace": entry["metadata"]["namespace"]}, "Spec": case["wle"]})
    return instances(snapshot_of([entry, workload])), wanted_instances(case["out"])


def workload(case: Any) -> Pair:
    found = workload_endpoint(read_object(document("WorkloadEntry", case["wle"]), CREATED))
    wanted = case["out"]["Endpoint"]
    place = wanted.get("Network", ""), wanted.get("Locality", {}).get("Label", "")
    ports = case["out"].get("PortMap", {})
    return (*shown(found), found.network, found.locality, dict(found.ports)), (*wanted_endpoint(wanted), *place, ports)


CONVERSION: dict[str, Check] = {
    "TestConvertInstances": converted,
    "TestConvertWorkloadEntryToServiceInstances": selected,
    "TestConvertWorkloadEntryToWorkloadInstance": workload,
    "TestConvertServicesNamespaceTrafficDistribution": ELSEWHERE,
}

# -- given addresses (tables serviceentry-controller)


def entry_of(service: Mapping[str, Any], number: int = 0) -> dict[str, Any]:
    """The ServiceEntry of which Istio makes the service. A wildcard's address is left out: it has one for none."""
    (found,) = registry_entries({"services": [service]}, {"ipAddresses": [], "namespace": "default"})
    namespace = service.get("Attributes", {}).get("Namespace", "")
    found["metadata"] |= {"name": f"e{number}", "namespace": namespace}
    return found


def given(case: Any) -> Pair:
    snapshot = snapshot_of(entry_of(each, number) for number, each in enumerate(case["inServices"]))
    found = [
        snapshot.given_addresses.get((each.get("Attributes", {}).get("Namespace", ""), each["Hostname"]), ("", ""))
        for each in case["inServices"]
    ]
    wanted = [
        (each.get("AutoAllocatedIPv4Address", ""), each.get("AutoAllocatedIPv6Address", ""))
        for each in case["wantServices"]
    ]
    return [tuple(each) for each in found], wanted


def changed(case: Any) -> Pair:
    """Whether the two ServiceEntries make other services."""
    before, after = (snapshot_of([document("ServiceEntry", case[each])]) for each in ("current", "new"))
    versions = [{each.host: each.version for each in snapshot.services} for snapshot in (before, after)]
    found = sorted(host for host in versions[0] if versions[0][host] != versions[1].get(host))
    return found, sorted(case.get("updated", ()))


CONTROLLER: dict[str, Check] = {
    "Test_legacyAutoAllocateIP_conditions": given,
    "TestServicesDiff": changed,
    "TestServiceDiscoveryWorkloadInstanceChangeLabel": skip("a workload that changes is another snapshot"),
}

# -- services (tables model-service)


def equal_services(case: Any) -> Pair:
    """Whether something that was made of the one may be kept for the other."""
    for each in (case["first"], case["other"]):
        attributes = each.get("Attributes", {})
        if {"ClusterExternalPorts", "PassthroughTargetPorts"} & set(attributes) or "AutoAllocatedIPv4Address" in each:
            raise Skipped("no part of a service here")
        if "K8sAttributes" in attributes:
            raise Skipped("of a Kubernetes Service every part counts")
    versions = [service_version(each) for each in (case["first"], case["other"])]
    return versions[0] == versions[1], case.get("shouldEq", False)


def service_version(service: Mapping[str, Any]) -> str:
    found = entry_of({"Hostname": "a.example", **service})
    found["metadata"] |= {"name": "e", "namespace": "n", "labels": service.get("Attributes", {}).get("Labels", {})}
    found["spec"] |= {"subjectAltNames": service.get("ServiceAccounts", [])}
    if service.get("DefaultAddress"):
        found["spec"]["addresses"] = [service["DefaultAddress"]]
    (made,) = snapshot_of([found]).services
    return made.version


def equal_workloads(case: Any) -> Pair:
    one, other = (endpoint_of(case[each]["Endpoint"]) for each in ("comparer", "comparee"))
    return one == other, case.get("expected", False)


def endpoint_of(given: Mapping[str, Any]) -> Endpoint:
    return Endpoint(
        address=given["Addresses"][0],
        ports=((given["ServicePortName"], given["EndpointPort"]),),
        labels=FrozenMap(given["Labels"]),
        service_account=given["ServiceAccount"],
        network=given["Network"],
        locality=given["Locality"]["Label"],
        weight=given.get("LbWeight", 1),
    )


def addresses(case: Any) -> Pair:
    if case.get("dualStackEnabled"):
        raise Skipped("workloads of two families call a service by one of them")
    service = case["service"]
    view = AddressView(FAMILIES[case["ipMode"]], given=case.get("autoAllocationEnabled", False))
    return called_by(view, service, "id"), case["expectedAddresses"]


def called_by(view: AddressView, service: Mapping[str, Any], cluster: str) -> list[str]:
    stated = service.get("ClusterVIPs", {}).get("Addresses", {}).get(cluster, [service.get("DefaultAddress", "")])
    entry = entry_of({"Hostname": "a.example", **service})
    entry["spec"]["addresses"] = [each for each in stated if each not in UNSPECIFIED]
    snapshot = snapshot_of([entry])
    chosen = {
        (each.namespace, each.host): (service["AutoAllocatedIPv4Address"], service.get("AutoAllocatedIPv6Address", ""))
        for each in snapshot.services
        if "AutoAllocatedIPv4Address" in service
    }
    if "AutoAllocatedIPv6Address" in service and not chosen:
        chosen = {(each.namespace, each.host): ("", service["AutoAllocatedIPv6Address"]) for each in snapshot.services}
    (found,) = view.see(snapshot.services, chosen)  # type: ignore[arg-type]
    return [each for each in found.addresses if each]


def first_address(case: Any) -> Pair:
    metadata = case["proxy"]["Metadata"]
    proxy = make_proxy(
        "p",
        INSTANCE_IPS="10.1.1.1",
        DNS_CAPTURE=metadata.get("DNSCapture", False),
        DNS_AUTO_ALLOCATE=metadata.get("DNSAutoAllocate", False),
    )
    found = called_by(address_view(proxy, for_all=False), case["service"], metadata.get("ClusterID", ""))
    return found[0], case["expectedAddress"]


SERVICES: dict[str, Check] = {
    "TestServicesEqual": equal_services,
    "TestWorkloadInstanceEqual": equal_workloads,
    "TestGetAllAddresses": addresses,
    "TestGetAddressForProxy": first_address,
    "TestParseSubsetKey": skip("names of clusters are made, and never read"),
    "TestWaypointKeyForProxy": WAYPOINTS,
    "TestServiceInfoVisibilityCondition": WAYPOINTS,
    "TestGetTrafficDistribution": ELSEWHERE,
}

# -- accounts (tables model-endpointshards)


def asks_for_clusters(case: Any) -> Pair:
    """Whether clusters change with the endpoints: callers are told whom to trust."""
    before = [
        {"Addresses": ["10.172.0.1"], "ServiceAccount": "sa1"},
        {"Addresses": ["10.172.0.2"], "ServiceAccount": "sa-vm1"},
    ]
    shapes = [native(each).shape for each in (before, case["endpoints"])]
    return shapes[0] != shapes[1], case.get("expect", False)


def native(endpoints: Iterable[Mapping[str, Any]]) -> Service:
    source = ConfigObject(ObjectKey(KUBERNETES_SERVICES, "n", "s"), "1", None, {}, {}, CREATED)
    ends = tuple(
        Endpoint(each["Addresses"][0], namespace="n", service_account=each["ServiceAccount"]) for each in endpoints
    )
    return Service("s.n.svc.cluster.local", "n", (), Resolution.STATIC, False, (), (), (), ends, source)


TABLES: dict[str, dict[str, Check]] = {
    "tables/serviceentry-conversion": CONVERSION,
    "tables/serviceentry-controller": CONTROLLER,
    "tables/model-service": SERVICES,
    "tables/model-endpointshards": {"TestUpdateServiceAccount": asks_for_clusters},
}
DIFFERENT: dict[str, str] = {}
"""By id."""


@pytest.mark.parametrize("table", TABLES)
def test_rows_of_the_table(table: str, vectors: Path) -> None:
    ran, wrong = play_table(vectors / "today" / f"{table}.jsonl", TABLES[table], DIFFERENT)
    assert ran > 2
    assert wrong == [], "\n".join(wrong)
