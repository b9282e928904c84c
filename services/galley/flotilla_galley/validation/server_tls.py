"""TLS of a server: a Gateway's, or a Sidecar's ingress (rules GW6 to GW9 of Istio's validation)."""

from __future__ import annotations

from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.networking.v1alpha3.gateway_pb2 import ServerTLSSettings

# Suites that Envoy's TLS library has, and as today's Istio lists them.
CIPHER_SUITES = frozenset(
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-RSA-AES256-SHA",
        "AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "AES128-SHA",
        "AES256-SHA",
        "DES-CBC3-SHA",
    )
)
MAX_CERTIFICATES = 2
OLD = (ServerTLSSettings.TLSV1_0, ServerTLSSettings.TLSV1_1)
NEEDS_CERTIFICATE = (ServerTLSSettings.SIMPLE, ServerTLSSettings.MUTUAL, ServerTLSSettings.OPTIONAL_MUTUAL)
_OWN = (
    ("serverCertificate", "server_certificate"),
    ("privateKey", "private_key"),
    ("caCertificates", "ca_certificates"),
    ("caCrl", "ca_crl"),
    ("credentialName", "credential_name"),
    ("credentialNames", "credential_names"),
    ("tlsCertificates", "tls_certificates"),
)


def server_tls(tls: ServerTLSSettings, report: Report) -> None:
    """Certificates that the mode needs, and what goes with them."""
    _suites(tls, report)
    if tls.mode == ServerTLSSettings.ISTIO_MUTUAL:
        for field, name in _OWN:
            if getattr(tls, name):
                report.at(field).wrong("mode ISTIO_MUTUAL uses the mesh's own certificate; remove it")
        return
    if tls.mode in (ServerTLSSettings.PASSTHROUGH, ServerTLSSettings.AUTO_PASSTHROUGH):
        for field, name in _OWN:
            if getattr(tls, name):
                report.at(field).warn("TLS that passes through ends elsewhere; certificates have no effect here")
    _sources(tls, report)
    if tls.mode in NEEDS_CERTIFICATE:
        certificates(tls, report)


def _sources(tls: ServerTLSSettings, report: Report) -> None:
    """GW8"""
    files = bool(tls.server_certificate or tls.private_key)
    if bool(tls.credential_name) + bool(tls.credential_names) + bool(tls.tls_certificates) + files > 1:
        report.wrong(
            "credentialName, credentialNames, serverCertificate and tlsCertificates exclude each other; keep one",
            "conflict",
        )
    for field, certificates in (("tlsCertificates", tls.tls_certificates), ("credentialNames", tls.credential_names)):
        if len(certificates) > MAX_CERTIFICATES:
            report.at(field).warn(f"there are {len(certificates)}; the first {MAX_CERTIFICATES} are used")


def certificates(tls: ServerTLSSettings, report: Report) -> None:
    """GW7, and GW9's rule of revocation lists"""
    by_name = bool(tls.credential_name or tls.credential_names)
    if tls.ca_crl and tls.mode == ServerTLSSettings.SIMPLE and not by_name:
        report.at("caCrl").wrong("mode SIMPLE asks no certificate of callers; remove it, or use MUTUAL")
    if by_name:
        return
    if tls.tls_certificates:
        for where, each in report.each("tlsCertificates", tls.tls_certificates):
            _pair(each, where)
    else:
        _pair(tls, report)
    if tls.mode != ServerTLSSettings.SIMPLE and not tls.ca_certificates:
        report.at("caCertificates").wrong("it is missing; give it, or a credentialName")


def _pair(holder: ServerTLSSettings | ServerTLSSettings.TLSCertificate, report: Report) -> None:
    for field, value in (("serverCertificate", holder.server_certificate), ("privateKey", holder.private_key)):
        if not value:
            report.at(field).wrong("it is missing; give it, or a credentialName")


def _suites(tls: ServerTLSSettings, report: Report) -> None:
    """GW9"""
    seen: set[str] = set()
    for where, suite in report.each("cipherSuites", tls.cipher_suites):
        if suite not in CIPHER_SUITES:
            where.warn(f"{suite!r} is no cipher suite, and is left out")
        elif suite in seen:
            where.warn(f"{suite!r} is named twice", "duplicate")
        seen.add(suite)
    if tls.min_protocol_version in OLD and not tls.cipher_suites:
        report.at("minProtocolVersion").warn("below TLS 1.2 nothing works without old cipherSuites; name them")
