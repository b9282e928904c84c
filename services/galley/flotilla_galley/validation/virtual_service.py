"""VirtualService (rules VS, HR, TL and TC of Istio's validation, today's set)."""

from __future__ import annotations

from collections.abc import Iterable

from flotilla_galley.validation import checks, http_route
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.destinations import check_destination, check_weights
from flotilla_galley.validation.unreachable import check_reachable
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import (
    L4MatchAttributes,
    TCPRoute,
    TLSMatchAttributes,
    TLSRoute,
    VirtualService,
)
from flotilla_shared.model.hosts import covers

MESH = "mesh"


def validate(spec: VirtualService, report: Report, namespace: str) -> None:
    """VS1-VS8, VS10, VS11; each route by its kind."""
    _hosts(spec, report)
    _gateways(spec, report)
    if not (spec.http or spec.tcp or spec.tls):
        report.wrong("it has no routes; give it http, tls or tcp", "no-routes")
    if not spec.hosts:
        for field in ("gateways", "tls", "tcp"):
            if getattr(spec, field):
                report.at(field).wrong("a VirtualService without hosts is a delegate and has http routes alone")
    for where, http in report.each("http", spec.http):
        http_route.validate(http, where, delegate=not spec.hosts)
    check_reachable(spec, report)
    for where, tls in report.each("tls", spec.tls):
        _tls(tls, spec, where)
    for where, tcp in report.each("tcp", spec.tcp):
        _tcp(tcp, where)
    checks.export_to(report, spec.export_to, namespace)


def _hosts(spec: VirtualService, report: Report) -> None:
    in_mesh = not spec.gateways or MESH in spec.gateways
    for index, host in enumerate(spec.hosts):
        where = report.at("hosts", index)
        if checks.ip(host):
            where.wrong(checks.wildcard_domain(host))
        if host == "*" and in_mesh:
            where.wrong("'*' is possible only for a VirtualService bound to gateways; name a host, or a gateway")
        for other in spec.hosts[:index]:
            if host.lower() == other.lower():
                where.wrong(f"{host!r} is named twice", "duplicate")
            elif covers(other, host) or covers(host, other):
                where.wrong(f"{host!r} and {other!r} cover one another; keep one of them", "duplicate")


def _gateways(spec: VirtualService, report: Report) -> None:
    for where, name in report.each("gateways", spec.gateways):
        where.wrong(gateway_name(name))


def gateway_name(name: str) -> str:
    """P19"""
    namespace, slash, short = name.partition("/")
    if not slash:
        return checks.fqdn(name)
    return checks.dns_label(namespace) if namespace != "." and checks.dns_label(namespace) else checks.dns_label(short)


def _tls(route: TLSRoute, spec: VirtualService, report: Report) -> None:
    if not route.match:
        report.at("match").wrong("a tls route needs at least one match with sniHosts")
    for where, match in report.each("match", route.match):
        _sni(match, spec.hosts, where)
        _level4(match, where)
    if not route.route:
        report.at("route").wrong("it has no destination")
    check_weights(route.route, report)
    for where, target in report.each("route", route.route):
        check_destination(target.destination if target.HasField("destination") else None, where.at("destination"))


def _sni(match: TLSMatchAttributes, hosts: Iterable[str], report: Report) -> None:
    if not match.sni_hosts:
        report.at("sniHosts").wrong("it names no host")
    for where, name in report.each("sniHosts", match.sni_hosts):
        if not checks.ip(name):
            where.warn(f"{name!r} is an address; callers send no address as SNI")
            continue
        where.wrong(checks.wildcard_domain(name))
        if not any(covers(host, name) for host in hosts):
            where.wrong(f"{name!r} is not covered by any of spec.hosts")


def _level4(match: TLSMatchAttributes | L4MatchAttributes, report: Report) -> None:
    for where, subnet in report.each("destinationSubnets", match.destination_subnets):
        where.wrong(checks.cidr(subnet))
    if match.port:
        report.check(checks.port, "port", match.port)
    checks.labels(report.at("sourceLabels"), match.source_labels)
    for where, name in report.each("gateways", match.gateways):
        where.wrong(gateway_name(name))


def _tcp(route: TCPRoute, report: Report) -> None:
    for where, match in report.each("match", route.match):
        _level4(match, where)
    if not route.route:
        report.at("route").wrong("it has no destination")
    check_weights(route.route, report)
    for where, target in report.each("route", route.route):
        check_destination(target.destination if target.HasField("destination") else None, where.at("destination"))
