"""VirtualService (rules VS, HR, TL and TC as Istio 1.4 has them)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.gateway_names import gateway_names
from flotilla_galley.validation.of_1_4 import http_route
from flotilla_galley.validation.of_1_4.destinations import check_targets
from flotilla_galley.validation.of_1_4.primitives import cidr, export_to
from flotilla_galley.validation.virtual_service import check_hosts, check_level4, gateway_host
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import (
    L4MatchAttributes,
    RouteDestination,
    TCPRoute,
    TLSMatchAttributes,
    TLSRoute,
    VirtualService,
)
from flotilla_shared.model.hosts import covers

_FORM = partial(gateway_host, sni=False)


def validate(spec: VirtualService, report: Report, namespace: str) -> None:
    if not spec.hosts:
        report.at("hosts").wrong("it names no host; a VirtualService of Istio 1.4 needs one")
    check_hosts(spec, report, _FORM)
    gateway_names(report, spec.gateways)
    if not (spec.http or spec.tcp or spec.tls):
        report.wrong("it has no routes; give it http, tls or tcp", "no-routes")
    for where, http in report.each("http", spec.http):
        http_route.validate(http, where)
    for where, tls in report.each("tls", spec.tls):
        _tls(tls, spec.hosts, where)
    for where, tcp in report.each("tcp", spec.tcp):
        _tcp(tcp, where)
    export_to(report, spec.export_to)


def _tls(route: TLSRoute, hosts: Sequence[str], report: Report) -> None:
    """TL1 to TL4"""
    if not route.match:
        report.at("match").wrong("a tls route needs at least one match with sniHosts")
    for where, match in report.each("match", route.match):
        _sni(match, hosts, where)
        _level4(match, where)
    _route(route.route, report)


def _sni(match: TLSMatchAttributes, hosts: Sequence[str], report: Report) -> None:
    if not match.sni_hosts:
        report.at("sniHosts").wrong("it names no host")
    for where, name in report.each("sniHosts", match.sni_hosts):
        where.wrong(_FORM(name))
        if not any(covers(host, name) for host in hosts):
            where.wrong(f"{name!r} is not covered by any of spec.hosts")


def _tcp(route: TCPRoute, report: Report) -> None:
    """TC1"""
    for where, match in report.each("match", route.match):
        _level4(match, where)
        if match.source_subnet:
            where.check(cidr, "sourceSubnet", match.source_subnet)
    _route(route.route, report)


def _level4(match: TLSMatchAttributes | L4MatchAttributes, report: Report) -> None:
    check_level4(match, report, subnet_rule=cidr)


def _route(route: Sequence[RouteDestination], report: Report) -> None:
    if not route:
        report.at("route").wrong("it has no destination")
    check_targets(route, report)
