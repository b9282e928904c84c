"""A certificate authority for tests, and identities that it signed: real certificates, no server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from flotilla_shared.runtime.identity import Certificate, make_csr, read_chain


class CertificateAuthorityForTests:
    """Signs whatever it is asked to. Also a CertificateSigner (`sign`) that may be told to fail."""

    def __init__(self, name: str = "cluster.local") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)])
        now = datetime.now(UTC)
        self.root = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=2))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.root_pem = self.root.public_bytes(serialization.Encoding.PEM).decode()
        self.signed = 0
        self.failure: Exception | None = None
        self.dns_names: tuple[str, ...] = ()

    async def sign(self, csr_pem: str, ttl_seconds: int, current: Certificate | None) -> Sequence[str]:
        """As a CertificateSigner: the CSR's own name, and `dns_names`; raises `failure` where one is set."""
        if self.failure is not None:
            raise self.failure
        return self.chain(csr_pem, timedelta(seconds=ttl_seconds), self.dns_names)

    def chain(self, csr_pem: str, life: timedelta, dns_names: Sequence[str] = ()) -> list[str]:
        csr = x509.load_pem_x509_csr(csr_pem.encode())
        names = list(csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        names += [x509.DNSName(name) for name in dns_names]
        now = datetime.now(UTC)
        leaf = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.root.subject)
            .public_key(csr.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=2))
            .not_valid_after(now + life)
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        self.signed += 1
        return [leaf.public_bytes(serialization.Encoding.PEM).decode(), self.root_pem]

    def certificate(
        self, spiffe_id: str, dns_names: Sequence[str] = (), life: timedelta = timedelta(hours=1)
    ) -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        return read_chain(key, self.chain(make_csr(key, spiffe_id), life, dns_names))

    def revoked(self, *certificates: Certificate) -> bytes:
        """A list of these as revoked, in PEM."""
        now = datetime.now(UTC)
        found = x509.CertificateRevocationListBuilder().issuer_name(self.root.subject)
        found = found.last_update(now - timedelta(minutes=2)).next_update(now + timedelta(days=1))
        for each in certificates:
            entry = x509.RevokedCertificateBuilder().serial_number(each.serial).revocation_date(now)
            found = found.add_revoked_certificate(entry.build())
        return found.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def identity(self, spiffe_id: str, *dns_names: str) -> StaticIdentity:
        return StaticIdentity(self.certificate(spiffe_id, dns_names))


class StaticIdentity:
    """An IdentitySource whose certificate changes only when a test says so."""

    def __init__(self, certificate: Certificate) -> None:
        self.current: Certificate | None = certificate
        self.last_error = ""
        self._subscribers: list[Callable[[Certificate], None]] = []

    async def start(self) -> None:
        """Nothing to do: it is there."""

    async def stop(self) -> None:
        """Nothing to do."""

    async def wait(self) -> Certificate:
        assert self.current is not None
        return self.current

    def subscribe(self, callback: Callable[[Certificate], None]) -> Callable[[], None]:
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    def replace(self, certificate: Certificate) -> None:
        """Renew it: every subscriber hears of it."""
        self.current = certificate
        for callback in list(self._subscribers):
            callback(certificate)
