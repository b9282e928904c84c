"""What a proxy is started with, in the mesh configuration (rules MC4 to MC8 of Istio's validation).

The rules are for a whole configuration: `check_proxy` is given one whose defaults are filled in.
"""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from flotilla_galley.validation import checks
from flotilla_galley.validation.addresses import host_port
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.client_tls import client_tls
from flotilla_galley.validation.mesh_connections import check_connections
from flotilla_protos.istio.mesh.v1alpha1.proxy_pb2 import (
    AuthenticationPolicy,
    PrivateKeyProvider,
    ProxyConfig,
    Tracing,
)

DEFAULTS = ProxyConfig(
    config_path="./etc/istio/proxy",
    binary_path="/usr/local/bin/envoy",
    service_cluster="istio-proxy",
    drain_duration=Duration(seconds=45),
    discovery_address="istio-pilot.istio-system.svc:15012",
    proxy_admin_port=15000,
    status_port=15020,
)
AUTO_ALLOCATE = "ISTIO_META_DNS_AUTO_ALLOCATE"
# What a pod's agent puts in for the address of its node.
HOST_IP = "$(HOST_IP)"


def with_defaults(written: ProxyConfig) -> ProxyConfig:
    """A copy in which what is not written has its default."""
    whole = ProxyConfig()
    whole.CopyFrom(DEFAULTS)
    whole.MergeFrom(written)
    return whole


def check_proxy(config: ProxyConfig, report: Report) -> None:
    for field, text in (("configPath", config.config_path), ("binaryPath", config.binary_path)):
        report.at(field).wrong("" if text else "it is missing")
    if not config.service_cluster and config.WhichOneof("cluster_name") != "tracing_service_name":
        report.at("serviceCluster").wrong("it is missing; name it, or say tracingServiceName")
    report.check(drain, "drainDuration", config.drain_duration)
    _addresses(config, report)
    report.check(checks.port, "proxyAdminPort", config.proxy_admin_port)
    report.check(checks.port, "statusPort", config.status_port)
    if config.control_plane_auth_policy not in (AuthenticationPolicy.NONE, AuthenticationPolicy.MUTUAL_TLS):
        report.at("controlPlaneAuthPolicy").wrong("only NONE and MUTUAL_TLS are possible")
    _tracing(config.tracing, report.at("tracing"))
    if config.HasField("private_key_provider"):
        _keys(config.private_key_provider, report.at("privateKeyProvider"))
    check_connections(config.connection_settings, report.at("connectionSettings"))
    if AUTO_ALLOCATE in config.proxy_metadata:
        report.at("proxyMetadata", AUTO_ALLOCATE).warn("it is out of date: addresses are given to hosts without it")


def drain(duration: Duration) -> str:
    """P7, in whole seconds"""
    return checks.duration(duration) or ("only whole seconds are possible" if duration.nanos else "")


def _addresses(config: ProxyConfig, report: Report) -> None:
    if config.discovery_address:
        report.check(host_port, "discoveryAddress", config.discovery_address)
    else:
        report.at("discoveryAddress").wrong("it is missing; say where Pilot is")
    for field, address in (
        ("statsdUdpAddress", config.statsd_udp_address),
        ("zipkinAddress", config.zipkin_address),
        ("envoyMetricsServiceAddress", config.envoy_metrics_service_address),
    ):
        if address:
            report.check(host_port, field, address)
    for field, service in (
        ("envoyMetricsService", config.envoy_metrics_service),
        ("envoyAccessLogService", config.envoy_access_log_service),
    ):
        if service.address:
            report.at(field).check(host_port, "address", service.address)


def _tracing(tracing: Tracing, report: Report) -> None:
    kind = tracing.WhichOneof("tracer")
    if kind == "zipkin":
        report.at("zipkin").check(host_port, "address", tracing.zipkin.address)
    elif kind == "datadog":
        address = tracing.datadog.address.replace(HOST_IP, "127.0.0.1")
        report.at("datadog").check(host_port, "address", address)
    elif kind == "lightstep":
        report.at("lightstep").check(host_port, "address", tracing.lightstep.address)
        if not tracing.lightstep.access_token:
            report.at("lightstep").at("accessToken").wrong("it is missing; Lightstep takes no spans without one")
    for name, tag in sorted(tracing.custom_tags.items()):
        if tag.WhichOneof("type") is None:
            report.at("customTags", name).wrong("it has no value; say literal, environment or header")
    if tracing.HasField("tls_settings"):
        client_tls(tracing.tls_settings, report.at("tlsSettings"), "")


def _keys(provider: PrivateKeyProvider, report: Report) -> None:
    kind = provider.WhichOneof("provider")
    if kind is None:
        report.wrong("it names no provider; say cryptomb or qat")
        return
    delay = provider.cryptomb.poll_delay if kind == "cryptomb" else provider.qat.poll_delay
    if not delay.ToNanoseconds():
        report.at(kind).at("pollDelay").wrong("it is missing, such as 10ms")
