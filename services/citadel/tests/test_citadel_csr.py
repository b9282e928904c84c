"""Which signing requests are taken, and that no bytes whatever break the reader."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flotilla_citadel.ca.csr import MAX_CSR_BYTES, read_csr
from flotilla_citadel.errors import CsrRefused
from flotilla_shared.testing.properties import examples

IDENTITY = "spiffe://cluster.local/ns/default/sa/reviews"
KEYS: dict[str, Callable[[], object]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RSA 2048": lambda: rsa.generate_private_key(65537, 2048),
    "RSA 1024": lambda: rsa.generate_private_key(65537, 1024),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA 2048"])
def test_usual_keys_are_taken(kind: str, make_csr: Callable[..., str]) -> None:
    request = read_csr(make_csr([IDENTITY], key=KEYS[kind]()))
    assert request.names == (IDENTITY,)
    assert request.has_common_name is False


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("P-521", "the curve secp521r1; P-256 and P-384 are accepted"),
        ("RSA 1024", "RSA key has 1024 bits; 2048 to 8192"),
        ("Ed25519", "neither RSA nor elliptic curve"),
    ],
)
def test_other_keys_are_refused(kind: str, said: str, make_csr: Callable[..., str]) -> None:
    with pytest.raises(CsrRefused, match=said) as caught:
        read_csr(make_csr([IDENTITY], key=KEYS[kind]()))
    assert caught.value.parsed


def test_every_kind_of_name_is_listed(make_csr: Callable[..., str]) -> None:
    names = [x509.RFC822Name("a@b.c"), x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))]
    request = read_csr(make_csr([IDENTITY], ["a.example"], names=names, common_name="reviews"))
    assert request.names[:3] == (IDENTITY, "a.example", "RFC822Name:a@b.c")
    assert request.names[3].startswith("RegisteredID:")
    assert request.has_common_name is True


def test_no_names_and_no_subject(make_csr: Callable[..., str]) -> None:
    request = read_csr(make_csr())
    assert (request.names, request.has_common_name) == ((), False)


def test_the_signature_is_verified(make_csr: Callable[..., str], forged: Callable[[str], str]) -> None:
    with pytest.raises(CsrRefused, match="signature does not fit its key"):
        read_csr(forged(make_csr([IDENTITY])))


@pytest.mark.parametrize(
    ("pem", "said"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("deadbeef", "cannot be read"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "cannot be read"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read"),
        ("x" * (MAX_CSR_BYTES + 1), f"at most {MAX_CSR_BYTES}"),
        ("\udcff", "cannot be read"),
    ],
)
def test_what_is_no_csr(pem: str, said: str) -> None:
    with pytest.raises(CsrRefused, match=said) as caught:
        read_csr(pem)
    assert not caught.value.parsed


@given(st.text(max_size=200))
@example("-----BEGIN CERTIFICATE REQUEST-----")
def test_any_text_is_refused_cleanly(text: str) -> None:
    with pytest.raises(CsrRefused):
        read_csr(text)


@pytest.fixture(scope="module")
def whole(make_csr: Callable[..., str]) -> bytes:
    """A good CSR in DER."""
    csr = x509.load_pem_x509_csr(make_csr([IDENTITY], ["a.example"]).encode())
    return csr.public_bytes(serialization.Encoding.DER)


@settings(max_examples=examples(300))
@given(data=st.data())
def test_any_damage_is_refused_or_harmless(data: st.DataObject, whole: bytes) -> None:
    """A CSR with bytes changed, cut or added is refused, or what is read from it is unchanged."""
    der = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(der) - 1))
        der[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    body = base64.encodebytes(bytes(der)).decode()
    pem = f"-----BEGIN CERTIFICATE REQUEST-----\n{body}-----END CERTIFICATE REQUEST-----\n"
    try:
        request = read_csr(pem)
    except CsrRefused:
        return
    assert request.names == (IDENTITY, "a.example")
