"""Which certificates a gateway shows and takes: by name, by file, by pin, by version and cipher suite."""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from flotilla_shared.runtime.identity import Certificate
from flotilla_shared.testing.certificates import CertificateAuthorityForTests
from flotilla_shared.testing.ports import free_port
from tests.behaviour.application import Application
from tests.behaviour.certificates import certified, client_context
from tests.behaviour.connection import REFUSED, connected, page
from tests.behaviour.gateway_objects import gateway, routes, server, service
from tests.behaviour.small_mesh import SmallMesh

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMED = "credentialName: shop"
FILES = "serverCertificate: /etc/shop.pem, privateKey: /etc/shop-key.pem, caCertificates: /etc/clients.pem"
SUITE = "ECDHE-ECDSA-AES256-GCM-SHA384"
# TLS settings by the first part of the host
SERVERS = {
    "by-hash": f"mode: MUTUAL, {NAMED}, verifyCertificateHash: ['$friend_hash']",
    "by-key": f"mode: MUTUAL, {NAMED}, verifyCertificateSpki: ['$friend_key']",
    "by-name": f"mode: MUTUAL, {NAMED}, subjectAltNames: [friend.example.com]",
    "optional-by-name": f"mode: OPTIONAL_MUTUAL, {NAMED}, subjectAltNames: [friend.example.com]",
    "of-files": f"mode: SIMPLE, {FILES}",
    "mutual-of-files": f"mode: MUTUAL, {FILES}",
    "of-a-list": "mode: SIMPLE, credentialNames: [shop]",
    "other-roots": f"mode: MUTUAL, {NAMED}, caCertCredentialName: others",
    "any-client": f"mode: MUTUAL, {NAMED}, insecureSkipVerify: true",
    "not-revoked": "mode: MUTUAL, credentialName: guarded",
    "old-only": f"mode: SIMPLE, {NAMED}, maxProtocolVersion: TLSV1_2",
    "one-suite": f"mode: SIMPLE, {NAMED}, maxProtocolVersion: TLSV1_2, cipherSuites: [{SUITE}]",
}
OBJECTS = gateway("edge", *(server("https", "HTTPS", f"{name}.example.com", tls) for name, tls in SERVERS.items()))
OBJECTS += service("v1", 80, "HTTP", "v1")
OBJECTS += routes("shop", "edge", '"*.example.com"', "http: [{route: [{destination: {host: v1.example.com}}]}]")


class World(NamedTuple):
    port: int
    clients: Mapping[str, ssl.SSLContext]


def pins(certificate: Certificate) -> dict[str, str]:
    """The digests of a certificate and of its public key, as users state them."""
    leaf = x509.load_pem_x509_certificate(certificate.chain_pem)
    key = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = hashlib.sha256(leaf.public_bytes(Encoding.DER)).hexdigest()
    return {"friend_hash": digest, "friend_key": base64.b64encode(hashlib.sha256(key).digest()).decode()}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: SmallMesh, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("tls")
    outside, others = CertificateAuthorityForTests("outside"), CertificateAuthorityForTests("others")
    for name in ("kubernetes://shop", "kubernetes://guarded", "file-cert:/etc/shop.pem~/etc/shop-key.pem"):
        mesh.secrets.add_pair(name, outside)
    for name, authority in (("shop", outside), ("others", others)):
        mesh.secrets.add_authority(f"kubernetes://{name}-cacert", authority)
    mesh.secrets.add_authority("file-root:/etc/clients.pem", outside)
    shown = {name: certified(outside, name, f"{name}.example.com") for name in ("friend", "stranger")}
    shown["foreigner"] = certified(others, "foreigner")
    revoked = outside.revoked(shown["stranger"])
    mesh.secrets.add_authority("kubernetes://guarded-cacert", outside, revoked)
    clients = {name: client_context(folder, outside, each) for name, each in shown.items()}
    async with Application("v1") as v1:
        port = free_port()
        mesh.publish(OBJECTS, {"https": port, "v1": v1.port, **pins(shown["friend"])})
        await mesh.add("gateway", "router")
        await mesh.applied()
        yield World(port, {**clients, "nobody": client_context(folder, outside)})


SHOP, FILE = "200 v1 by shop", "200 v1 by shop-key.pem"
# (host, who asks, what they get)
PAGES = [
    ("by-hash", "friend", SHOP),
    ("by-hash", "stranger", REFUSED),
    ("by-hash", "nobody", REFUSED),
    ("by-key", "friend", SHOP),
    ("by-key", "stranger", REFUSED),
    ("by-name", "friend", SHOP),
    ("by-name", "stranger", REFUSED),
    ("optional-by-name", "friend", SHOP),
    ("optional-by-name", "nobody", REFUSED),  # Envoy asks for a certificate as soon as a name is stated, also for Istio
    ("optional-by-name", "stranger", REFUSED),
    ("of-files", "nobody", FILE),
    ("mutual-of-files", "stranger", FILE),
    ("mutual-of-files", "foreigner", REFUSED),
    ("mutual-of-files", "nobody", REFUSED),
    ("of-a-list", "nobody", SHOP),
    ("other-roots", "foreigner", SHOP),
    ("other-roots", "friend", REFUSED),
    ("not-revoked", "friend", "200 v1 by guarded"),
    ("not-revoked", "stranger", REFUSED),
    ("any-client", "foreigner", SHOP),
    ("any-client", "nobody", REFUSED),
]


async def test_whose_certificates_are_taken(world: World) -> None:
    found = [(host, who, await page(world.port, f"{host}.example.com", world.clients[who])) for host, who, _ in PAGES]
    assert found == PAGES


@pytest.mark.parametrize(
    ("host", "version", "suite"),
    [("old-only", "TLSv1.2", ""), ("one-suite", "TLSv1.2", SUITE), ("of-files", "TLSv1.3", "")],
)
async def test_what_is_agreed_on(world: World, host: str, version: str, suite: str) -> None:
    async with connected(world.port, world.clients["nobody"], f"{host}.example.com") as talk:
        agreed = talk.writer.get_extra_info("ssl_object")
        assert agreed.version() == version
        assert suite in ("", agreed.cipher()[0])
        assert (await talk.get(f"{host}.example.com"))[0] == 200
