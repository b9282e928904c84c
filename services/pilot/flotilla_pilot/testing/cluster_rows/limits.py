"""Limits, outlier detection and HTTP/2."""

from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from google.protobuf import json_format

from flotilla_pilot.compile.connection_pool import apply_limits
from flotilla_pilot.compile.http_options import HTTP_OPTIONS, Speech, apply_http
from flotilla_pilot.compile.outliers import apply_outliers, error_matcher
from flotilla_pilot.compile.traffic_policy import PortPolicy, is_upgraded, speaks_http2, with_defaults
from flotilla_pilot.testing.recorded_clusters import (
    HOST,
    Pair,
    as_json,
    entry,
    lacking,
    mesh_of,
    outbound,
    read,
)
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import (
    ConnectionPoolSettings,
    OutlierDetection,
    TrafficPolicy,
)
from flotilla_shared.model.protocols import parse_protocol


def outliers(case: Any) -> Pair:
    cluster = Cluster()
    if "cfg" in case:
        apply_outliers(cluster, read(OutlierDetection, case["cfg"]))
    return as_json(cluster).get("outlierDetection"), case.get("o")


def error_codes(case: Any) -> Pair:
    found = as_json(error_matcher(OutlierDetection(outlier_detection_http_error_codes=case["codes"])))
    matches = [
        {"httpResponseHeadersMatch": {"headers": [{"name": ":status", "stringMatch": {"exact": str(code)}}]}}
        for code in case["codes"]
    ]
    return found, matches[0] if len(matches) == 1 else {"orMatch": {"rules": matches}}


def kept_alive(case: Any) -> Pair:
    """`rule`: whether one of the mesh, of a DestinationRule, or both states it; only the first is in every row."""
    mesh = {"tcpKeepalive": {"time": "11s"}} if case["rule"] != 2 else {}
    found = outbound(HOST, entry(HOST), mesh=mesh)
    return found.get("upstreamConnectionOptions", {}).get("tcpKeepalive"), case.get("keepalive")


def tcp_keepalive(case: Any) -> Pair:
    cluster = Cluster()
    apply_limits(cluster, read(ConnectionPoolSettings, case["connectionPool"]), None, mesh_of(case["mesh"]).clusters)
    return as_json(cluster).get("upstreamConnectionOptions"), case.get("wantConnOpts")


def pooled(case: Any) -> Pair:
    """What the cluster had before is of the row's own making: it is stated by the pool where the pool does not."""
    pool = read(ConnectionPoolSettings, case["connectionPool"])
    before = case.get("httpProtocolOptions", {}).get("commonHttpProtocolOptions", {})
    if not pool.http.max_requests_per_connection:
        pool.http.max_requests_per_connection = before.get("maxRequestsPerConnection", 0)
    if not (pool.http.HasField("idle_timeout") or pool.tcp.HasField("idle_timeout")) and "idleTimeout" in before:
        json_format.ParseDict({"idleTimeout": before["idleTimeout"]}, pool.http)
    budget = read(TrafficPolicy.RetryBudget, case["retryBudget"]) if "retryBudget" in case else None
    cluster = Cluster()
    apply_limits(cluster, pool, budget, mesh_of().clusters)
    apply_http(cluster, PortPolicy(connection_pool=pool), Speech())
    found = as_json(cluster)
    options = found.get("typedExtensionProtocolOptions", {}).get(HTTP_OPTIONS, {})
    wanted = case["expectedHTTPPOpt"] or {}
    return [*lacking(case["expectedCircuitBreakers"], found["circuitBreakers"]), *lacking(wanted, options)], []


def upgraded(case: Any) -> Pair:
    pool = read(ConnectionPoolSettings, case.get("connectionPool"))
    mesh = mesh_of(case["mesh"])
    protocol = parse_protocol(case["port"]["Protocol"])
    found = speaks_http2(protocol, pool, mesh.h2_upgrade) and is_upgraded(protocol, pool, mesh.h2_upgrade)
    return found, case.get("upgrade", False)


def defaults(case: Any) -> Pair:
    mesh = mesh_of({"defaultTrafficPolicy": case["meshDefault"]} if "meshDefault" in case else {})
    policy = read(TrafficPolicy, case.get("policy"))
    stated = {name: getattr(policy, name) for name in ("connection_pool", "outlier_detection") if policy.HasField(name)}
    found = with_defaults(PortPolicy(**stated), mesh.clusters)
    each = [as_json(one) if one is not None else None for one in (found.connection_pool, found.outlier_detection)]
    return each, [case.get("wantConnPool"), case.get("wantOutlier")]
