"""The two secrets of a workload, as Envoy takes them."""

from __future__ import annotations

from collections.abc import Collection

from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from envoy.service.discovery.v3 import discovery_pb2
from flotilla_shared.runtime.identity import Certificate

DEFAULT = "default"
ROOT = "ROOTCA"
NAMES = (DEFAULT, ROOT)
TYPE_URL = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"


def make_response(certificate: Certificate, names: Collection[str], nonce: str) -> bytes:
    """A DiscoveryResponse with those of the two secrets that are asked for; its version is the certificate's serial."""
    response = discovery_pb2.DiscoveryResponse(type_url=TYPE_URL, version_info=f"{certificate.serial:x}", nonce=nonce)
    for name in NAMES:
        if name in names:
            response.resources.add().Pack(_secret(certificate, name))
    return bytes(response.SerializeToString())


def _secret(certificate: Certificate, name: str) -> secret_pb2.Secret:
    secret = secret_pb2.Secret(name=name)
    if name == ROOT:
        secret.validation_context.trusted_ca.inline_bytes = certificate.root_pem
    else:
        secret.tls_certificate.certificate_chain.inline_bytes = certificate.chain_pem + certificate.root_pem
        secret.tls_certificate.private_key.inline_bytes = certificate.key_pem
    return secret
