"""The certificates: the profile field by field, and verified by two libraries that are not ours to please."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from flotilla_citadel.ca import profile
from flotilla_citadel.ca.csr import read_csr
from flotilla_citadel.ca.root import Root, make_root, read_root
from flotilla_citadel.ca.sign import IssuedCertificate, Signer
from flotilla_citadel.errors import SignerUnusable

IDENTITY = "spiffe://cluster.local/ns/default/sa/reviews"
NAMES = ("istio-pilot", "istio-pilot.istio-system.svc")
DAY = timedelta(days=1)


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def issue(signer: Signer, make_csr: Callable[..., str], now: datetime) -> Callable[..., IssuedCertificate]:
    """Sign a CSR that asks for nothing; keywords change what it is."""

    def signed(
        by: Signer = signer, names: tuple[str, ...] = (), life: timedelta = DAY, **csr: object
    ) -> IssuedCertificate:
        return by.sign(read_csr(make_csr(**csr)), IDENTITY, names, life, now)

    return signed


def leaf_of(issued: IssuedCertificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued.chain[0].encode())


def test_the_leaf_field_by_field(issue: Callable[..., IssuedCertificate], root: Root, now: datetime) -> None:
    issued = issue(names=NAMES)
    leaf = leaf_of(issued)
    found = {extension.oid.dotted_string: (extension.critical, extension.value) for extension in leaf.extensions}
    key_id = root.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert found == {
        "2.5.29.15": (True, profile.key_usage("digital_signature", "key_encipherment")),
        "2.5.29.37": (
            False,
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
        ),
        "2.5.29.19": (True, x509.BasicConstraints(ca=False, path_length=None)),
        "2.5.29.17": (
            True,
            x509.SubjectAlternativeName(
                [x509.UniformResourceIdentifier(IDENTITY), *(x509.DNSName(name) for name in NAMES)]
            ),
        ),
        "2.5.29.35": (False, x509.AuthorityKeyIdentifier(key_id, None, None)),
    }
    assert leaf.version is x509.Version.v3
    assert leaf.subject == x509.Name([])
    assert leaf.issuer == root.certificate.subject
    assert leaf.not_valid_before_utc == now - timedelta(minutes=2)
    assert leaf.not_valid_after_utc == now + DAY
    assert isinstance(leaf.signature_hash_algorithm, hashes.SHA256)
    assert (issued.serial, issued.not_before, issued.not_after) == (
        leaf.serial_number,
        leaf.not_valid_before_utc,
        leaf.not_valid_after_utc,
    )


def test_the_chain_is_leaf_then_root(issue: Callable[..., IssuedCertificate], root: Root) -> None:
    chain = issue().chain
    assert [pem.count("BEGIN CERTIFICATE") for pem in chain] == [1, 1]
    assert all(pem.endswith("-----END CERTIFICATE-----\n") for pem in chain)
    assert chain[-1] == root.pem


def test_serials_are_large_and_never_the_same(issue: Callable[..., IssuedCertificate]) -> None:
    serials = {issue().serial for _ in range(50)}
    assert len(serials) == 50
    assert all(serial.bit_length() > 64 for serial in serials)


@pytest.mark.parametrize(
    ("identity", "subject"),
    [
        (IDENTITY, [IDENTITY]),
        ("spiffe://cluster.local/ns/" + "n" * 40 + "/sa/reviews", []),
    ],
)
def test_a_common_name_only_where_one_was_asked_for(
    identity: str, subject: list[str], signer: Signer, make_csr: Callable[..., str], now: datetime
) -> None:
    """The common name of the CSR itself is never taken over."""
    issued = signer.sign(read_csr(make_csr(common_name="somebody else")), identity, (), DAY, now)
    assert [attribute.value for attribute in leaf_of(issued).subject] == subject


def test_a_leaf_never_outlives_its_signer(make_csr: Callable[..., str], now: datetime) -> None:
    short = Signer(read_root(make_root("cluster.local", now, timedelta(hours=1)), now))
    issued = short.sign(read_csr(make_csr()), IDENTITY, (), DAY, now)
    assert issued.not_after == now + timedelta(hours=1)
    with pytest.raises(SignerUnusable, match="the signing certificate expired at"):
        short.sign(read_csr(make_csr()), IDENTITY, (), DAY, now + timedelta(hours=1))


def test_dates_beyond_2049(make_csr: Callable[..., str]) -> None:
    """From 2050 on, X.509 writes times in another form."""
    later = datetime(2049, 12, 31, 23, 0, tzinfo=UTC)
    signer = Signer(read_root(make_root("cluster.local", later), later))
    assert leaf_of(signer.sign(read_csr(make_csr()), IDENTITY, (), DAY, later)).not_valid_after_utc.year == 2050


def other_signers(now: datetime) -> dict[str, Signer]:
    """Roots that were not made by us: other key types, and one without a key id, as Istio 1.4 made them."""

    def signer(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> Signer:
        name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "cluster.local")])
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), 7, now - DAY, now + DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(profile.key_usage("key_cert_sign"), critical=True)
            .sign(key, hashes.SHA256())
        )
        return Signer(Root(key, certificate))

    return {
        "P-384": signer(ec.generate_private_key(ec.SECP384R1())),
        "RSA": signer(rsa.generate_private_key(65537, 2048)),
    }


def test_other_kinds_of_root(issue: Callable[..., IssuedCertificate], now: datetime) -> None:
    """The signature is the signer's default, whatever the CSR was signed with, and a missing key id stays
    missing.
    """
    for kind, signer in other_signers(now).items():
        leaf = leaf_of(issue(by=signer))
        assert isinstance(leaf.signature_hash_algorithm, hashes.SHA384 if kind == "P-384" else hashes.SHA256)
        assert all(not isinstance(e.value, x509.AuthorityKeyIdentifier) for e in leaf.extensions)
        leaf.verify_directly_issued_by(signer.root.certificate)


@pytest.mark.parametrize("kind", ["P-256", "RSA"])
def test_openssl_verifies_the_path(kind: str, issue: Callable[..., IssuedCertificate], tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048) if kind == "RSA" else None
    chain = issue(key=key).chain
    (tmp_path / "leaf.pem").write_text(chain[0])
    (tmp_path / "root.pem").write_text(chain[-1])
    for purpose in ("sslserver", "sslclient"):
        command = [
            "openssl",
            "verify",
            "-x509_strict",
            "-purpose",
            purpose,
            "-CAfile",
            "root.pem",
            "leaf.pem",
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.stdout.strip() == "leaf.pem: OK", done.stderr


def test_cryptography_verifies_the_path(issue: Callable[..., IssuedCertificate], root: Root, now: datetime) -> None:
    issued = issue(names=NAMES)
    policy = PolicyBuilder().store(Store([root.certificate])).time(now)
    verified = policy.build_client_verifier().verify(leaf_of(issued), [])
    assert [name.value for name in verified.subjects or []] == [IDENTITY, *NAMES]
    policy.build_server_verifier(x509.DNSName(NAMES[1])).verify(leaf_of(issued), [])


def test_a_peer_whose_clock_is_slow_accepts_leaf_and_root(signer: Signer, make_csr: Callable[..., str]) -> None:
    made = datetime.now(UTC)
    fresh = Signer(read_root(make_root("cluster.local", made), made))
    issued = fresh.sign(read_csr(make_csr()), IDENTITY, (), DAY, made)
    slow = made - timedelta(seconds=90)
    PolicyBuilder().store(Store([fresh.root.certificate])).time(slow).build_client_verifier().verify(
        leaf_of(issued), []
    )


def test_the_public_key_is_the_requests(issue: Callable[..., IssuedCertificate]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert leaf_of(issue(key=key)).public_key().public_bytes(*form) == key.public_key().public_bytes(*form)
