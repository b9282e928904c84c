"""Client certificates: this mesh's, still valid, a workload's, one identity."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from flotilla_citadel.ca import profile
from flotilla_citadel.ca.csr import read_csr
from flotilla_citadel.ca.root import Root, make_root, read_root
from flotilla_citadel.ca.sign import Signer
from flotilla_citadel.callers.caller import Caller
from flotilla_citadel.callers.certificate import CertificateAuthenticator
from flotilla_citadel.errors import CallerRefused

IDENTITY = "spiffe://cluster.local/ns/default/sa/reviews"
NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
MakeLeaf = Callable[..., bytes]


@pytest.fixture
def certificates(root: Root) -> CertificateAuthenticator:
    return CertificateAuthenticator(root=root.certificate, trust_domain="cluster.local")


@pytest.fixture
def leaf(make_csr: Callable[..., str], signer: Signer) -> MakeLeaf:
    """The DER of a leaf for `identity`."""

    def made(identity: str = IDENTITY, names: tuple[str, ...] = (), by: Signer = signer) -> bytes:
        issued = by.sign(read_csr(make_csr()), identity, names, HOUR, NOW)
        pem = x509.load_pem_x509_certificate(issued.chain[0].encode())
        return pem.public_bytes(serialization.Encoding.DER)

    return made


def odd_leaf(root: Root, *extensions: x509.ExtensionType) -> bytes:
    """A certificate that the root has signed and that is not a workload's."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(
        root.certificate.subject, x509.Name([]), key.public_key(), 7, NOW - HOUR, NOW + HOUR
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(root.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def uris(*values: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(value) for value in values])


def reason_of(certificates: CertificateAuthenticator, der: bytes, at: datetime = NOW) -> str:
    with pytest.raises(CallerRefused) as caught:
        certificates.caller(der, at.timestamp())
    return caught.value.reason


@pytest.mark.parametrize("names", [(), ("istio-pilot", "istio-pilot.istio-system")])
def test_a_workloads_certificate(
    names: tuple[str, ...], certificates: CertificateAuthenticator, leaf: MakeLeaf
) -> None:
    der = leaf(names=names)
    first = certificates.caller(der, NOW.timestamp())
    assert first == Caller(IDENTITY, "certificate", (NOW + HOUR).timestamp())
    assert certificates.caller(der, NOW.timestamp()) is first


def test_its_life_is_checked_at_each_call(certificates: CertificateAuthenticator, leaf: MakeLeaf) -> None:
    """A connection may outlive the certificate that it was opened with."""
    der = leaf()
    certificates.caller(der, NOW.timestamp())
    assert reason_of(certificates, der, NOW + HOUR) == "expired-certificate"
    assert reason_of(certificates, leaf(), NOW - timedelta(minutes=3)) == "early-certificate"


def test_another_meshs_certificate(certificates: CertificateAuthenticator, leaf: MakeLeaf) -> None:
    """The stranger's root bears the same name: only the signature tells."""
    other = Signer(read_root(make_root("cluster.local", NOW), NOW))
    assert reason_of(certificates, leaf(by=other)) == "foreign-certificate"


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        ("spiffe://elsewhere/ns/default/sa/reviews", "foreign-trust-domain"),
        ("spiffe://cluster.local/ns/a,b/sa/reviews", "certificate-identity"),
        ("spiffe://cluster.local/ns/default", "certificate-identity"),
        ("https://cluster.local/ns/default/sa/reviews", "certificate-identity"),
    ],
)
def test_other_identities(identity: str, reason: str, certificates: CertificateAuthenticator, leaf: MakeLeaf) -> None:
    assert reason_of(certificates, leaf(identity)) == reason


@pytest.mark.parametrize(
    "extensions",
    [
        (),
        (uris(IDENTITY), profile.LEAF_PURPOSES),
        (uris(IDENTITY), profile.LEAF_CONSTRAINTS),
        (uris(IDENTITY), profile.CA_CONSTRAINTS, profile.LEAF_PURPOSES),
        (uris(IDENTITY, IDENTITY), profile.LEAF_CONSTRAINTS, profile.LEAF_PURPOSES),
        (x509.SubjectAlternativeName([x509.DNSName("a")]), profile.LEAF_CONSTRAINTS, profile.LEAF_PURPOSES),
    ],
)
def test_certificates_that_are_no_workloads(
    extensions: tuple[x509.ExtensionType, ...], certificates: CertificateAuthenticator, root: Root
) -> None:
    assert reason_of(certificates, odd_leaf(root, *extensions)) == "certificate-profile"


def test_the_root_itself_is_no_caller(certificates: CertificateAuthenticator, root: Root) -> None:
    assert reason_of(certificates, root.certificate.public_bytes(serialization.Encoding.DER)) == "certificate-profile"


def test_any_bytes_are_refused_cleanly(certificates: CertificateAuthenticator, leaf: MakeLeaf) -> None:
    whole = leaf()

    @given(st.binary(max_size=200) | st.integers(0, len(whole) - 1).map(lambda at: whole[:at]))
    def check(der: bytes) -> None:
        assert reason_of(certificates, der) == "foreign-certificate"

    check()
    assert reason_of(certificates, b"x" * 70_000) == "malformed-certificate"
