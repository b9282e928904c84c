"""The receiving side."""

from typing import Any

from flotilla_pilot.compile.special_clusters import inbound_passthrough
from flotilla_pilot.model.caller import caller_of
from flotilla_pilot.model.mesh import MeshSettings
from flotilla_pilot.offline.proxies import read_proxy
from flotilla_pilot.testing.recorded_clusters import (
    HOST,
    PORT,
    Pair,
    as_json,
    clusters_of,
    entry,
    mesh_of,
    proxy_of,
    rule,
)


def own_limits(case: Any) -> Pair:
    host = case["destRule"]["host"]
    ends = [{"address": "1.1.1.1", "ports": {"default": PORT}}]
    service = entry(host, endpoints=ends)
    service["spec"]["ports"][0]["number"] = 80
    stated = {**rule(host), "spec": case["destRule"]}
    found = clusters_of([service, stated])[f"inbound|{PORT}||"]
    return found["circuitBreakers"]["thresholds"][0], case["expected"]


def own_source(case: Any) -> Pair:
    proxy = proxy_of(case["proxy"])
    ends = [{"address": each} for each in proxy["ipAddresses"]]
    service = entry(HOST, endpoints=ends)
    service["metadata"]["namespace"] = proxy["namespace"]
    settings = MeshSettings(dual_stack=case.get("dualStack", False))
    bound = clusters_of([service], None, proxy, settings)[f"inbound|{PORT}||"]["upstreamBindConfig"]
    extra = [each["address"]["address"] for each in bound.get("extraSourceAddresses", ())]
    wanted = case.get("expectedExtraSrcAddr")
    return (bound["sourceAddress"]["address"], extra), (case["expectedSrcAddr"], [wanted] if wanted else [])


def default_endpoint(case: Any) -> Pair:
    proxy = proxy_of(case["proxy"])
    ingress = {"port": {"number": 7443, "protocol": "HTTPS", "name": "p"}, "defaultEndpoint": case["defaultEndpoint"]}
    metadata = {"name": "s", "namespace": proxy["namespace"]}
    sidecar = {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": metadata}
    found = clusters_of([{**sidecar, "spec": {"ingress": [ingress]}}], None, proxy)["inbound|7443||"]
    (place,) = found["loadAssignment"]["endpoints"]
    address = place["lbEndpoints"][0]["endpoint"]["address"]["socketAddress"]
    return (address["address"], address["portValue"]), (case["expectedAddr"], case["expectedPort"])


def passed_through(case: Any) -> Pair:
    proxy = read_proxy({"type": "sidecar", "ipAddresses": case["ips"], "namespace": "default", "id": "a"})
    bound = as_json(inbound_passthrough(mesh_of(), caller_of(proxy).families))["upstreamBindConfig"]
    extra = [each["address"]["address"] for each in bound.get("extraSourceAddresses", ())]
    wanted = ["127.0.0.6"] if case.get("ipv4Expected") else []
    return [bound["sourceAddress"]["address"], *extra], [*wanted, *(["::6"] if case.get("ipv6Expected") else [])]
