"""How a cluster chooses among its endpoints."""

from collections.abc import Mapping
from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster

from flotilla_pilot.compile.load_balancing import apply_load_balancer
from flotilla_pilot.testing.recorded_clusters import (
    HOST,
    OWN_SETTING,
    Pair,
    as_json,
    discovered,
    entry,
    outbound,
    read,
    rule,
)
from flotilla_pilot.testing.rows import Skipped
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import (
    LoadBalancerSettings,
)


def balanced(settings: Mapping[str, Any] | None) -> Any:
    cluster = Cluster()
    apply_load_balancer(cluster, read(LoadBalancerSettings, settings))
    return cluster


def ring(case: Any) -> Pair:
    wanted = case["expectedRingSize"]
    size = case.get("ringSize")
    for hashing in ({"ringHash": {"minimumRingSize": size}} if size else {}, {"minimumRingSize": size} if size else {}):
        if balanced({"consistentHash": hashing}).ring_hash_lb_config.minimum_ring_size.value != wanted:
            return hashing, wanted
    return wanted, wanted


def hashed(case: Any) -> Pair:
    """The row says what is asked for, and its name with what sizes."""
    stated = case["lb"]["consistentHash"]
    found = as_json(balanced(case["lb"]))
    if "maglev" in stated:
        size = stated["maglev"].get("tableSize")
        return found, {"lbPolicy": "MAGLEV", **({"maglevLbConfig": {"tableSize": size}} if size else {})}
    own = stated.get("ringHash", {"minimumRingSize": stated.get("minimumRingSize", "1024")})
    size = own.get("minimumRingSize")
    return found, {"lbPolicy": "RING_HASH", **({"ringHashLbConfig": {"minimumRingSize": size}} if size else {})}


def warmed(case: Any) -> Pair:
    kind = case.get("lbType", 0)
    settings = {"simple": kind, **({"warmup": case["warmup"]} if "warmup" in case else {})}
    if case.get("enableSlowStartMode"):
        settings["warmupDurationSecs"] = "15s"
    found = as_json(balanced(settings))
    name = {4: "roundRobinLbConfig", 2: ""}.get(kind, "leastRequestLbConfig")
    return found.get(name), slow_start(case) if name else None


def slow_start(case: Any) -> Any:
    if case.get("enableSlowStartMode"):
        return {"slowStartConfig": {"slowStartWindow": "15s"}}
    if "warmup" not in case:
        return None
    stated = case["warmup"]
    aggression = {"defaultValue": stated.get("aggression", 1.0), "runtimeKey": "("}
    least = {"value": stated.get("minimumPercent", 10.0)}
    window = stated["duration"]
    return {"slowStartConfig": {"slowStartWindow": window, "aggression": aggression, "minWeightPercent": least}}


def chosen(case: Any) -> Pair:
    if case.get("port", {}).get("Protocol") == "Redis":
        raise Skipped(OWN_SETTING)
    spec = discovered(case["discoveryType"])
    policy = {"loadBalancer": case.get("lbSettings") or {}}
    if "presetPanicThreshold" in case:
        policy["outlierDetection"] = {"minHealthPercent": case["presetPanicThreshold"]}
    cluster = read(Cluster, outbound(HOST, entry(HOST, **spec), rule(HOST, **policy)))
    empty = not cluster.load_assignment.endpoints or not case.get("expectClusterLoadAssignmenttoBeNil")
    return (cluster.lb_policy, empty, panic(cluster)), (
        case["expectedLbPolicy"],
        True,
        case.get("expectedPanicThreshold", 0),
    )


def panic(cluster: Any) -> float:
    return float(cluster.common_lb_config.healthy_panic_threshold.value)
