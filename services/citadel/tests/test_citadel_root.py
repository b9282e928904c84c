"""Making a root, and which stored ones are taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from flotilla_citadel.ca import profile
from flotilla_citadel.ca.root import RootPem, make_root, read_root
from flotilla_citadel.errors import StartRefused

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
GOOD = make_root("mesh.example", NOW)


def certificate(
    key: ec.EllipticCurvePrivateKey,
    *,
    ca: bool = True,
    usage: str = "key_cert_sign",
    signed_by: object = None,
) -> bytes:
    """A self-made certificate for `key`."""
    name = profile.organisation("mesh.example")
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), 7, NOW, NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(profile.key_usage(usage), critical=True)
        .sign(signed_by or key, hashes.SHA256())  # type: ignore[arg-type]
    )
    return signed.public_bytes(serialization.Encoding.PEM)


def pem_of(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, password: bytes = b"") -> bytes:
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)


KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())


def test_a_new_root_field_by_field() -> None:
    root = read_root(GOOD, NOW).certificate
    assert (
        root.subject == root.issuer == x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "mesh.example")])
    )
    assert isinstance(root.public_key(), ec.EllipticCurvePublicKey)
    assert root.not_valid_after_utc == NOW + timedelta(days=3650)
    assert root.not_valid_before_utc == NOW - profile.CLOCK_SKEW
    assert {extension.oid.dotted_string: extension.critical for extension in root.extensions} == {
        "2.5.29.19": True,
        "2.5.29.15": True,
        "2.5.29.14": False,
    }
    usage = root.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, False, False)
    assert GOOD.key.startswith(b"-----BEGIN EC PRIVATE KEY-----")


def test_a_key_written_as_pkcs8_is_taken() -> None:
    assert read_root(RootPem(pem_of(KEY), certificate(KEY)), NOW)


@pytest.mark.parametrize(
    ("pem", "said"),
    [
        (
            RootPem(make_root("mesh.example", NOW).key, GOOD.certificate),
            "the private key does not belong to the",
        ),
        (RootPem(b"", GOOD.certificate), "the private key is not a plain PEM key"),
        (RootPem(GOOD.certificate, GOOD.certificate), "the private key is not a plain PEM key"),
        (RootPem(pem_of(KEY, b"secret"), certificate(KEY)), "the private key is not a plain PEM key"),
        (RootPem(pem_of(ed25519.Ed25519PrivateKey.generate()), GOOD.certificate), "neither RSA nor elliptic"),
        (RootPem(GOOD.key, b""), "the certificate is not a PEM certificate"),
        (RootPem(GOOD.key, GOOD.key), "the certificate is not a PEM certificate"),
        (RootPem(GOOD.key, GOOD.certificate * 2), "holds 2 certificates, one is expected"),
        (RootPem(pem_of(KEY), certificate(KEY, ca=False)), "is not a CA's"),
        (RootPem(pem_of(KEY), certificate(KEY, usage="digital_signature")), "is not a CA's"),
        (RootPem(pem_of(KEY), certificate(KEY, signed_by=OTHER)), "is not signed by its own key"),
    ],
)
def test_bad_pairs_are_refused(pem: RootPem, said: str) -> None:
    with pytest.raises(StartRefused, match=said):
        read_root(pem, NOW)


def test_an_expired_root_is_refused() -> None:
    with pytest.raises(StartRefused, match="the certificate expired at 2036-02-27 12:00:00 UTC"):
        read_root(GOOD, NOW + timedelta(days=3650))


def test_the_key_is_never_printed() -> None:
    root = read_root(GOOD, NOW)
    assert "PRIVATE" not in repr(GOOD) + repr(root) + str(GOOD)
    assert root.pem == GOOD.certificate.decode()
