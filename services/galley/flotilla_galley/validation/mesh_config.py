"""The mesh configuration: what would break every proxy at once (rules MC of Istio's validation)."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from flotilla_galley.validation import checks
from flotilla_galley.validation.addresses import host_port
from flotilla_galley.validation.checks import MILLISECOND, Report
from flotilla_galley.validation.connection_pool import connection_pool
from flotilla_galley.validation.localities import locality_setting, zone_setting
from flotilla_galley.validation.mesh_providers import check_providers
from flotilla_galley.validation.mesh_proxy import check_proxy, with_defaults
from flotilla_galley.validation.outlier_detection import outlier_detection
from flotilla_galley.validation.retries import check_retries
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig

# What the mesh configuration says where its author says nothing.
MESH_DEFAULTS = {"trustDomain": "cluster.local", "rootNamespace": "istio-system", "enableAutoMtls": True}
HOUR = 3600 * 10**9
CURVES = frozenset(("P-224", "P-256", "P-384", "P-521", "X25519", "X25519MLKEM768"))


def validate(spec: MeshConfig, report: Report, namespace: str) -> None:
    _identity(spec, report)
    _ports_and_times(spec, report)
    for field, server in (
        ("mixerCheckServer", spec.mixer_check_server),
        ("mixerReportServer", spec.mixer_report_server),
    ):
        if server:
            report.check(host_port, field, server)
    _traffic(spec, report)
    _curves(spec, report)
    for where, setting in report.each("serviceSettings", spec.service_settings):
        for place, host in where.each("hosts", setting.hosts):
            place.wrong(checks.wildcard_domain(host))
    check_proxy(with_defaults(spec.default_config), report.at("defaultConfig"))
    check_providers(spec.extension_providers, report)


def _identity(spec: MeshConfig, report: Report) -> None:
    report.check(_own_trust_domain, "trustDomain", spec.trust_domain)
    for where, alias in report.each("trustDomainAliases", spec.trust_domain_aliases):
        where.wrong(trust_domain(alias))
    if spec.root_namespace:
        report.check(checks.dns_label, "rootNamespace", spec.root_namespace)


def _own_trust_domain(name: str) -> str:
    """That of the mesh's own certificates, whose names have no capitals (SPIFFE)"""
    return trust_domain(name) or ("" if name == name.lower() else f"{name!r} has capitals; write it in small letters")


def trust_domain(name: str) -> str:
    """Labels of P2, joined by dots; what is wrong with it, or ""."""
    if not name:
        return "the trust domain is empty"
    for label in name.removesuffix(".").split("."):
        if wrong := checks.dns_label(label):
            return f"{name!r} is no trust domain, such as cluster.local: {wrong}"
    return ""


def _ports_and_times(spec: MeshConfig, report: Report) -> None:
    for field, number in (
        ("proxyListenPort", spec.proxy_listen_port),
        ("proxyInboundListenPort", spec.proxy_inbound_listen_port),
        ("proxyHttpPort", spec.proxy_http_port),
    ):
        if number:
            report.check(checks.port, field, number)
    if spec.HasField("connect_timeout"):
        report.check(connect_timeout, "connectTimeout", spec.connect_timeout)
    if spec.protocol_detection_timeout.ToNanoseconds() % MILLISECOND:
        report.at("protocolDetectionTimeout").wrong("only whole milliseconds are possible")


def connect_timeout(value: Duration) -> str:
    """P8"""
    if value.ToNanoseconds() > HOUR:
        return f"{value.seconds}s is too long; it must be at most an hour"
    return checks.duration(value)


def _traffic(spec: MeshConfig, report: Report) -> None:
    """MC3, and what holds for services that have no DestinationRule or VirtualService"""
    if spec.HasField("locality_lb_setting"):
        locality_setting(spec.locality_lb_setting, report.at("localityLbSetting"), outlier=True)
    if spec.HasField("zone_aware_lb_setting"):
        zone_setting(spec.zone_aware_lb_setting, report.at("zoneAwareLbSetting"), outlier=True)
    if spec.HasField("default_http_retry_policy"):
        check_retries(spec.default_http_retry_policy, report.at("defaultHttpRetryPolicy"))
    default_traffic(spec.default_traffic_policy, report.at("defaultTrafficPolicy"))


def default_traffic(policy: MeshConfig.DefaultTrafficPolicy, report: Report) -> None:
    if policy.HasField("connection_pool"):
        connection_pool(policy.connection_pool, report.at("connectionPool"))
    if policy.HasField("outlier_detection"):
        outlier_detection(policy.outlier_detection, report.at("outlierDetection"))


def _curves(spec: MeshConfig, report: Report) -> None:
    if spec.mesh_mTLS.ecdh_curves:
        report.at("meshMTLS").at("ecdhCurves").wrong("curves of the mesh's own TLS cannot be chosen; use tlsDefaults")
    seen: set[str] = set()
    for where, curve in report.at("tlsDefaults").each("ecdhCurves", spec.tls_defaults.ecdh_curves):
        if curve not in CURVES:
            where.warn(f"{curve!r} is no curve, and is left out")
        elif curve in seen:
            where.warn(f"{curve!r} is named twice", "duplicate")
        seen.add(curve)
