"""Reading a signing request: bounded, its signature verified, its key strong enough, its names listed."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from flotilla_citadel.errors import CsrRefused

MAX_CSR_BYTES = 16 * 1024  # an RSA-4096 request with a few names is under 3 KiB
RSA_BITS = (2048, 8192)  # below is weak; above, verifying costs the signer too much
CURVES = ("secp256r1", "secp384r1")

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """What is taken from a CSR: the key, whether a common name was given, and the names that it asks for.

    `names` holds every subject alternative name as text (URIs and DNS names as they are, others as
    `kind:value`); they are only compared with what the caller may have, and never copied into a certificate.
    """

    public_key: PublicKey
    has_common_name: bool
    names: tuple[str, ...]


def read_csr(pem: str) -> SigningRequest:
    """The request in `pem` (its first PEM block). Raises CsrRefused for anything else, whatever the bytes."""
    if len(pem) > MAX_CSR_BYTES:
        raise CsrRefused(f"the CSR has {len(pem)} bytes, at most {MAX_CSR_BYTES} are taken", parsed=False)
    if not pem.strip():
        raise CsrRefused("the CSR is empty: send a PEM block CERTIFICATE REQUEST", parsed=False)
    try:
        csr = x509.load_pem_x509_csr(pem.encode())
        request = SigningRequest(_key(csr), _has_common_name(csr), _names(csr))
        signed = csr.is_signature_valid
    except CsrRefused:
        raise
    # What cryptography raises depends on where the bytes break: ValueError, TypeError, its own classes.
    except (ValueError, TypeError, LookupError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise CsrRefused(f"the CSR cannot be read: {_first_line(error)}", parsed=False) from error
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise CsrRefused(f"the CSR cannot be read: {_first_line(error)}", parsed=False) from error
    if not signed:
        raise CsrRefused("the CSR's signature does not fit its key: whoever sent it does not hold the private key")
    return request


def _key(csr: x509.CertificateSigningRequest) -> PublicKey:
    key = csr.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        if not RSA_BITS[0] <= key.key_size <= RSA_BITS[1]:
            raise CsrRefused(f"the CSR's RSA key has {key.key_size} bits; {RSA_BITS[0]} to {RSA_BITS[1]} are accepted")
        return key
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in CURVES:
            raise CsrRefused(f"the CSR's key is on the curve {key.curve.name}; P-256 and P-384 are accepted")
        return key
    raise CsrRefused("the CSR's key is neither RSA nor elliptic curve (P-256, P-384)")


def _has_common_name(csr: x509.CertificateSigningRequest) -> bool:
    return bool(csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME))


def _names(csr: x509.CertificateSigningRequest) -> tuple[str, ...]:
    try:
        extension = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(_text(name) for name in extension.value)


def _text(name: x509.GeneralName) -> str:
    if isinstance(name, x509.UniformResourceIdentifier | x509.DNSName):
        return name.value
    return f"{type(name).__name__}:{name.value}"


def _first_line(error: Exception) -> str:
    """The library's words, shortened: they describe the encoding and hold nothing that is secret."""
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
