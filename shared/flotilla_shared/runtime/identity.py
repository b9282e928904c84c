"""A workload's or service's own certificate: key, CSR, renewal at half life. One implementation for all."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from flotilla_shared.runtime.backoff import Backoff
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger

RENEW_AT = 0.5  # of the life
JITTER = 0.01
SHORTEST_WAIT_SECONDS = 0.05

_log = get_logger(__name__)


class SigningError(Exception):
    """A certificate could not be had; the text says why, for people.

    SigningError
    ├── SigningRefused       the authority said no: token, CSR, lifetime
    └── SigningUnavailable   no answer: unreachable, TLS failed, a file cannot be read
    """


class SigningRefused(SigningError):
    """The authority answered, and refused."""


class SigningUnavailable(SigningError):
    """There was no answer; trying again may help."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A key with its certificate. PEM bytes; `chain_pem` is the leaf and its intermediates, the root is apart."""

    key_pem: bytes
    chain_pem: bytes
    root_pem: bytes
    spiffe: str
    not_before: datetime
    not_after: datetime
    serial: int

    def __repr__(self) -> str:
        return f"Certificate({self.spiffe}, serial={self.serial:x}, not_after={self.not_after.isoformat()})"


class CertificateSigner(Protocol):
    """Who signs: Citadel over gRPC, or Citadel itself inside its process."""

    async def sign(self, csr_pem: str, ttl_seconds: int, current: Certificate | None) -> Sequence[str]:
        """The chain as PEM strings: leaf, intermediates, and the root bundle as the last. Raises SigningError."""
        ...


class IdentitySource(Protocol):
    """What servers and clients need of an identity; WorkloadIdentity is one, tests have a fixed one."""

    @property
    def current(self) -> Certificate | None: ...

    async def wait(self) -> Certificate: ...

    def subscribe(self, callback: Callable[[Certificate], None]) -> Callable[[], None]: ...


class WorkloadIdentity:
    """Component. Gets the first certificate in the background, trying until it has one, and renews for ever.

    The key is P-256, made anew for each certificate, and only in memory. While a renewal fails the current
    certificate stays, and `last_error` says why.
    """

    def __init__(
        self, signer: CertificateSigner, spiffe_id: str, ttl_seconds: int, *, backoff: Backoff | None = None
    ) -> None:
        self.spiffe_id = spiffe_id
        self.current: Certificate | None = None
        self.last_error = "no certificate has been asked for yet"
        self._signer = signer
        self._ttl_seconds = ttl_seconds
        self._backoff = backoff or Backoff(first=0.1, cap=5.0)
        self._tasks = Tasks(f"identity:{spiffe_id}")
        self._first = asyncio.Event()
        self._subscribers: list[Callable[[Certificate], None]] = []

    async def start(self) -> None:
        """Begin; returns at once. `wait` for the first certificate."""
        self._tasks.spawn(self._keep(), "keep")

    async def stop(self) -> None:
        await self._tasks.stop()

    async def wait(self) -> Certificate:
        """The current certificate, as soon as there is one."""
        await self._first.wait()
        assert self.current is not None
        return self.current

    def subscribe(self, callback: Callable[[Certificate], None]) -> Callable[[], None]:
        """Call back, on the loop, with every new certificate; gives the function that ends it."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    async def renew(self) -> Certificate:
        """One new certificate, now. Raises SigningError; the current one then stays."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            chain = await self._signer.sign(make_csr(key, self.spiffe_id), self._ttl_seconds, self.current)
            certificate = read_chain(key, chain)
        except SigningError as error:
            self.last_error = str(error)
            raise
        self._take(certificate)
        return certificate

    def _take(self, certificate: Certificate) -> None:
        self.current, self.last_error = certificate, ""
        self._first.set()
        for callback in list(self._subscribers):
            try:
                callback(certificate)
            except Exception:  # noqa: BLE001  # one subscriber must not keep the others from it
                _log.exception("certificate subscriber failed", identity=self.spiffe_id)

    async def _keep(self) -> None:
        while True:
            try:
                certificate = await self.renew()
            except SigningError as error:
                wait = self._backoff.next()
                _log.warning("no certificate", identity=self.spiffe_id, error=str(error), again_seconds=round(wait, 2))
            except Exception as error:  # noqa: BLE001  # renewal must go on whatever a signer raises
                self.last_error = f"{type(error).__name__}: {error}"
                wait = self._backoff.next()
                _log.exception("certificate renewal failed", identity=self.spiffe_id)
            else:
                self._backoff.reset()
                wait = renewal_wait(certificate, time.time())
                _log.debug("certificate", identity=self.spiffe_id, not_after=certificate.not_after.isoformat())
            await asyncio.sleep(wait)


def renewal_wait(certificate: Certificate, now: float) -> float:
    """Seconds until half of what is left of the life is over, one percent more or less, never below a moment."""
    left = certificate.not_after.timestamp() - now
    share = RENEW_AT + random.uniform(-JITTER, JITTER)  # noqa: S311  # spreading, not secrecy
    return max(SHORTEST_WAIT_SECONDS, left * share)


def make_csr(key: ec.EllipticCurvePrivateKey, spiffe_id: str) -> str:
    """A CSR with an empty subject and the identity as its only name, PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(
        x509.SubjectAlternativeName([x509.UniformResourceIdentifier(spiffe_id)]), critical=True
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def read_chain(key: ec.EllipticCurvePrivateKey, chain: Sequence[str]) -> Certificate:
    """The certificate of a signer's answer. Raises SigningRefused for an answer that cannot be one."""
    if len(chain) < 2:
        raise SigningRefused(f"the answer holds {len(chain)} certificates; it must hold the leaf and, last, the root")
    try:
        leaf = x509.load_pem_x509_certificates(chain[0].encode())[0]
        x509.load_pem_x509_certificates(chain[-1].encode())
    except (ValueError, IndexError) as error:
        raise SigningRefused(f"the answer holds no certificates: {error}") from error
    if leaf.public_key() != key.public_key():
        raise SigningRefused("the certificate in the answer is not for the key in the CSR")
    return Certificate(
        key_pem=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        chain_pem="".join(chain[:-1]).encode(),
        root_pem=chain[-1].encode(),
        spiffe=uri_of(leaf) or "",
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        serial=leaf.serial_number,
    )


def uri_of(certificate: x509.Certificate) -> str | None:
    """The first URI name of a certificate: its SPIFFE identity; None where it has none."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return None
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return uris[0] if uris else None
