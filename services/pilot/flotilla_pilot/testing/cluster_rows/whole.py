"""Whole clusters."""

import json
from collections.abc import Mapping
from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster

from flotilla_pilot.compile.http_options import HTTP_OPTIONS
from flotilla_pilot.model.mesh import MeshSettings
from flotilla_pilot.testing.comparison import Comparison
from flotilla_pilot.testing.dropped_paths import DROPPED
from flotilla_pilot.testing.recorded_clusters import (
    HOST,
    OWN_SETTING,
    PORT,
    PROXY,
    Pair,
    clusters_of,
    entry,
    lacking,
    outbound,
    proxy_of,
    read,
    registered,
    rule,
    stated_object,
)
from flotilla_pilot.testing.rows import Skipped


def ruled(case: Any) -> Pair:
    """Of the clusters of subsets what the row names; and all that the rule itself says of numbers and TLS."""
    service, port = case["service"], case["port"]
    stated = {**rule(service["Hostname"]), "spec": case.get("destRule") or {"host": service["Hostname"]}}
    crossing = case["clusterMode"] == "sni-dnat"
    found = clusters_of([*service_of(case), stated, CROSSING], None, EDGE if crossing else PROXY)
    start = f"outbound_.{port['Port']}_." if crossing else f"outbound|{port['Port']}|"
    whole = f"{start}_." if crossing else f"{start}|"
    subsets = {name: each for name, each in found.items() if name.startswith(start) and not name.startswith(whole)}
    wrong = [text for each in case["expectedSubsetClusters"] for text in lacking(each, subsets.get(each["name"]))]
    wanted = {each["name"] for each in case["expectedSubsetClusters"]}
    return [*wrong, *sorted(wanted ^ subsets.keys()), *([] if crossing else unsaid(case, found))], []


EDGE = {**PROXY, "type": "router", "labels": {"istio": "edge"}}
CROSSING = stated_object(
    {
        "Meta": {
            "GroupVersionKind": {"Group": "networking.istio.io", "Version": "v1", "Kind": "Gateway"},
            "Name": "edge",
            "Namespace": "default",
        },
        "Spec": {
            "selector": EDGE["labels"],
            "servers": [
                {
                    "port": {"number": 15443, "name": "tls", "protocol": "TLS"},
                    "tls": {"mode": "AUTO_PASSTHROUGH"},
                    "hosts": ["*"],
                }
            ],
        },
    }
)
"""Lets calls of other networks in, by the names of clusters that they ask for."""


def service_of(case: Any) -> list[dict[str, Any]]:
    kind, service = case["cluster"]["type"], case["service"]
    if kind in ("EDS", "STATIC"):
        return registered([service])
    labels = {} if "without labels in both" in case["name"] else {"foo": "bar"}
    resolution = "DNS" if kind == "STRICT_DNS" else "DNS_ROUND_ROBIN"
    return [
        entry(service["Hostname"], resolution=resolution, endpoints=[{"address": "b.example.com", "labels": labels}])
    ]


def unsaid(case: Any, found: Mapping[str, Any]) -> list[str]:
    """What the rule's limits of HTTP would have to show in the cluster, and does not."""
    http = (case.get("destRule") or {}).get("trafficPolicy", {}).get("connectionPool", {}).get("http", {})
    cluster = found[f"outbound|{case['port']['Port']}||{case['service']['Hostname']}"]
    options = cluster.get("typedExtensionProtocolOptions", {}).get(HTTP_OPTIONS, {})
    http2 = options.get("explicitHttpConfig", {}).get("http2ProtocolOptions", {})
    said = {
        "maxRequestsPerConnection": options.get("commonHttpProtocolOptions", {}).get("maxRequestsPerConnection"),
        "maxRetries": cluster["circuitBreakers"]["thresholds"][0]["maxRetries"],
        "maxConcurrentStreams": http2.get("maxConcurrentStreams"),
        "http2KeepAlive": http2.get("connectionKeepalive"),
    }
    return [f"{name}: {said[name]}" for name in said if name in http and said[name] != http[name]]


def plain(case: Any) -> Pair:
    """A cluster without a rule, but for its name and for what is not compared. Of static ones Pilot makes none."""
    if "expectedCluster" not in case:
        raise Skipped("the endpoints are not in the row")
    if case["expectedCluster"]["type"] == "STATIC":
        raise Skipped("endpoints of a service are told apart from its cluster")
    name = case["clusterName"]
    mesh = {"connectTimeout": "10.000000001s", "enableAutoMtls": False}
    text = json.dumps(outbound("host", entry("host"), mesh=mesh)).replace(f"outbound|{PORT}||host", name)
    found = Comparison(DROPPED).of("clusters", name, case["expectedCluster"], json.loads(text))
    return list(found), []


def family(case: Any) -> Pair:
    if "connectStrategy" in case:
        raise Skipped(OWN_SETTING)
    spec: Any = {"resolution": "DNS", "endpoints": [{"address": "b.example.com"}]}
    settings = MeshSettings(dual_stack=case.get("dualStack", False))
    proxy = {**proxy_of(case["proxy"]), "namespace": "default", "metadata": {}}
    found = read(Cluster, outbound(HOST, entry(HOST, **spec), proxy=proxy, settings=settings))
    return found.dns_lookup_family, case["expectedFamily"]


def assigned(case: Any) -> Pair:
    spec: Any = {} if case["cluster"]["type"] == "EDS" else {"resolution": "DNS", "endpoints": [{"address": "b.c"}]}
    return "edsClusterConfig" in outbound(HOST, entry(HOST, **spec)), case["cluster"]["type"] == "EDS"


def told(case: Any) -> Pair:
    if case["direction"] == "inbound":
        raise Skipped("what nothing reads is not told of inbound clusters")
    service = case["want"]["filterMetadata"]["istio"]["services"][0]
    found = outbound(service["host"], entry(service["host"]))
    return found["metadata"]["filterMetadata"]["istio"]["services"], [service]


def ordinary(case: Any) -> Pair:
    if case.get("InferencePoolService"):
        raise Skipped("the Gateway API's inference extension is not offered")
    return "loadBalancingPolicy" in outbound(HOST, entry(HOST)), False


def authority(case: Any) -> Pair:
    cluster = clusters_of([*registered([case["service"]]), {**rule("x"), "spec": case["destRule"]}])
    found = cluster[f"outbound|{case['port']['Port']}||{case['service']['Hostname']}"]
    context = found["transportSocket"]["typedConfig"]["commonTlsContext"]
    name = context["combinedValidationContext"]["validationContextSdsSecretConfig"]["name"]
    return name, f"file-root:{case['expectedCaCertificateName']}"


def by_name(case: Any) -> Pair:
    ports = [{"number": case["port"], "name": "p", "protocol": case["protocol"]}]
    documents = [entry("*.svc.cluster.local", resolution="DYNAMIC_DNS", location="MESH_EXTERNAL", endpoints=[])]
    documents[0]["spec"]["ports"] = ports
    if "destinationRule" in case:
        documents.append({**rule("x"), "spec": case["destinationRule"]})
    found = clusters_of(documents).get(f"outbound|{case['port']}||*.svc.cluster.local")
    options = (found or {}).get("typedExtensionProtocolOptions", {}).get(HTTP_OPTIONS, {})
    asked = options.get("upstreamHttpProtocolOptions", {})
    socket = "transportSocket" in (found or {})
    keys = ("expectCluster", "expectTransportTLS", "expectAutoSni", "expectAutoSanValidation")
    told = (found is not None, socket, asked.get("autoSni", False), asked.get("autoSanValidation", False))
    compared = [(told[n], case.get(key, False)) for n, key in enumerate(keys) if n < 2 or key in case]
    return tuple(one for one, _ in compared), tuple(other for _, other in compared)


def by_any_name(case: Any) -> Pair:
    mesh = {"outboundTrafficPolicy": {"mode": "ALLOW_ANY_DYNAMIC_DNS", "tls": case.get("tls")}}
    return "transportSocket" in clusters_of([], mesh)["AllowAnyDynamicDNSCluster"], case.get("expectTLS", False)
