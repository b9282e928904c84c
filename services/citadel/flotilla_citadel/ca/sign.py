"""Signing: a request, an identity and a life in, a certificate chain out.

Everything that does not depend on the request is built once per signer; one signature of a P-256 root costs
about a quarter of a millisecond with the check of the CSR, so it is done on the loop (docs/adr/0024).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from flotilla_citadel.ca import profile
from flotilla_citadel.ca.csr import SigningRequest
from flotilla_citadel.ca.root import PrivateKey, Root
from flotilla_citadel.errors import SignerUnusable


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """What was signed. `chain` is as the wire wants it: the leaf, each intermediate, the root bundle last."""

    chain: tuple[str, ...]
    identity: str
    dns_names: tuple[str, ...]
    serial: int
    not_before: datetime
    not_after: datetime


class Signer:
    """Signs leaves with one root. Immutable, safe to share; knows no clock and no caller."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self.root_pem = root.pem
        self._hash = _hash_for(root.key)
        self._authority_key_id = profile.authority_key_id(root.certificate)
        self._expires = root.certificate.not_valid_after_utc

    def sign(
        self,
        request: SigningRequest,
        identity: str,
        dns_names: tuple[str, ...],
        life: timedelta,
        now: datetime,
    ) -> IssuedCertificate:
        """A certificate for `identity` (and `dns_names`), whatever names the request holds.

        Valid from two minutes before `now` (aware, UTC) for `life` from `now`, but never longer than the
        root. Raises SignerUnusable when the root has expired.
        """
        now = now.replace(microsecond=0)
        if now >= self._expires:
            raise SignerUnusable(f"the signing certificate expired at {self._expires:%Y-%m-%d %H:%M:%S} UTC")
        not_before = now - profile.CLOCK_SKEW
        not_after = min(now + life, self._expires)
        serial = x509.random_serial_number()
        builder = (
            x509.CertificateBuilder()
            .subject_name(profile.leaf_subject(identity, request.has_common_name))
            .issuer_name(self.root.certificate.subject)
            .public_key(request.public_key)
            .serial_number(serial)
            .not_valid_before(not_before)
            .not_valid_after(not_after)
            .add_extension(profile.LEAF_USAGE, critical=True)
            .add_extension(profile.LEAF_PURPOSES, critical=False)
            .add_extension(profile.LEAF_CONSTRAINTS, critical=True)
            .add_extension(profile.alternative_names(identity, dns_names), critical=True)
        )
        if self._authority_key_id is not None:
            builder = builder.add_extension(self._authority_key_id, critical=False)
        leaf = builder.sign(self.root.key, self._hash).public_bytes(serialization.Encoding.PEM).decode()
        return IssuedCertificate((leaf, self.root_pem), identity, dns_names, serial, not_before, not_after)


def _hash_for(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384:
    """The signer's default, never what the CSR was signed with: SHA-384 for P-384, SHA-256 for the others."""
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size > 256:
        return hashes.SHA384()
    return hashes.SHA256()
