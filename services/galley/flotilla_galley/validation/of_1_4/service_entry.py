"""ServiceEntry (rules SE1 to SE13 as Istio 1.4 has them)."""

from __future__ import annotations

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.of_1_4.primitives import cidr, export_to, ip, protocol
from flotilla_galley.validation.service_entry import UNIX, check_hosts, check_service_ports, check_told_apart
from flotilla_galley.validation.workload_entry import check_address, check_port_names, check_ports
from flotilla_protos.istio.networking.v1alpha3.service_entry_pb2 import ServiceEntry
from flotilla_protos.istio.networking.v1alpha3.workload_entry_pb2 import WorkloadEntry

KNOWN = (ServiceEntry.NONE, ServiceEntry.STATIC, ServiceEntry.DNS)


def validate(spec: ServiceEntry, report: Report, namespace: str) -> None:
    check_hosts(spec, report)
    _addresses(spec, report)
    check_service_ports(spec, report, protocol)
    _resolution(spec, report)
    names = {port.name for port in spec.ports}
    for where, endpoint in report.each("endpoints", spec.endpoints):
        if spec.resolution == ServiceEntry.STATIC:
            _static(endpoint, names, where)
        elif spec.resolution == ServiceEntry.DNS:
            check_address(endpoint.address, where.at("address"))
            check_ports(endpoint.ports, where.at("ports"), names)
            checks.labels(where.at("labels"), endpoint.labels)
    check_told_apart(spec, report)
    export_to(report, spec.export_to)


def _addresses(spec: ServiceEntry, report: Report) -> None:
    """SE2"""
    for where, address in report.each("addresses", spec.addresses):
        where.wrong(cidr(address))
        if "/" in address and spec.resolution == ServiceEntry.DNS:
            where.wrong(f"{address!r} is a network, which only resolution NONE or STATIC can have")


def _resolution(spec: ServiceEntry, report: Report) -> None:
    """SE4, SE5 and SE7, and the part of SE6 that counts ports"""
    if spec.resolution not in KNOWN:
        report.at("resolution").wrong(f"{spec.resolution} is none of NONE, STATIC, DNS")
    if spec.resolution == ServiceEntry.NONE and spec.endpoints:
        report.at("endpoints").wrong("resolution NONE has no endpoints; use STATIC or DNS")
    if spec.resolution == ServiceEntry.STATIC:
        report.at("endpoints").wrong(
            "" if spec.endpoints else "there is none; resolution STATIC needs one in Istio 1.4"
        )
        if len(spec.ports) != 1 and any(endpoint.address.startswith(UNIX) for endpoint in spec.endpoints):
            report.at("ports").wrong("an endpoint on a Unix socket can serve a ServiceEntry of exactly one port")
    if spec.resolution == ServiceEntry.DNS and not spec.endpoints:
        for where, host in report.each("hosts", spec.hosts):
            where.wrong(checks.fqdn(host) and f"{host!r} cannot be looked up; name endpoints, or a host without star")


def _static(endpoint: WorkloadEntry, names: set[str], report: Report) -> None:
    """SE6; 1.4 did not look at the numbers of ports."""
    if endpoint.address.startswith(UNIX):
        report.at("address").wrong(checks.unix(endpoint.address.removeprefix(UNIX)))
        if endpoint.ports:
            report.at("ports").wrong("an endpoint on a Unix socket has no ports")
    else:
        report.check(ip, "address", endpoint.address)
        check_port_names(endpoint.ports, report.at("ports"), names)
    checks.labels(report.at("labels"), endpoint.labels)
