"""Certificates and keys of somebody else's making, looked at before Envoy gets them: it would complain in its log alone."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import serialization


class SecretRefused(ValueError):
    """What holds no certificate that Envoy could use; one sentence."""


def read_certificates(what: str, pem: bytes) -> list[x509.Certificate]:
    """At least one. `what` is it that holds them, for the sentence. Raises SecretRefused."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise SecretRefused(f"{what} holds no certificate in PEM: {error}") from error


def check_pair(what: str, chain: bytes, key: bytes) -> None:
    """Raises SecretRefused where the key is none, or another certificate's."""
    leaf = read_certificates(what, chain)[0]
    try:
        private = serialization.load_pem_private_key(key, None)
    except (ValueError, TypeError) as error:
        raise SecretRefused(f"{what} holds no usable key in PEM") from error
    if private.public_key() != leaf.public_key():
        raise SecretRefused(f"the key of {what} is not its certificate's")
