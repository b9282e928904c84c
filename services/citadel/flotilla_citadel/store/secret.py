"""The root in a Secret, as Istio's own CA keeps it (reference/kubernetes.md section 7).

    istio-ca-secret   type istio.io/ca-root
    ca-cert.pem       the certificate
    ca-key.pem        the private key
    root-cert.pem     the certificate again (empty in 1.4)
    cert-chain.pem, key.pem   there and empty

A Secret is made with a POST, which only the first of several writers gets through.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from flotilla_citadel.ca.root import RootPem
from flotilla_citadel.errors import StartRefused
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.errors import AlreadyExists, NotFound
from flotilla_shared.runtime.kube.objects import Secret
from flotilla_shared.runtime.kube.resources import SECRETS

NAME = "istio-ca-secret"
TYPE = "istio.io/ca-root"
CERTIFICATE, KEY, ROOT = "ca-cert.pem", "ca-key.pem", "root-cert.pem"
EMPTY = ("cert-chain.pem", "key.pem")


def encode_root(pem: RootPem, namespace: str) -> dict[str, Any]:
    """The Secret that holds this root."""
    data = {CERTIFICATE: pem.certificate, KEY: pem.key, ROOT: pem.certificate} | dict.fromkeys(EMPTY, b"")
    return {
        "apiVersion": SECRETS.api_version,
        "kind": SECRETS.kind,
        "metadata": {"name": NAME, "namespace": namespace},
        "type": TYPE,
        "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
    }


def decode_root(secret: Secret) -> RootPem:
    """The root in a Secret. Raises StartRefused for one that is not a root's; the words go behind its name."""
    if secret.type != TYPE:
        raise StartRefused(f"its type is {secret.type or 'not set'}, and that of a root is {TYPE}")
    pem = RootPem(key=_value(secret, KEY), certificate=_value(secret, CERTIFICATE))
    for name in (KEY, CERTIFICATE):
        if not _value(secret, name):
            raise StartRefused(f"its key {name} is missing or empty")
    bundle = _value(secret, ROOT)
    if bundle and pem.certificate.strip() not in bundle:
        raise StartRefused(f"its {ROOT} does not hold the certificate in {CERTIFICATE}")
    return pem


def _value(secret: Secret, name: str) -> bytes:
    try:
        return base64.b64decode((secret.data or {}).get(name, ""), validate=True)
    except binascii.Error as error:
        raise StartRefused(f"its key {name} is not base64") from error


class SecretStore:
    """A SharedRootStore in the Secret of `namespace`. Its methods raise KubeError when the API server does not do it."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self.place = f"Secret {namespace}/{NAME}"

    async def load(self) -> RootPem | None:
        try:
            secret = await self._client.get_as(SECRETS.path(self._namespace, NAME), Secret)
        except NotFound:
            return None
        return decode_root(secret)

    async def create(self, pem: RootPem) -> bool:
        try:
            await self._client.create(SECRETS.path(self._namespace), encode_root(pem, self._namespace))
        except AlreadyExists:
            return False
        return True
