"""ServiceEntry (rules SE1-SE13 of Istio's validation, today's set)."""

from __future__ import annotations

from collections.abc import Callable

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.workload_entry import check_address, check_ports
from flotilla_protos.istio.networking.v1alpha3.service_entry_pb2 import ServiceEntry
from flotilla_shared.model.protocols import Protocol, parse_protocol

UNIX = "unix://"
DNS = (ServiceEntry.DNS, ServiceEntry.DNS_ROUND_ROBIN)
_DYNAMIC_PROTOCOLS = (Protocol.HTTP, Protocol.HTTP2, Protocol.GRPC, Protocol.TLS)


def validate(spec: ServiceEntry, report: Report, namespace: str) -> None:
    check_hosts(spec, report)
    _addresses(spec, report)
    check_service_ports(spec, report)
    _selection(spec, report)
    names = {port.name for port in spec.ports}
    for where, endpoint in report.each("endpoints", spec.endpoints):
        check_ports(endpoint.ports, where.at("ports"), names)
        checks.labels(where.at("labels"), endpoint.labels)
        _endpoint(spec, endpoint.address, endpoint.network, where)
        if endpoint.address.startswith(UNIX) and endpoint.ports:
            where.at("ports").wrong("an endpoint on a Unix socket has no ports")
    _resolution(spec, report)
    if spec.resolution == ServiceEntry.DYNAMIC_DNS:
        _dynamic(spec, report)
    checks.export_to(report, spec.export_to, namespace, nobody=True)


def check_hosts(spec: ServiceEntry, report: Report) -> None:
    """SE1"""
    if not spec.hosts:
        report.at("hosts").wrong("it names no host")
    for where, host in report.each("hosts", spec.hosts):
        where.wrong("'*' is no host of a service" if host == "*" else checks.wildcard_domain(host))
        if "*" in host and not host.startswith("*.") and spec.resolution != ServiceEntry.DYNAMIC_DNS:
            where.warn(f"{host!r} has a star that is no whole part; only *.example.com matches reliably")


def _addresses(spec: ServiceEntry, report: Report) -> None:
    """SE2"""
    for where, address in report.each("addresses", spec.addresses):
        where.wrong(checks.cidr(address))
        network = "/" in address and address.rpartition("/")[2] not in ("32", "128")
        if network and spec.resolution not in (ServiceEntry.NONE, ServiceEntry.STATIC):
            where.wrong(f"{address!r} is a network, which only resolution NONE or STATIC can have")


def check_service_ports(
    spec: ServiceEntry, report: Report, protocol_rule: Callable[[str], str] = checks.protocol
) -> None:
    """SE3"""
    names: set[str] = set()
    numbers: set[int] = set()
    for where, port in report.each("ports", spec.ports):
        if port.name in names:
            where.at("name").wrong(f"port name {port.name!r} is used twice", "duplicate")
        if port.number in numbers:
            where.at("number").wrong(f"port {port.number} is named twice", "duplicate")
        names.add(port.name)
        numbers.add(port.number)
        where.check(checks.dns_label, "name", port.name)
        where.check(checks.port, "number", port.number)
        where.check(protocol_rule, "protocol", port.protocol)
        if port.target_port:
            where.check(checks.port, "targetPort", port.target_port)


def _selection(spec: ServiceEntry, report: Report) -> None:
    """SE12"""
    if spec.HasField("workload_selector"):
        where = report.at("workloadSelector")
        checks.selector(where.at("labels"), spec.workload_selector.labels)
        if not spec.workload_selector.labels:
            where.warn("it has no labels and selects every workload; leave it out, or name labels")
        if spec.resolution == ServiceEntry.NONE:
            where.warn("with resolution NONE nothing is selected: calls go where they are addressed; use STATIC")
        if spec.endpoints:
            report.at("endpoints").wrong("workloadSelector and endpoints exclude each other; keep one", "conflict")


def _endpoint(spec: ServiceEntry, address: str, network: str, report: Report) -> None:
    """SE6 and SE7"""
    if spec.resolution == ServiceEntry.STATIC:
        if address.startswith(UNIX):
            report.at("address").wrong(checks.unix(address.removeprefix(UNIX)))
            if len(spec.ports) != 1:
                report.at("address").wrong("a Unix socket can serve a ServiceEntry of exactly one port")
        elif address:
            report.at("address").wrong(checks.ip(address) and f"{address!r} is no IP address, which STATIC needs")
        elif not network:
            report.at("address").wrong("it is missing")
    elif spec.resolution in DNS:
        check_address(address, report.at("address"))


def _resolution(spec: ServiceEntry, report: Report) -> None:
    """SE4, SE7, SE8, SE10"""
    if spec.resolution == ServiceEntry.NONE and spec.endpoints:
        report.at("endpoints").wrong("resolution NONE has no endpoints; use STATIC or DNS")
    if spec.resolution in DNS and not spec.endpoints:
        for where, host in report.each("hosts", spec.hosts):
            where.wrong(checks.fqdn(host) and f"{host!r} cannot be looked up; name endpoints, or a host without star")
    if spec.resolution == ServiceEntry.DNS_ROUND_ROBIN and len(spec.endpoints) > 1:
        report.at("endpoints").wrong("resolution DNS_ROUND_ROBIN has one endpoint at most")
    check_told_apart(spec, report)
    for where, port in report.each("ports", spec.ports):
        if parse_protocol(port.protocol) in (Protocol.TCP, Protocol.UNSUPPORTED) and not spec.addresses:
            where.warn("a TCP port without spec.addresses takes its number for itself in every sidecar")


def check_told_apart(spec: ServiceEntry, report: Report) -> None:
    """SE10"""
    if spec.resolution == ServiceEntry.NONE or len(spec.hosts) < 2:
        return
    for where, port in report.each("ports", spec.ports):
        protocol = parse_protocol(port.protocol)
        if not (protocol.is_http or protocol.is_tls):
            where.at("protocol").wrong(
                "with several hosts every port must be HTTP or TLS, or they cannot be told apart"
            )


def _dynamic(spec: ServiceEntry, report: Report) -> None:
    """SE9: hosts that are looked up one by one as they are called"""
    for where, host in report.each("hosts", spec.hosts):
        where.wrong(
            "" if host.startswith("*") else f"{host!r} has no star; with resolution DYNAMIC_DNS every host has one"
        )
    for field, given in (("addresses", spec.addresses), ("endpoints", spec.endpoints)):
        if given:
            report.at(field).wrong("with resolution DYNAMIC_DNS there are none")
    for where, port in report.each("ports", spec.ports):
        if parse_protocol(port.protocol) not in _DYNAMIC_PROTOCOLS:
            where.at("protocol").wrong(
                "with resolution DYNAMIC_DNS it is HTTP, HTTP2, GRPC or TLS: the call names its host"
            )
