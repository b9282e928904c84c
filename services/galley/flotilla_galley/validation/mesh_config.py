"""The mesh configuration: what would break every proxy at once."""

from __future__ import annotations

import re

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig

# What the mesh configuration says where its author says nothing.
MESH_DEFAULTS = {"trustDomain": "cluster.local", "rootNamespace": "istio-system", "enableAutoMtls": True}
_TRUST_DOMAIN = re.compile(r"[a-z0-9._@-]{1,255}\Z")


def _server(text: str) -> str:
    """host:port"""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or checks.port(int(port)):
        return f"{text!r} must be of the form host:port, such as istio-policy.istio-system.svc.cluster.local:15004"
    return checks.fqdn(host)


def validate(spec: MeshConfig, report: Report, namespace: str) -> None:
    if not _TRUST_DOMAIN.match(spec.trust_domain):
        report.at("trustDomain").wrong(
            f"{spec.trust_domain!r} is no trust domain: lower-case letters, digits, dots, dashes"
        )
    if spec.root_namespace:
        report.check(checks.dns_label, "rootNamespace", spec.root_namespace)
    for field, number in (("proxyListenPort", spec.proxy_listen_port), ("proxyHttpPort", spec.proxy_http_port)):
        if number:
            report.check(checks.port, field, number)
    for field, server in (
        ("mixerCheckServer", spec.mixer_check_server),
        ("mixerReportServer", spec.mixer_report_server),
    ):
        if server:
            report.check(_server, field, server)
    if spec.HasField("connect_timeout"):
        report.check(checks.duration, "connectTimeout", spec.connect_timeout)
