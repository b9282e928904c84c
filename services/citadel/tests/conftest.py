"""What Citadel's tests share: keys, CSRs, tokens and a root, all made by the real libraries.

Test modules cannot import one another, so what they need are fixtures, some of which are functions.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from flotilla_citadel.ca.root import Root, make_root, read_root
from flotilla_citadel.ca.sign import Signer

ROOT = Path(__file__).parents[3]
VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", ROOT.parent / "shared" / "vectors"))
ISSUER = "https://tokens.example"
SUBJECT = "system:serviceaccount:default:reviews"


def _make_csr(
    uris: Iterable[str] = (),
    dns: Iterable[str] = (),
    *,
    common_name: str = "",
    key: Any = None,
    names: Iterable[x509.GeneralName] = (),
) -> str:
    """A CSR in PEM, with a new P-256 key unless one is given."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = [x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)] if common_name else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    wanted = [*map(x509.UniformResourceIdentifier, uris), *map(x509.DNSName, dns), *names]
    if wanted:
        builder = builder.add_extension(x509.SubjectAlternativeName(wanted), critical=False)
    csr = builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM).decode()


def _forged(csr_pem: str) -> str:
    """The CSR under another CSR's signature: well formed, but whoever sent it does not hold the key."""
    der = x509.load_pem_x509_csr(csr_pem.encode()).public_bytes(serialization.Encoding.DER)
    body = base64.encodebytes(der[:-1] + bytes([der[-1] ^ 1])).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{body}-----END CERTIFICATE REQUEST-----\n"


@dataclass
class TokenIssuer:
    """Somebody who signs tokens, and the JWKS file in which the public half stands."""

    path: Path
    key_id: str = "one"
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def algorithm(self) -> str:
        return "RS256" if isinstance(self.key, rsa.RSAPrivateKey) else "ES256"

    def jwk(self) -> dict[str, Any]:
        library: Any = jwt.get_algorithm_by_name(self.algorithm)
        return {**library.to_jwk(self.key.public_key(), as_dict=True), "kid": self.key_id, "use": "sig"}

    def publish(self, *others: dict[str, Any]) -> TokenIssuer:
        """Write the JWKS file as `flotilla up` and Kubernetes do: replaced in one step."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps({"keys": [self.jwk(), *others]}))
        fresh.replace(self.path)
        return self

    def token(self, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A good token for an hour, apart from what `claims` changes; a claim of None is left out."""
        now = int(datetime.now(UTC).timestamp())
        wanted = {"iss": ISSUER, "aud": ["istio-ca"], "sub": SUBJECT, "iat": now, "exp": now + 3600, **claims}
        payload = {name: value for name, value in wanted.items() if value is not None}
        named = {"kid": self.key_id, **(headers or {})}
        headers = {name: value for name, value in named.items() if value is not None}
        return jwt.encode(payload, self.key, self.algorithm, headers=headers)


@pytest.fixture(scope="session")
def make_csr() -> Callable[..., str]:
    return _make_csr


@pytest.fixture(scope="session")
def forged() -> Callable[[str], str]:
    return _forged


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of Citadel's recorded answers."""
    folder = VECTORS / "1.4" / "citadel"
    if not folder.is_dir():
        pytest.skip(f"no vectors at {folder}: put them beside the repository or set FLOTILLA_VECTORS")
    return folder


@pytest.fixture
def issuer(tmp_path: Path) -> TokenIssuer:
    """The issuer that the mesh trusts."""
    return TokenIssuer(tmp_path / "jwks.json").publish()


@pytest.fixture
def stranger(tmp_path: Path) -> TokenIssuer:
    """Another issuer, who gives its key the same name."""
    return TokenIssuer(tmp_path / "strangers-jwks.json")


@pytest.fixture(scope="session")
def root() -> Root:
    """A root made an hour ago: tests ask about moments from before this one, when their module was read."""
    then = datetime.now(UTC) - timedelta(hours=1)
    return read_root(make_root("cluster.local", then), then)


@pytest.fixture(scope="session")
def signer(root: Root) -> Signer:
    return Signer(root)
