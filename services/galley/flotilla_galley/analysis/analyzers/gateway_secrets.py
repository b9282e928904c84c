"""Secrets that Gateways name: are they there, and do they hold a certificate with its key."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from datetime import UTC, datetime

from cryptography import x509

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import pairs
from flotilla_galley.analysis.kinds import PODS, SECRETS
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_galley.analysis.selectors import pods_selected, shown
from flotilla_shared.model.kinds import GATEWAYS

# Keys of a Secret with a certificate and its private key, in the order in which they are looked for.
_KEYS = (("cert", "key"), ("tls.crt", "tls.key"))
_PREFIX = "kubernetes://"


def look(gateway: Resource, view: View) -> Iterator[Message]:
    """Secrets are looked for where the pods are, not where the Gateway is."""
    pods = pods_selected(view, gateway.spec.selector)
    if not pods:
        selector = shown(gateway.spec.selector)
        yield tell("ReferencedResourceNotFound", gateway, "spec.selector", what="selector", name=selector)
        return
    for index, server in enumerate(gateway.spec.servers):
        if name := server.tls.credential_name:
            yield from _credential(gateway, f"spec.servers[{index}].tls.credentialName", name, pods[0].namespace, view)


def _credential(gateway: Resource, field: str, written: str, namespace: str, view: View) -> Iterator[Message]:
    place, slash, name = written.removeprefix(_PREFIX).rpartition("/")
    secret = view.get(SECRETS, place if slash else namespace, name)
    if secret is None:
        yield tell("ReferencedResourceNotFound", gateway, field, what="credentialName", name=written)
    elif not holds_certificate(secret):
        yield tell("InvalidGatewayCredential", gateway, field, gateway=gateway.name, namespace=namespace)


def holds_certificate(secret: Resource) -> bool:
    """Whether there is a certificate that can be read and holds now, with a key beside it."""
    for certificate, key in _KEYS:
        chain = _content(secret, certificate)
        if chain and _content(secret, key):
            return _holds(chain)
    return False


def _holds(chain: bytes) -> bool:
    now = datetime.now(UTC)
    try:
        found = x509.load_pem_x509_certificates(chain)
        return bool(found) and all(each.not_valid_before_utc <= now <= each.not_valid_after_utc for each in found)
    except ValueError:
        return False


def _content(secret: Resource, key: str) -> bytes:
    plain = pairs(secret.value, "stringData").get(key)
    if plain is not None:
        return plain.encode()
    try:
        return base64.b64decode(pairs(secret.value, "data").get(key, ""), validate=True)
    except (binascii.Error, ValueError):
        return b""


ANALYZER = Analyzer(
    "gateway.SecretAnalyzer",
    "whether the Secrets that a Gateway names hold certificates",
    (GATEWAYS, PODS, SECRETS),
    {GATEWAYS: look},
)
