"""Client certificates: a leaf that this mesh's root has signed, still valid, with one SPIFFE identity."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from flotilla_citadel.callers.caller import Caller, workload_identity
from flotilla_citadel.callers.memo import Memo
from flotilla_citadel.errors import CallerRefused
from flotilla_shared.model.spiffe import parse_spiffe

MAX_CERTIFICATE_BYTES = 64 * 1024


class CertificateAuthenticator:
    """Verifies client certificates against the root. Not thread-safe: it belongs to one loop.

    TLS has verified the chain when the connection was opened; a connection outlives that moment, so the life
    is checked again at each call, and the signature once for each certificate.
    """

    def __init__(self, *, root: x509.Certificate, trust_domain: str) -> None:
        self._root = root
        self._trust_domain = trust_domain
        self._memo = Memo()

    def caller(self, der: bytes, now: float) -> Caller:
        """Who holds the certificate at `now`. Raises CallerRefused, saying what is wrong."""
        if len(der) > MAX_CERTIFICATE_BYTES:
            raise CallerRefused("malformed-certificate", "the client certificate is too long")
        key = Memo.key(der)
        known = self._memo.get(key, now)
        if known is None:
            known = self._verify(der, now)
            self._memo.put(key, known)
        return known

    def _verify(self, der: bytes, now: float) -> Caller:
        try:
            certificate = x509.load_der_x509_certificate(der)
            certificate.verify_directly_issued_by(self._root)
        except (InvalidSignature, ValueError, TypeError) as error:
            raise CallerRefused(
                "foreign-certificate", "the client certificate is not signed by this mesh's root"
            ) from error
        _check_life(certificate, now)
        identity = self._identity(certificate)
        return Caller(identity, "certificate", certificate.not_valid_after_utc.timestamp())

    def _identity(self, certificate: x509.Certificate) -> str:
        uri = _only_uri(certificate)
        try:
            found = parse_spiffe(uri)
        except ValueError as error:
            raise CallerRefused(
                "certificate-identity",
                "the client certificate's URI is not spiffe://<domain>/ns/<ns>/sa/<sa>",
            ) from error
        identity = workload_identity(self._trust_domain, found.namespace, found.service_account, "certificate-identity")
        if identity != uri:  # compared as written in certificates, where `@` is a dot
            raise CallerRefused(
                "foreign-trust-domain",
                f"the client certificate is not of the trust domain {self._trust_domain}",
            )
        return identity


def _check_life(certificate: x509.Certificate, now: float) -> None:
    moment = datetime.fromtimestamp(now, UTC)
    if moment >= certificate.not_valid_after_utc:
        raise CallerRefused(
            "expired-certificate",
            f"the client certificate expired at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC",
        )
    if moment < certificate.not_valid_before_utc:
        raise CallerRefused("early-certificate", "the client certificate is not valid yet: compare the clocks")


def _only_uri(certificate: x509.Certificate) -> str:
    """The URI of a leaf that may be a client. SPIFFE: exactly one URI, and never a CA."""
    try:
        extensions = certificate.extensions
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        ca = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError) as error:
        raise CallerRefused("certificate-profile", "the client certificate is not a workload's") from error
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if ca or ExtendedKeyUsageOID.CLIENT_AUTH not in purposes or len(uris) != 1:
        raise CallerRefused("certificate-profile", "the client certificate is not a workload's")
    return uris[0]
