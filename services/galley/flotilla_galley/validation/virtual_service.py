"""VirtualService (rules VS, HR, TL and TC of Istio's validation, today's set)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flotilla_galley.validation import checks, http_route
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.destinations import check_destination, check_weights
from flotilla_galley.validation.gateway_names import gateway_names
from flotilla_galley.validation.overlaps import HostIndex, overlapping_hosts
from flotilla_galley.validation.unreachable import check_reachable
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import (
    L4MatchAttributes,
    TCPRoute,
    TLSMatchAttributes,
    TLSRoute,
    VirtualService,
)

MESH = "mesh"
SNI_PREFIX = "outbound_."
CLAIMS = "@request.auth.claims"


def validate(spec: VirtualService, report: Report, namespace: str) -> None:
    """VS1-VS11; each route by its kind."""
    check_hosts(spec, report, partial(gateway_host, sni=bool(spec.tls) and not in_mesh(spec)))
    gateway_names(report, spec.gateways)
    if not (spec.http or spec.tcp or spec.tls):
        report.wrong("it has no routes; give it http, tls or tcp", "no-routes")
    if not spec.hosts:
        for field in ("gateways", "tls", "tcp"):
            if getattr(spec, field):
                report.at(field).wrong("a VirtualService without hosts is a delegate and has http routes alone")
    for where, http in report.each("http", spec.http):
        http_route.validate(http, where, delegate=not spec.hosts)
    check_reachable(spec, report)
    known = HostIndex(spec.hosts)
    for where, tls in report.each("tls", spec.tls):
        _tls(tls, known, where)
    for where, tcp in report.each("tcp", spec.tcp):
        _tcp(tcp, where)
    _claims(spec, report)
    checks.export_to(report, spec.export_to, namespace)


def in_mesh(spec: VirtualService) -> bool:
    return not spec.gateways or MESH in spec.gateways


def check_hosts(spec: VirtualService, report: Report, form: Callable[[str], str]) -> None:
    """VS4 to VS6; `form` says what is wrong with the form of one host."""
    bound = in_mesh(spec)
    for index, host in enumerate(spec.hosts):
        where = report.at("hosts", index)
        where.wrong(form(host))
        if host == "*" and bound:
            where.wrong("'*' is possible only for a VirtualService bound to gateways; name a host, or a gateway")
    for later, earlier in overlapping_hosts(spec.hosts).items():
        host, other = spec.hosts[later], spec.hosts[earlier]
        same = host.lower() == other.lower()
        text = "is named twice" if same else f"and {other!r} cover one another; keep one of them"
        report.at("hosts", later).wrong(f"{host!r} {text}", "duplicate")


def gateway_host(host: str, *, sni: bool) -> str:
    """VS4: a host that gateways take; `sni`: of routes by server name, which may be those of another gateway's clusters."""
    if not checks.ip(host):
        return ""
    if not (sni and host.startswith(SNI_PREFIX)):
        return checks.wildcard_domain(host)
    _, port, underscore, *rest = [*host.split(".", 3), "", "", ""]
    if not checks.port(checks.digits(port)) and underscore == "_" and rest[0]:
        return checks.wildcard_domain(rest[0])
    return f"{host!r} must be of the form outbound_.<port>_._.<host>"


def _claims(spec: VirtualService, report: Report) -> None:
    """VS9: only gateways may route by claims, for only they check tokens before they route."""
    if not in_mesh(spec):
        return
    for place, http in report.each("http", spec.http):
        for where, match in place.each("match", http.match):
            for field, headers in (("headers", match.headers), ("withoutHeaders", match.without_headers)):
                for name in sorted(name for name in headers if name.startswith(CLAIMS)) if headers else ():
                    where.at(field, name).wrong("claims of a token decide only in a VirtualService bound to gateways")


def _tls(route: TLSRoute, hosts: HostIndex, report: Report) -> None:
    if not route.match:
        report.at("match").wrong("a tls route needs at least one match with sniHosts")
    for where, match in report.each("match", route.match):
        _sni(match, hosts, where)
        check_level4(match, where)
    if not route.route:
        report.at("route").wrong("it has no destination")
    check_weights(route.route, report)
    for where, target in report.each("route", route.route):
        check_destination(target.destination if target.HasField("destination") else None, where.at("destination"))


def _sni(match: TLSMatchAttributes, hosts: HostIndex, report: Report) -> None:
    if not match.sni_hosts:
        report.at("sniHosts").wrong("it names no host")
    for where, name in report.each("sniHosts", match.sni_hosts):
        if not checks.ip(name):
            where.warn(f"{name!r} is an address; callers send no address as SNI")
            continue
        where.wrong(checks.wildcard_domain(name))
        if not any(True for _ in hosts.covering(name)):
            where.wrong(f"{name!r} is not covered by any of spec.hosts")


def check_level4(
    match: TLSMatchAttributes | L4MatchAttributes, report: Report, subnet_rule: Callable[[str], str] = checks.cidr
) -> None:
    """TL3 and TC1"""
    for where, subnet in report.each("destinationSubnets", match.destination_subnets):
        where.wrong(subnet_rule(subnet))
    if match.port:
        report.check(checks.port, "port", match.port)
    checks.labels(report.at("sourceLabels"), match.source_labels)
    gateway_names(report, match.gateways)


def _tcp(route: TCPRoute, report: Report) -> None:
    for where, match in report.each("match", route.match):
        check_level4(match, where)
    if not route.route:
        report.at("route").wrong("it has no destination")
    check_weights(route.route, report)
    for where, target in report.each("route", route.route):
        check_destination(target.destination if target.HasField("destination") else None, where.at("destination"))
