"""The two secrets of a workload, as Envoy takes them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from google.protobuf.any_pb2 import Any as PackedSecret

from flotilla_shared.runtime.identity import Certificate

DEFAULT = "default"
ROOT = "ROOTCA"
NAMES = (DEFAULT, ROOT)
TYPE_URL = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"


@dataclass(frozen=True, slots=True)
class VersionedSecret:
    """A secret as it goes onto the wire. The version tells what it holds and is the same after a restart."""

    name: str
    version: str
    body: PackedSecret

    def __repr__(self) -> str:
        return f"VersionedSecret({self.name}, {self.version})"


def make_secrets(certificate: Certificate) -> Mapping[str, VersionedSecret]:
    """`default` (key, leaf, intermediates, root) and `ROOTCA` (what callers and callees are verified with)."""
    chain = certificate.chain_pem + certificate.root_pem
    own = Secret(name=DEFAULT)
    own.tls_certificate.certificate_chain.inline_bytes = chain
    own.tls_certificate.private_key.inline_bytes = certificate.key_pem
    root = Secret(name=ROOT)
    root.validation_context.trusted_ca.inline_bytes = certificate.root_pem
    return {DEFAULT: _versioned(own, chain), ROOT: _versioned(root, certificate.root_pem)}


def make_pair(name: str, chain_pem: bytes, key_pem: bytes) -> VersionedSecret:
    """A certificate with its key, of somebody else's making."""
    secret = Secret(name=name)
    secret.tls_certificate.certificate_chain.inline_bytes = chain_pem
    secret.tls_certificate.private_key.inline_bytes = key_pem
    return _versioned(secret, chain_pem)


def make_authority(name: str, root_pem: bytes, crl_pem: bytes = b"") -> VersionedSecret:
    """What peers are verified with."""
    secret = Secret(name=name)
    secret.validation_context.trusted_ca.inline_bytes = root_pem
    if crl_pem:
        secret.validation_context.crl.inline_bytes = crl_pem
    return _versioned(secret, root_pem + crl_pem)


def _versioned(secret: Secret, tells: bytes) -> VersionedSecret:
    """`tells` is what is public of the secret; each key has a chain of its own."""
    body = PackedSecret(type_url=TYPE_URL, value=secret.SerializeToString())
    return VersionedSecret(secret.name, hashlib.sha256(tells).hexdigest()[:12], body)
