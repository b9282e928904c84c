"""What the certificates look like: reference/citadel.md section 2.5, as data that is built once.

A leaf has an empty subject (a common name only when the CSR has one), a critical subject alternative name,
and lives from two minutes ago, so that a peer whose clock is behind accepts it at once. A CA may sign
certificates and nothing else.
"""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLOCK_SKEW = timedelta(minutes=2)
ROOT_LIFETIME = timedelta(days=3650)
MAX_COMMON_NAME = 64  # X.520's upper bound

EMPTY_NAME = x509.Name([])
LEAF_CONSTRAINTS = x509.BasicConstraints(ca=False, path_length=None)
CA_CONSTRAINTS = x509.BasicConstraints(ca=True, path_length=None)
LEAF_PURPOSES = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])


def key_usage(*allowed: str) -> x509.KeyUsage:
    """The key usage that allows what is named and nothing else."""
    every = [
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ]
    return x509.KeyUsage(**{name: name in allowed for name in every})


LEAF_USAGE = key_usage("digital_signature", "key_encipherment")
CA_USAGE = key_usage("key_cert_sign")  # no CRLs are signed


def leaf_subject(identity: str, has_common_name: bool) -> x509.Name:
    """Empty, unless the CSR has a common name: then the identity, if it is short enough to be one."""
    if not has_common_name or len(identity) > MAX_COMMON_NAME:
        return EMPTY_NAME
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, identity)])


def organisation(trust_domain: str) -> x509.Name:
    """The subject of a root: its organisation is the trust domain, and nothing else is in it."""
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, trust_domain)])


def alternative_names(identity: str, dns_names: tuple[str, ...]) -> x509.SubjectAlternativeName:
    """Exactly one URI, which is what makes the certificate a SPIFFE one, then the granted DNS names."""
    return x509.SubjectAlternativeName(
        [x509.UniformResourceIdentifier(identity), *(x509.DNSName(name) for name in dns_names)]
    )


def subject_key_id(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> x509.SubjectKeyIdentifier:
    """RFC 7093 method 1, as Go 1.25 makes it: the first 160 bits of SHA-256 over the public key's bits."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        bits = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    else:
        bits = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(bits)
    return x509.SubjectKeyIdentifier(digest.finalize()[:20])


def authority_key_id(signer: x509.Certificate) -> x509.AuthorityKeyIdentifier | None:
    """The signer's own key id, copied, never made anew; None where it has none (roots of Istio 1.4)."""
    try:
        found = signer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return None
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found.value)
