"""The cluster's certificates, its service account key, and a kubeconfig for each of its users."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.kube.cluster.layout import API_ADDRESS, API_PORT, DOMAIN, NODE_ADDRESS, NODE_NAME, Layout

LIFE = timedelta(days=30)
API_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    f"kubernetes.default.svc.{DOMAIN}",
)
API_ADDRESSES = ("127.0.0.1", API_ADDRESS, NODE_ADDRESS)

# File, common name, organisation. Kubernetes knows a user by the name, and its groups by the organisation.
CLIENTS = (
    ("admin", "admin", "system:masters"),
    ("controllers", "system:kube-controller-manager", ""),
    ("scheduler", "system:kube-scheduler", ""),
    ("proxy", "system:kube-proxy", ""),
    ("dns", "cluster-dns", ""),
    ("kubelet", f"system:node:{NODE_NAME}", "system:nodes"),
    ("apiserver-to-kubelet", "kube-apiserver-kubelet-client", "system:masters"),
    ("front-proxy", "front-proxy-client", ""),
)
USERS = ("admin", "controllers", "scheduler", "proxy", "dns", "kubelet")


class _Authority:
    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("flotilla-test-cluster", "")
        self.certificate = (
            _begun(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def write(self, folder: Path) -> None:
        _write(folder / "ca", self.certificate, self._key)

    def issue(
        self, file: Path, name: x509.Name, usage: x509.ObjectIdentifier, names: Sequence[x509.GeneralName] = ()
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _begun(name, self._name, key.public_key()).add_extension(
            x509.ExtendedKeyUsage([usage]), critical=False
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        _write(file, builder.sign(self._key, hashes.SHA256()), key)


def make_keys(layout: Layout) -> None:
    """Writes all of them anew; certificates are good for thirty days."""
    authority = _Authority()
    authority.write(layout.keys)
    own: list[x509.GeneralName] = [x509.DNSName(name) for name in API_NAMES]
    own += [x509.IPAddress(ip_address(address)) for address in API_ADDRESSES]
    authority.issue(layout.keys / "apiserver", _name("kube-apiserver", ""), ExtendedKeyUsageOID.SERVER_AUTH, own)
    for file, name, organisation in CLIENTS:
        authority.issue(layout.keys / file, _name(name, organisation), ExtendedKeyUsageOID.CLIENT_AUTH)
    _service_account_key(layout.keys)
    for user in USERS:
        layout.kubeconfig(user).write_text(json.dumps(_kubeconfig(layout.keys, user), indent=1))


def _begun(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + LIFE)
    )


def _name(common: str, organisation: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)] if organisation else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _write(file: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    file.with_suffix(".crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    _write_private(file.with_suffix(".key"), key)


def _service_account_key(folder: Path) -> None:
    """RSA, as most clusters have it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    _write_private(folder / "sa.key", key)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "sa.pub").write_bytes(public)


def _write_private(file: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    file.touch(mode=0o600)
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _kubeconfig(keys: Path, user: str) -> dict[str, object]:
    cluster = {"server": f"https://{NODE_ADDRESS}:{API_PORT}", "certificate-authority": str(keys / "ca.crt")}
    credentials = {"client-certificate": str(keys / f"{user}.crt"), "client-key": str(keys / f"{user}.key")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "flotilla",
        "clusters": [{"name": "flotilla", "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "flotilla", "context": {"cluster": "flotilla", "user": user}}],
    }
