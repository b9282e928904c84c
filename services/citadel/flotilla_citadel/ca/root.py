"""The root: making a self-signed one, and taking one that was made before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from flotilla_citadel.ca import profile
from flotilla_citadel.errors import StartRefused

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class RootPem:
    """A root as it is stored: PEM of the private key and of its certificate. Never printed."""

    key: bytes
    certificate: bytes

    def __repr__(self) -> str:
        return "RootPem(...)"


@dataclass(frozen=True, slots=True)
class Root:
    """A root that may sign: its private key belongs to its certificate, and the certificate is a CA's."""

    key: PrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


def make_root(trust_domain: str, now: datetime, lifetime: timedelta = profile.ROOT_LIFETIME) -> RootPem:
    """A new P-256 root for `trust_domain`, self-signed, valid for `lifetime` from `now` (aware, UTC).

    It begins two minutes earlier, as leaves do: a peer whose clock is behind must accept the root too.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = profile.organisation(trust_domain)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - profile.CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(profile.CA_CONSTRAINTS, critical=True)
        .add_extension(profile.CA_USAGE, critical=True)
        .add_extension(profile.subject_key_id(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return RootPem(key_pem, certificate.public_bytes(serialization.Encoding.PEM))


def read_root(pem: RootPem, now: datetime) -> Root:
    """The root in `pem`. StartRefused when it may not sign; the caller puts the place before its words."""
    key = _read_key(pem.key)
    certificate = _read_certificate(pem.certificate)
    if _public_bytes(key.public_key()) != _public_bytes(certificate.public_key()):
        raise StartRefused("the private key does not belong to the certificate: put the matching pair back")
    if not _is_ca(certificate):
        raise StartRefused("the certificate is not a CA's (basicConstraints CA:TRUE, keyUsage keyCertSign)")
    _check_self_signed(certificate)
    if certificate.not_valid_after_utc <= now:
        raise StartRefused(f"the certificate expired at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC")
    return Root(key, certificate)


def _read_key(pem: bytes) -> PrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:  # TypeError: the key is encrypted
        raise StartRefused("the private key is not a plain PEM key") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise StartRefused("the private key is neither RSA nor elliptic curve")
    return key


def _read_certificate(pem: bytes) -> x509.Certificate:
    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise StartRefused("the certificate is not a PEM certificate") from error
    if len(certificates) != 1:
        raise StartRefused(f"the certificate's file holds {len(certificates)} certificates, one is expected")
    return certificates[0]


def _check_self_signed(certificate: x509.Certificate) -> None:
    """A root's own signature must hold: a broken one would fail in every client, and not here."""
    try:
        certificate.verify_directly_issued_by(certificate)
    except Exception as error:
        raise StartRefused("the certificate is not signed by its own key, so it is no root") from error


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return constraints.ca and usage.key_cert_sign


def _public_bytes(key: object) -> bytes:
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return b""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
