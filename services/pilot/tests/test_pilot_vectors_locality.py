"""Istio's own cases of localities, priorities and endpoints, row by row. What differs is listed with its reason."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from flotilla_pilot.compile.clusters import OutboundCluster
from flotilla_pilot.compile.locality import Balance, balance_of, chosen_setting, is_enabled
from flotilla_pilot.compile.priorities import Group, Member, placed
from flotilla_pilot.compile.traffic_policy import PortPolicy, port_policy
from flotilla_pilot.model.destination_rules import NO_POLICY, DestinationPolicy
from flotilla_pilot.model.frozen import FrozenMap
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.place import Place
from flotilla_pilot.model.registry import WorkloadIndex, build_services
from flotilla_pilot.model.services import Endpoint, Resolution, Service, ServicePort
from flotilla_pilot.model.traffic_distribution import SAME_NODE, SAME_ZONE, traffic_distribution
from flotilla_pilot.registries.conversion import distributions
from flotilla_pilot.testing.meshes import read_object
from flotilla_pilot.testing.recorded import recorded_snapshot
from flotilla_pilot.testing.rows import Check, Skipped, play_table, rows, skip
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import (
    LoadBalancerSettings,
    LocalityLoadBalancerSetting,
    Subset,
    TrafficPolicy,
    ZoneAwareLoadBalancerSetting,
)
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.problems import ProblemLog
from flotilla_shared.model.protocols import Protocol
from flotilla_shared.runtime.kube.objects import Namespace, ObjectMeta

Pair = tuple[Any, Any]
DISTRIBUTIONS = ("", SAME_ZONE, SAME_NODE)
"""As Istio numbers them."""

CLUSTER = "Kubernetes"
PORT = ServicePort(80, "http", Protocol.HTTP)
DIFFERENT: dict[str, str] = {}

# -- which setting holds


def read(message: type[Any], document: Any) -> Any:
    return None if document is None else json_format.ParseDict(document, message())


def written(setting: Any) -> Any:
    return None if setting is None else json_format.MessageToDict(setting)


def choose(given: Mapping[str, Any], rule: Any, service: Any) -> Any:
    attributes = (service or {}).get("Attributes", {}).get("K8sAttributes", {})
    return chosen_setting(
        read(LocalityLoadBalancerSetting, given.get("meshLocality")),
        read(ZoneAwareLoadBalancerSetting, given.get("meshZoneAware")),
        read(LoadBalancerSettings, rule),
        DISTRIBUTIONS[attributes.get("TrafficDistribution", 0)],
    )


def recorded_choice(row: Any) -> Pair:
    given = row["input"]
    found = choose(given, given["drSettings"], given["service"])
    wanted = row["result"][0]
    if wanted is None or found is None:
        return found, wanted
    # Zone-aware settings are recorded without saying that they force.
    forced = isinstance(found.setting, LocalityLoadBalancerSetting) and found.forced
    return (written(found.setting), forced), (wanted["Setting"], wanted.get("Force", False))


def stated_choice(case: Any) -> Pair:
    found = choose(case, case.get("dr"), case.get("svc"))
    wanted = case.get("expectedLocality", case.get("expectedZoneAware"))
    force = found is not None and found.forced
    zone_aware = found is not None and isinstance(found.setting, ZoneAwareLoadBalancerSetting)
    routed = zone_aware and is_enabled(found.setting)
    made = (written(found.setting) if found is not None else None, force, routed, zone_aware)
    expected = (wanted, case.get("expectedForce", False), case.get("expectedRoutingEnabled", False))
    return made, (*expected, "expectedZoneAware" in case)


def forces_by_locality(row: Any) -> Pair:
    """A setting of a rule or of the mesh never fails over without outlier detection."""
    stated = LoadBalancerSettings(locality_lb_setting=read(LocalityLoadBalancerSetting, row["input"]["l"]["Setting"]))
    found = chosen_setting(None, None, stated, "")
    return found is not None and found.forced, row["result"][0]


def forces_by_zone(row: Any) -> Pair:
    stated = read(ZoneAwareLoadBalancerSetting, row["input"]["z"]["Setting"])
    found = chosen_setting(None, stated, None, "")
    return found is not None and found.forced, row["result"][0]


def routes_by_zone(row: Any) -> Pair:
    return is_enabled(read(ZoneAwareLoadBalancerSetting, row["input"]["z"]["Setting"])), row["result"][0]


# -- priorities and weights


def applied(row: Any) -> Pair:
    given, wanted = row["input"], row["result"][0]["endpoints"]
    before = given["loadAssignment"]["endpoints"]
    balance = stated_balance(given["localityLB"], fails_over=given["enableFailover"])
    place = Place(name_of(given["locality"]), labels=FrozenMap(given["proxyLabels"] or {}))
    groups = [group_of(each) for each in before]
    if given["wrapped"]:
        groups = [wrapped_group(each) for each in given["wrapped"]]
    found = groups if balance is None else placed(groups, balance, place, "")
    return [shape(each) for each in found], [recorded_shape(each) for each in wanted]


def stated_balance(setting: Any, *, fails_over: bool) -> Balance | None:
    policy = TrafficPolicy()
    if fails_over:
        policy.outlier_detection.SetInParent()
    json_format.ParseDict(setting, policy.load_balancer.locality_lb_setting)
    outliers = policy.outlier_detection if fails_over else None
    return balance_of(mesh(), PortPolicy(policy.load_balancer, outlier_detection=outliers), "")


def mesh(document: Mapping[str, Any] | None = None) -> MeshOptions:
    return recorded_snapshot([], document).mesh


def name_of(locality: Mapping[str, str] | None) -> str:
    found = locality or {}
    return "/".join(found.get(each, "") for each in ("region", "zone", "subZone")).rstrip("/")


def group_of(each: Mapping[str, Any], members: Iterable[Member] = ()) -> Group:
    return Group(name_of(each.get("locality")), tuple(members), each.get("loadBalancingWeight"))


def wrapped_group(each: Mapping[str, Any]) -> Group:
    group = each["LocalityLbEndpoints"]
    weights = [one["loadBalancingWeight"] for one in group["lbEndpoints"]]
    ends = zip(each["IstioEndpoints"], weights, strict=True)
    return group_of(group, [(endpoint_of(end, weight), False) for end, weight in ends])


def endpoint_of(end: Mapping[str, Any], weight: int = 1) -> Endpoint:
    return Endpoint(
        address=end["Addresses"][0],
        labels=FrozenMap(end.get("Labels") or {}),
        weight=weight,
        node=end.get("NodeName", ""),
    )


def shape(group: Group) -> tuple[Any, ...]:
    return group.locality, group.priority, group.weight, [each.address for each, _ in group.members]


def recorded_shape(each: Mapping[str, Any]) -> tuple[Any, ...]:
    addresses = [end["endpoint"]["address"]["socketAddress"]["address"] for end in each.get("lbEndpoints", ())]
    return name_of(each["locality"]), each.get("priority", 0), each.get("loadBalancingWeight"), addresses


CALLER = Place("region1/zone1/subzone1")
PLACES = ("region1/zone1/subzone1",) * 2 + (
    "region1/zone1/subzone2",
    "region1/zone1/subzone3",
    "region1/zone2",
    "region2",
    "region3",
)
"""Where the endpoints of Istio's test of shares are."""


def shared(case: Any) -> Pair:
    balance = stated_balance({"distribute": case["distribute"]}, fails_over=True)
    assert balance is not None
    found = placed([Group(each) for each in PLACES], balance, CALLER, "")
    return [each.weight or 0 for each in found], case["expected"]


class Recorded:
    """Endpoints that tests of both tables share: one table has them in its rows, the other has not."""

    def __init__(self, unit: Path) -> None:
        self._wrapped = {row["id"]: row["input"].get("wrapped") for row in rows(unit)}

    def by_labels(self, case: Any) -> Pair:
        return self._played(case, "FailoverPriority_match_none_label", ())

    def by_labels_and_regions(self, case: Any) -> Pair:
        return self._played(case, "FailoverPriority_including_locality", [{"from": "region1", "to": "region2"}])

    def _played(self, case: Any, test: str, failover: Any) -> Pair:
        """Localities and priorities: what else the authors wrote down they do not look at, and got wrong in places."""
        setting = {"failoverPriority": case["failoverPriority"], "failover": failover}
        balance = stated_balance(setting, fails_over=True)
        assert balance is not None
        wrapped = next(each for name, each in self._wrapped.items() if test in name)
        place = Place(CALLER.locality, labels=FrozenMap(case["proxyLabels"]))
        found = placed([wrapped_group(each) for each in wrapped], balance, place, "")
        return [shape(each)[:2] for each in found], [recorded_shape(each)[:2] for each in case["expected"]]


# -- endpoints


def preferred_labels(case: Any) -> Pair:
    """What callers are told apart by; the caller has the labels a and b, whose values are their names."""
    rule = read(TrafficPolicy, (case.get("dr") or {}).get("Spec", {}).get("trafficPolicy", {}))
    balance = balance_of(mesh(case.get("mesh")), port_policy(rule, None, PORT.number), "")
    place = Place(labels=FrozenMap({"a": "a", "b": "b"}))
    told = balance.wanted(place) if balance is not None else ()
    return "".join(f"{name}:{value} " for name, value in told), case.get("expectedLabels", "")


def on_the_same_node(case: Any) -> Pair:
    """Of a service whose callers stay on their node."""
    if "svcInfo" in case:
        raise Skipped("the ambient mesh is not offered")
    if not case["ep"].get("Addresses"):
        raise Skipped("there is no endpoint without an address")
    service = service_of([endpoint_of(case["ep"])], node_local=True)
    place = Place(node=case["proxy"]["Metadata"]["NodeName"])
    found = OutboundCluster(service, PORT, "", NO_POLICY, mesh(), binds=False, place=place).endpoints()
    return bool(found), case.get("expected", False)


def unhealthy_ones(case: Any) -> Pair:
    """Whether callers are told of them, as Istio does by default."""
    if case.get("globalSendUnhealthy") or not case.get("defaultSendUnhealthy"):
        raise Skipped("whether unhealthy endpoints are told of is no setting")
    policy = read(TrafficPolicy, (case.get("dr") or {}).get("Spec", {}).get("trafficPolicy", {}))
    given = OutboundCluster(service_of([]), PORT, "", DestinationPolicy(policy, (), ()), mesh(), binds=False)
    return not given.panics, case.get("want", False)


def service_of(endpoints: Iterable[Endpoint], *, node_local: bool = False) -> Service:
    source = ConfigObject(ObjectKey("k8s", "ns", "example"), "1", None, {}, {}, 10**9)
    stated = ((PORT,), Resolution.STATIC, False, (), (), (), tuple(endpoints), source)
    return Service("example", "ns", *stated, node_local=node_local)


def by_its_locality(case: Any) -> Pair:
    """Weights and localities; the endpoints of a subset are those that its labels select."""
    if "serviceSettings" in (case.get("mesh") or {}):
        raise Skipped("services of one cluster alone need several clusters")
    ends = [instance(each["Endpoint"]) for each in case["instances"]]
    subset = Subset(name="v1", labels=case.get("labels", {}))
    policy = DestinationPolicy(None, (subset,), ())
    given = OutboundCluster(service_of(ends), PORT, "v1", policy, mesh(), binds=False)
    found = given.in_order(given.by_locality((each, False) for each in given.endpoints()))
    return [shape(each) for each in found], [recorded_shape(each) for each in case["expected"]]


def instance(end: Mapping[str, Any]) -> Endpoint:
    weight, labels = end.get("LbWeight", 1), FrozenMap(end.get("Labels") or {})
    return Endpoint(end["Addresses"][0], labels=labels, weight=weight, locality=end["Locality"]["Label"])


def distribution_of_service(case: Any) -> Pair:
    found = traffic_distribution(case.get("specValue"), case.get("svcAnnotation") or {}, case.get("nsAnnotation"))
    return found, DISTRIBUTIONS[case.get("want", 0)]


def distribution_of_entry(case: Any) -> Pair:
    meta = case["cfg"]["Meta"]
    metadata = {"name": meta["Name"], "namespace": meta["Namespace"], "annotations": meta.get("Annotations", {})}
    document = {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": metadata}
    item = read_object({**document, "spec": case["cfg"]["Spec"]}, 10**9)
    annotations = case.get("nsAnnotations") or {}
    said = distributions([Namespace(ObjectMeta(name=meta["Namespace"], annotations=annotations))])
    found = {each.traffic_distribution for each in build_services([item], WorkloadIndex(()), ProblemLog(), said)}
    return found, {DISTRIBUTIONS[case.get("expectedDistro", 0)]}


NETWORKS = skip("several clusters and networks, which the row does not tell of")
AMBIENT = skip("the ambient mesh is not offered")
INFERENCE = skip("the inference extension is not offered")
UNIT: dict[str, Check] = {
    "loadbalancer.GetEffectiveLbSetting": recorded_choice,
    "loadbalancer.ApplyLocalityLoadBalancer": applied,
    "loadbalancer.LocalityLBSettings.ForceFailover": forces_by_locality,
    "loadbalancer.ZoneAwareLBSettings.ForceFailover": forces_by_zone,
    "loadbalancer.ZoneAwareLBSettings.routingEnabled": routes_by_zone,
}
ENDPOINTS: dict[str, Check] = {
    "TestWeightedWaypointEndpointsFailsClosed": AMBIENT,
    "TestPopulateFailoverPriorityLabels": preferred_labels,
    "TestFilterIstioEndpoint": on_the_same_node,
    "TestSupportsUnhealthyEndpoints": unhealthy_ones,
    "TestBuildClusterLoadAssignment_InferenceServicePortFiltering": INFERENCE,
}


def one_test(name: str, check: Check) -> Mapping[str, Check]:
    """The checks of a table of which one test is about localities."""
    others = skip("not about localities")
    return defaultdict(lambda: others, {name: check})


def checks(vectors: Path) -> Mapping[str, Mapping[str, Check]]:
    recorded = Recorded(vectors / "unit" / "locality-lb.jsonl")
    choices: dict[str, Check] = {
        "TestApplyLocalitySetting_Distribute": shared,
        "TestApplyLocalitySetting_FailoverPriority": recorded.by_labels,
        "TestApplyLocalitySetting_FailoverPriority_with_Failover": recorded.by_labels_and_regions,
        "TestGetEffectiveLbSetting": stated_choice,
    }
    return {
        "unit/locality-lb": UNIT,
        "tables/loadbalancer-loadbalancer": choices,
        "tables/endpoints-endpoint_builder": ENDPOINTS,
        "tables/core-cluster_builder": one_test("TestBuildLocalityLbEndpoints", by_its_locality),
        "tables/model-service": one_test("TestGetTrafficDistribution", distribution_of_service),
        "tables/serviceentry-conversion": one_test(
            "TestConvertServicesNamespaceTrafficDistribution", distribution_of_entry
        ),
    }


@pytest.mark.parametrize(
    ("table", "least"),
    [
        ("unit/locality-lb", 31),
        ("tables/loadbalancer-loadbalancer", 16),
        ("tables/endpoints-endpoint_builder", 6),
        ("tables/core-cluster_builder", 1),
        ("tables/model-service", 5),
        ("tables/serviceentry-conversion", 1),
    ],
)
def test_table(vectors: Path, table: str, least: int) -> None:
    today = vectors / "today"
    ran, wrong = play_table(today / f"{table}.jsonl", checks(today)[table], DIFFERENT)
    assert wrong == [], "\n".join(wrong)
    assert ran >= least


def test_few_rows_differ() -> None:
    assert len(DIFFERENT) <= 1
