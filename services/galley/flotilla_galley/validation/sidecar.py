"""Sidecar (rules SC of Istio's validation, today's set)."""

from __future__ import annotations

from collections.abc import Sequence

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.connection_pool import connection_pool
from flotilla_galley.validation.server_tls import server_tls
from flotilla_protos.istio.networking.v1alpha3.gateway_pb2 import ServerTLSSettings
from flotilla_protos.istio.networking.v1alpha3.sidecar_pb2 import (
    CaptureMode,
    IstioEgressListener,
    IstioIngressListener,
    OutboundTrafficPolicy,
    Sidecar,
)
from flotilla_shared.model.protocols import Protocol, parse_protocol

UNIX = "unix://"
LOCAL_ENDPOINTS = ("127.0.0.1", "0.0.0.0", "[::1]", "[::]")  # noqa: S104  # names of endpoints, nothing is bound
FORM = "127.0.0.1:<port>, 0.0.0.0:<port>, [::1]:<port>, [::]:<port> or unix://<path>"


def validate(spec: Sidecar, report: Report, namespace: str) -> None:
    if spec.HasField("workload_selector"):
        checks.selector(report.at("workloadSelector").at("labels"), spec.workload_selector.labels)
        if not spec.workload_selector.labels:
            report.at("workloadSelector").warn(
                "it has no labels and selects every workload; leave it out, or name labels"
            )
    if not (spec.ingress or spec.egress or _says_otherwise(spec)):
        report.wrong("it says nothing; give it egress, ingress, outboundTrafficPolicy or inboundConnectionPool")
    if spec.HasField("inbound_connection_pool"):
        connection_pool(spec.inbound_connection_pool, report.at("inboundConnectionPool"))
    if spec.HasField("outbound_traffic_policy"):
        _outbound(spec.outbound_traffic_policy, report.at("outboundTrafficPolicy"))
    _ingress(spec, report)
    _egress(spec, report, namespace)


def _outbound(policy: OutboundTrafficPolicy, report: Report) -> None:
    """SC8"""
    if not policy.HasField("egress_proxy"):
        return
    where = report.at("egressProxy")
    if policy.mode != OutboundTrafficPolicy.ALLOW_ANY:
        where.wrong("it needs mode ALLOW_ANY: it is for calls to hosts that nobody knows")
    where.check(checks.fqdn, "host", policy.egress_proxy.host)
    if policy.egress_proxy.subset:
        where.check(checks.dns_label, "subset", policy.egress_proxy.subset)
    if policy.egress_proxy.HasField("port"):
        where.at("port").check(checks.port, "number", policy.egress_proxy.port.number)
    else:
        where.at("port").wrong("it is missing")


def _says_otherwise(spec: Sidecar) -> bool:
    return spec.HasField("outbound_traffic_policy") or spec.HasField("inbound_connection_pool")


def _ingress(spec: Sidecar, report: Report) -> None:
    seen: set[int] = set()
    for where, listener in report.each("ingress", spec.ingress):
        _ingress_listener(listener, where)
        if listener.port.number in seen:
            where.at("port").at("number").wrong(f"port {listener.port.number} is named twice", "duplicate")
        seen.add(listener.port.number)


def _ingress_listener(listener: IstioIngressListener, report: Report) -> None:
    if not listener.HasField("port"):
        report.at("port").wrong("it is missing")
        return
    where = report.at("port")
    where.check(checks.port, "number", listener.port.number)
    where.check(checks.protocol, "protocol", listener.port.protocol)
    if listener.port.name:
        where.check(checks.dns_label, "name", listener.port.name)
    if listener.bind.startswith(UNIX):
        report.at("bind").wrong("a Unix socket is not possible here; name an IP address")
    elif listener.bind:
        report.check(checks.ip, "bind", listener.bind)
    if listener.port.target_port:
        where.at("targetPort").wrong("it has no effect in a Sidecar; write defaultEndpoint")
    report.at("defaultEndpoint").wrong(default_endpoint(listener.default_endpoint))
    if listener.HasField("tls"):
        _ingress_tls(listener, report.at("tls"))
    if listener.HasField("connection_pool"):
        connection_pool(listener.connection_pool, report.at("connectionPool"))
        if listener.connection_pool.HasField("http") and not parse_protocol(listener.port.protocol).is_http:
            report.at("connectionPool").at("http").warn("it has no effect on a port that is not HTTP")


def _ingress_tls(listener: IstioIngressListener, report: Report) -> None:
    """SC6"""
    tls = listener.tls
    if not parse_protocol(listener.port.protocol).is_tls:
        report.wrong(f"protocol {listener.port.protocol} has no TLS; use HTTPS or TLS")
    for field, given in (
        ("httpsRedirect", tls.https_redirect),
        ("subjectAltNames", tls.subject_alt_names),
        ("credentialName", tls.credential_name),
        ("credentialNames", tls.credential_names),
        ("tlsCertificates", tls.tls_certificates),
    ):
        if given:
            report.at(field).wrong("it is not possible in a Sidecar; give files of certificates")
    if tls.mode in (ServerTLSSettings.ISTIO_MUTUAL, ServerTLSSettings.AUTO_PASSTHROUGH):
        report.at("mode").wrong(f"{ServerTLSSettings.TLSmode.Name(tls.mode)} is not possible in a Sidecar")
    server_tls(tls, report)


def default_endpoint(endpoint: str) -> str:
    """Where the application listens, as the proxy of its own pod sees it"""
    if not endpoint:
        return ""
    if endpoint.startswith(UNIX):
        return checks.unix(endpoint.removeprefix(UNIX))
    host, _, port = endpoint.rpartition(":")
    if host not in LOCAL_ENDPOINTS or checks.digits(port) < 0:
        return f"{endpoint!r} must be of form {FORM}"
    return checks.port(checks.digits(port))


def _egress(spec: Sidecar, report: Report, namespace: str) -> None:
    seen: set[tuple[str, int]] = set()
    last = len(spec.egress) - 1
    for index, listener in enumerate(spec.egress):
        where = report.at("egress", index)
        _egress_listener(listener, where)
        _repeated_hosts(listener.hosts, namespace, where)
        if not listener.HasField("port"):
            if index != last:
                where.wrong("a listener without port takes all that the others leave, so it must be the last")
            continue
        place = (listener.bind, listener.port.number)
        if place in seen:
            where.at("port").at("number").wrong(f"port {listener.port.number} on this bind is named twice", "duplicate")
        seen.add(place)


def _egress_listener(listener: IstioEgressListener, report: Report) -> None:
    if not listener.hosts:
        report.at("hosts").wrong("it names no host; '*/*' is everything")
    for where, host in report.each("hosts", listener.hosts):
        where.wrong(_egress_host(host))
    _egress_port(listener, report)
    if listener.bind.startswith(UNIX):
        report.at("bind").wrong(checks.unix(listener.bind.removeprefix(UNIX)))
        if listener.capture_mode not in (CaptureMode.DEFAULT, CaptureMode.NONE):
            report.at("captureMode").wrong("a Unix socket cannot be captured; use NONE")
    elif listener.bind:
        report.check(checks.ip, "bind", listener.bind)


def _repeated_hosts(hosts: Sequence[str], namespace: str, report: Report) -> None:
    """SC7: a host that is there by itself or by its namespace's star"""
    seen: dict[str, set[str]] = {}
    if "*/*" in hosts and any(host != "*/*" and not host.startswith("~") for host in hosts):
        report.at("hosts").warn("'*/*' is everything; the other hosts beside it have no effect")
    for where, text in report.each("hosts", hosts):
        of, _, host = text.partition("/")
        before = seen.setdefault(namespace if of == "." else of, set())
        if before and (host == "*" or host in before or "*" in before):
            where.warn(f"{text!r} is there already", "duplicate")
        before.add(host)


def _egress_host(host: str) -> str:
    """P6 and P5"""
    name = host.rpartition("/")[2]
    if name.startswith("*") and name != "*" and not name.startswith("*."):
        return f"{host!r}: a star stands alone or before a dot"
    return checks.namespaced_host(host, slash=True)


def _egress_port(listener: IstioEgressListener, report: Report) -> None:
    if not listener.HasField("port"):
        return
    where = report.at("port")
    if listener.port.name:
        where.check(checks.dns_label, "name", listener.port.name)
    if listener.bind.startswith(UNIX):
        where.at("number").wrong("a listener on a Unix socket has port number 0" if listener.port.number else "")
    else:
        where.check(checks.port, "number", listener.port.number)
    if parse_protocol(listener.port.protocol) is not Protocol.HTTP_PROXY:
        where.check(checks.protocol, "protocol", listener.port.protocol)
