"""Gateway (rules GW1 to GW7 as Istio 1.4 has them)."""

from __future__ import annotations

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.gateway import check_protocol_tls, check_servers
from flotilla_galley.validation.of_1_4.primitives import protocol
from flotilla_galley.validation.server_tls import NEEDS_CERTIFICATE, certificates
from flotilla_protos.istio.networking.v1alpha3.gateway_pb2 import Gateway, Port, Server, ServerTLSSettings

# Files that a mode with the mesh's own certificate does without.
FILES = (
    ("serverCertificate", "server_certificate"),
    ("privateKey", "private_key"),
    ("caCertificates", "ca_certificates"),
)


def validate(spec: Gateway, report: Report, namespace: str) -> None:
    check_servers(spec, report, server)


def server(spec: Server, report: Report) -> None:
    if not spec.hosts:
        report.at("hosts").wrong("it names no host; use '*' for all")
    for where, host in report.each("hosts", spec.hosts):
        where.wrong(checks.namespaced_host(host, slash=False))
    if not spec.HasField("port"):
        report.at("port").wrong("it is missing")
        return
    port(spec.port, report.at("port"))
    if check_protocol_tls(spec, report.at("tls")):
        server_tls(spec.tls, report.at("tls"))


def port(spec: Port, report: Report) -> None:
    """GW3; 1.4 took 0 for a number."""
    report.at("protocol").wrong(protocol(spec.protocol, empty=False))
    if not spec.name:
        report.at("name").wrong("it is missing; every port needs a name")
    if spec.number:
        report.check(checks.port, "number", spec.number)


def server_tls(tls: ServerTLSSettings, report: Report) -> None:
    """GW6 and GW7"""
    if tls.mode == ServerTLSSettings.ISTIO_MUTUAL:
        for field, name in FILES:
            if getattr(tls, name):
                report.at(field).wrong("mode ISTIO_MUTUAL uses the mesh's own certificate; remove it")
    elif tls.mode in NEEDS_CERTIFICATE:
        certificates(tls, report)
