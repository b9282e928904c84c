"""Istio's own cases of clusters, rule by rule. What differs is listed with its reason."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from flotilla_pilot.compile.stat_names import stat_name
from flotilla_pilot.model.services import KUBERNETES_SERVICES, Resolution, Service, ServicePort
from flotilla_pilot.testing.cluster_rows import balancing, existing, limits, receiving, tls, whole
from flotilla_pilot.testing.recorded_clusters import OWN_SETTING
from flotilla_pilot.testing.rows import Check, play_table, skip
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.protocols import parse_protocol

CHECKS: dict[str, Check] = {
    "TestApplyConnectionPool": limits.pooled,
    "TestApplyDefaultTrafficPolicy": limits.defaults,
    "TestApplyDestinationRule": whole.ruled,
    "TestApplyDestinationRuleOSCACert": whole.authority,
    "TestApplyEdsConfig": whole.assigned,
    "TestApplyLoadBalancer": balancing.chosen,
    "TestApplyOutlierDetection": limits.outliers,
    "TestApplyOutlierDetectionErrorCodes": limits.error_codes,
    "TestApplyRingHashLoadBalancer": balancing.hashed,
    "TestApplyUpstreamProxyProtocol": tls.announced,
    "TestApplyUpstreamTLSSettings": tls.sockets,
    "TestApplyUpstreamTLSSettingsHBONE": skip("no proxy sends by HBONE"),
    "TestBuildAutoMtlsSettings": tls.wanted,
    "TestBuildSidecarClustersWithIstioMutualAndSNI": tls.server_name,
    "TestBuildUpstreamClusterTLSContext": tls.contexts,
    "TestInsecureSkipVerify": tls.unverified,
    "TestApplyTCPKeepalive": limits.tcp_keepalive,
    "TestBuildAllowAnyDFPClusterTLSSettings": whole.by_any_name,
    "TestBuildClustersForInferencePoolServices": whole.ordinary,
    "TestBuildDefaultCluster": whole.plain,
    "TestBuildDeltaClusters": existing.changed,
    "TestBuildDeltaClustersForFilteredGateway": existing.changed,
    "TestBuildExternalSDSClusters": skip("secrets come by the agent, whose socket every bootstrap has"),
    "TestBuildGatewayClustersWithRingHashLb": balancing.ring,
    "TestBuildInboundClustersPortLevelCircuitBreakerThresholds": receiving.own_limits,
    "TestBuildLocalityLbEndpoints": skip("the tables of endpoints and localities have these"),
    "TestBuildPassthroughClusters": receiving.passed_through,
    "TestBuildSidecarClustersWithMeshWideTCPKeepalive": limits.kept_alive,
    "TestClusterDnsConfig": skip(OWN_SETTING),
    "TestClusterDnsLookupFamily": whole.family,
    "TestEnvoyFilterPatching": existing.patched,
    "TestInboundClustersLocalhostDefaultEndpoint": receiving.default_endpoint,
    "TestInboundClustersPassThroughBindIPs": receiving.own_source,
    "TestRedisProtocolWithPassThroughResolutionAtGateway": skip(OWN_SETTING),
    "TestShouldH2Upgrade": limits.upgraded,
    "TestSidecarDynamicDNSClusters": whole.by_name,
    "TestSlowStartConfig": balancing.warmed,
    "TestTelemetryMetadata": whole.told,
    "TestWarmup": balancing.warmed,
}

DIFFERENT = {
    "tables/core-cluster/TestApplyRingHashLoadBalancer/consistent_hash_settings_with_Maglev_and_table_size_defined": (
        "Envoy refuses a table whose size is no prime number"
    ),
    "tables/core-cluster_builder/TestApplyDestinationRule/destination_rule_with_retry_budget": (
        "Envoy 1.40 has no interval over which a budget of retries is counted"
    ),
}

TABLES = ["core-cluster", *(f"core-cluster_{part}" for part in ("builder", "dfp_sidecar", "tls", "traffic_policy"))]


@pytest.fixture(scope="module")
def tables(vectors: Path) -> Path:
    return vectors / "today" / "tables"


@pytest.mark.parametrize("table", TABLES)
def test_rows_are_as_istio_has_them(tables: Path, table: str) -> None:
    ran, wrong = play_table(tables / f"{table}.jsonl", CHECKS, DIFFERENT)
    assert ran
    assert wrong == [], "\n".join(wrong)


def named(row: Any) -> tuple[Any, Any]:
    given = row["input"]
    port, attributes = given["port"], given["attributes"]
    kubernetes = attributes.get("ServiceRegistry") == "Kubernetes"
    collection = KUBERNETES_SERVICES if kubernetes else kinds.SERVICE_ENTRIES
    source = cast(ConfigObject, SimpleNamespace(key=ObjectKey(collection, "", ""), version=""))
    service = Service(given["host"], attributes["Namespace"], (), Resolution.STATIC, False, (), (), (), (), source)
    numbered = ServicePort(port["Port"], port["Name"], parse_protocol(port["Protocol"]))
    found = stat_name(given["statPattern"], service, numbered, given["subset"], given["targetPort"])
    return [found], row["result"]


def test_names_of_statistics_are_as_istio_has_them(vectors: Path) -> None:
    checks = {
        "telemetry.BuildStatPrefix": named,
        "telemetry.BuildInboundStatPrefix": skip("names of listeners"),
        "telemetry.TraceOperation": skip("the tables of routes have these"),
    }
    ran, wrong = play_table(vectors / "today" / "unit" / "telemetry-names.jsonl", checks, {})
    assert ran > 5
    assert wrong == []


def test_few_rows_are_different() -> None:
    assert len(DIFFERENT) <= 4
