"""What Istio 1.4's authority answered to the same requests, and where ours answers differently and why."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from flotilla_citadel.ca import profile
from flotilla_citadel.ca.csr import read_csr
from flotilla_citadel.ca.grants import check_names
from flotilla_citadel.ca.lifetime import Lifetimes
from flotilla_citadel.ca.root import Root
from flotilla_citadel.ca.sign import IssuedCertificate, Signer
from flotilla_citadel.errors import CsrRefused, LifetimeRefused

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "y": timedelta(days=365)}
KEY = rsa.generate_private_key(65537, 2048)

# By the name of the case: what we do instead.
DIFFERENT = {
    "EC P-256": "signed: our signature is the signer's default, never the CSR's algorithm",
    "EC P-384": "signed: our signature is the signer's default, never the CSR's algorithm",
    "RSA 1024": "refused: a weak key",
    "RSA 2048, own SANs": "refused: the CSR asks for names that are not the caller's",
    "signature does not fit": "refused: the CSR's signature is verified",
}


def outside(case: dict[str, Any]) -> str:
    """Why a case does not apply, or nothing."""
    identities = case["identities"] or []
    if case["for_ca"]:
        return "CA certificates are not signed for callers"
    if len(identities) != 1 or not identities[0].startswith("spiffe://"):
        return "our caller has exactly one SPIFFE identity"
    if case["requested_seconds"] != int(case["requested_seconds"]):
        return "our wire carries whole seconds"
    if case["ca"] == "no signing certificate":
        return "our authority does not serve before it can sign"
    return ""


def duration(text: str) -> timedelta:
    return int(text[:-1]) * UNITS[text[-1]]


def authority(described: str) -> tuple[Signer, Lifetimes]:
    """The CA that a case describes, such as `default 90d, max 90d, root 10y`, with an RSA root as it had."""
    words = dict(part.split() for part in described.split(", "))
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Root Org")])
    certificate = (
        x509.CertificateBuilder(name, name, KEY.public_key(), 7, NOW, NOW + duration(words["root"]))
        .add_extension(profile.CA_CONSTRAINTS, critical=True)
        .add_extension(profile.CA_USAGE, critical=True)
        .add_extension(profile.subject_key_id(KEY.public_key()), critical=False)
        .sign(KEY, hashes.SHA256())
    )
    return Signer(Root(KEY, certificate)), Lifetimes(duration(words["default"]), duration(words["max"]))


def answer(case: dict[str, Any]) -> IssuedCertificate | str:
    signer, lifetimes = authority(case["ca"])
    (identity,) = case["identities"]
    try:
        life = lifetimes.granted(case["requested_seconds"])
        request = read_csr(case["csr"])
        check_names(request.names, identity, ())
        return signer.sign(request, identity, (), life, NOW)
    except CsrRefused:
        return "CSR_ERROR"
    except LifetimeRefused:
        return "TTL_ERROR"


def fields(pem: str) -> dict[str, Any]:
    """A certificate in the words of the vectors."""
    leaf = x509.load_pem_x509_certificate(pem.encode())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    oids = {ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth", ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth"}
    common = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return {
        "extensions": sorted(e.oid.dotted_string + (" critical" if e.critical else "") for e in leaf.extensions),
        "extended_key_usage": [oids[oid] for oid in purposes],
        "is_ca": leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca,
        "issuer_organization": [attribute.value for attribute in leaf.issuer],
        "key_usage": ["digitalSignature"] * usage.digital_signature + ["keyEncipherment"] * usage.key_encipherment,
        "san_uris": names.value.get_values_for_type(x509.UniformResourceIdentifier),
        "san_dns": names.value.get_values_for_type(x509.DNSName) or None,
        "san_critical": names.critical,
        "serial_bits_over_64": leaf.serial_number.bit_length() > 64,
        "subject_common_name": common[0].value if common else "",
        "subject_organization": None,
        "version": leaf.version.value + 1,
    }


def expected_life(case: dict[str, Any], root_life: timedelta) -> timedelta:
    """Ours ends with the signer at the latest; 1.4's leaves could outlive it (its issue 18990)."""
    return min(timedelta(seconds=case["certificate"]["lifetime_seconds"]), root_life)


def check(case: dict[str, Any]) -> None:
    got = answer(case)
    if not case["signed"]:
        assert got == case["error_type"]
        return
    assert isinstance(got, IssuedCertificate)
    found = fields(got.chain[0])
    assert found == {name: case["certificate"][name] for name in found}
    root_life = duration(case["ca"].split()[-1])
    assert got.not_after - NOW == expected_life(case, root_life)
    assert NOW - got.not_before == timedelta(minutes=2), "ours begin earlier, for peers whose clock is behind"


def test_ca_sign(vectors: Path) -> None:
    cases = [json.loads(line) for line in (vectors / "ca_sign.jsonl").read_text().splitlines()]
    counts: Counter[str] = Counter()
    for case in cases:
        if outside(case):
            counts["outside"] += 1
        elif reason := DIFFERENT.get(case["name"]):
            assert isinstance(answer(case), IssuedCertificate) is reason.startswith("signed"), case["id"]
            counts["different"] += 1
        else:
            check(case)
            counts["ran"] += 1
    print(f"ca_sign: {dict(counts)}")
    assert counts["ran"] >= 10


def test_san_build(vectors: Path) -> None:
    """The DER of the alternative names, for the one identity that ours have."""
    ran = 0
    for line in (vectors / "san_build.jsonl").read_text().splitlines():
        case = json.loads(line)
        if case["hosts"].startswith("spiffe://") and "," not in case["hosts"]:
            assert profile.alternative_names(case["hosts"], ()).public_bytes().hex() == case["der"]
            ran += 1
    assert ran
