"""Gateway (rules GW1-GW9 of Istio's validation, today's set)."""

from __future__ import annotations

from collections.abc import Callable

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.server_tls import server_tls
from flotilla_protos.istio.networking.v1alpha3.gateway_pb2 import Gateway, Server, ServerTLSSettings
from flotilla_shared.model.protocols import Protocol, parse_protocol

UNIX = "unix://"


def validate(spec: Gateway, report: Report, namespace: str) -> None:
    check_servers(spec, report, check_server)


def check_servers(spec: Gateway, report: Report, check: Callable[[Server, Report], None]) -> None:
    """Every server by `check`, and what they must not have in common."""
    if not spec.servers:
        report.at("servers").wrong("a gateway needs at least one server")
    names: set[str] = set()
    for where, server in report.each("servers", spec.servers):
        check(server, where)
        if server.port.name in names:
            where.at("port").at("name").wrong(f"port name {server.port.name!r} is used twice", "duplicate")
        names.add(server.port.name)


def check_server(server: Server, report: Report) -> None:
    if not server.hosts:
        report.at("hosts").wrong("it names no host; use '*' for all")
    for where, host in report.each("hosts", server.hosts):
        where.wrong(_host(host))
    if not server.HasField("port"):
        report.at("port").wrong("it is missing")
        return
    check_port(server, report.at("port"))
    _bind(server, report)
    if check_protocol_tls(server, report.at("tls")):
        _tls(server.tls, report.at("tls"))


def _host(host: str) -> str:
    """P6 and P5"""
    name = host.rpartition("/")[2]
    if name.startswith("*") and name != "*" and not name.startswith("*."):
        return f"{host!r}: a star stands alone or before a dot"
    return checks.namespaced_host(host, slash=False)


def check_port(server: Server, report: Report) -> None:
    port = server.port
    report.at("protocol").wrong(checks.protocol(port.protocol, empty=False))
    if not port.name:
        report.at("name").wrong("it is missing; every port needs a name")
    if not server.bind.startswith(UNIX):
        report.at("number").wrong(checks.port(port.number))
    elif port.number:
        report.at("number").wrong("a server bound to a Unix socket has port number 0")
    if port.target_port:
        report.at("targetPort").wrong("it has no effect in a Gateway; remove it")


def _bind(server: Server, report: Report) -> None:
    if server.bind.startswith(UNIX):
        report.at("bind").wrong(checks.unix(server.bind.removeprefix(UNIX)))
    elif server.bind:
        report.at("bind").wrong(checks.ip(server.bind))


def check_protocol_tls(server: Server, report: Report) -> bool:
    """GW5: whether the protocol goes with what stands in `tls`; true where that is to be looked at further."""
    protocol = parse_protocol(server.port.protocol)
    if not server.HasField("tls"):
        if protocol.is_tls:
            report.wrong(f"protocol {server.port.protocol} needs it")
        return False
    tls = server.tls
    if protocol is Protocol.HTTP or protocol.is_http2:
        if (
            tls.mode not in (ServerTLSSettings.PASSTHROUGH, ServerTLSSettings.AUTO_PASSTHROUGH)
            or tls.server_certificate
            or tls.private_key
            or tls.ca_certificates
        ):
            report.wrong("a plain HTTP port can have nothing of tls but httpsRedirect; use protocol HTTPS")
        return False
    report.wrong("" if protocol.is_tls else f"protocol {server.port.protocol} has no TLS; use HTTPS or TLS")
    return protocol.is_tls


def _tls(tls: ServerTLSSettings, report: Report) -> None:
    if tls.https_redirect:
        report.at("httpsRedirect").warn("it has no effect here: only calls of plain HTTP can be sent on to HTTPS")
    server_tls(tls, report)
