"""TLS towards a service (rules DR13 and DR14 of Istio's validation)."""

from __future__ import annotations

from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import ClientTLSSettings

CONFIG_MAP = "configmap://"
_FILES = (
    ("clientCertificate", "client_certificate"),
    ("privateKey", "private_key"),
    ("caCertificates", "ca_certificates"),
    ("caCrl", "ca_crl"),
)


def client_tls(tls: ClientTLSSettings, report: Report, namespace: str) -> None:
    """`namespace` is that of the object: a ConfigMap of another one is out of reach."""
    if tls.insecure_skip_verify.value:
        _unverified(tls, report)
    if tls.credential_name:
        for field, name in _FILES:
            if getattr(tls, name):
                report.at(field).wrong("it excludes credentialName; keep one of them", "conflict")
        report.at("credentialName").wrong(_config_map(tls.credential_name, namespace))
    elif tls.mode == ClientTLSSettings.MUTUAL:
        for field, value in (("clientCertificate", tls.client_certificate), ("privateKey", tls.private_key)):
            if not value:
                report.at(field).wrong("mode MUTUAL needs it (or credentialName)")


def _unverified(tls: ClientTLSSettings, report: Report) -> None:
    """What says how to verify has no place beside insecureSkipVerify."""
    fields = [("caCertificates", tls.ca_certificates), ("subjectAltNames", tls.subject_alt_names)]
    if tls.mode == ClientTLSSettings.SIMPLE:
        fields.append(("credentialName", tls.credential_name))
    for field, value in fields:
        if value:
            report.at(field).wrong("it excludes insecureSkipVerify; keep one of them", "conflict")


def _config_map(name: str, namespace: str) -> str:
    if not name.startswith(CONFIG_MAP):
        return ""
    of, slash, _ = name.removeprefix(CONFIG_MAP).partition("/")
    return (
        f"{name!r} is a ConfigMap of another namespace; it must be of {namespace}" if slash and of != namespace else ""
    )
