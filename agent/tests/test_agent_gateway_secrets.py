"""A gateway's TLS Secrets: what is made of them, how they are followed, and that Envoy gets them and nobody else's."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret as EnvoySecret
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

from flotilla_agent.pod.gateway_secrets import GatewaySecrets, SecretRefused, decoded, make, sources
from flotilla_agent.sds.server import SERVICE, sds_server
from flotilla_shared.runtime.kube.connection import ConnectionSettingsError
from flotilla_shared.runtime.kube.resources import SECRETS
from flotilla_shared.testing.apiserver import ApiServer, running
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

NAME = "kubernetes://web"
AUTHORITY = "kubernetes://web-cacert"
CA = CertificateAuthorityForTests()
PAIR = CA.certificate("spiffe://cluster.local/ns/a/sa/b")
OTHER = CA.certificate("spiffe://cluster.local/ns/a/sa/c")
ROOT = CA.root_pem.encode()
LOCKED = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"password")
)


def envoys(body: Any) -> EnvoySecret:
    return EnvoySecret.FromString(body.value)


@pytest.mark.parametrize("keys", [("tls.crt", "tls.key"), ("cert", "key")])
def test_a_pair_in_either_form(keys: tuple[str, str]) -> None:
    made = make(NAME, {"web": {keys[0]: PAIR.chain_pem, keys[1]: PAIR.key_pem}})
    secret = envoys(made.body)
    assert made.name == secret.name == NAME
    assert secret.tls_certificate.certificate_chain.inline_bytes == PAIR.chain_pem
    assert secret.tls_certificate.private_key.inline_bytes == PAIR.key_pem
    assert PAIR.key_pem.decode() not in repr(made)


# (what the Secrets hold, root, revocations)
AUTHORITIES: tuple[tuple[dict[str, dict[str, bytes]], bytes], ...] = (
    ({"web-cacert": {"ca.crt": ROOT}}, b""),
    ({"web-cacert": {"cacert": ROOT}}, b""),
    ({"web": {"ca.crt": ROOT, "ca.crl": b"revoked"}}, b"revoked"),
    ({"web": {"ca.crt": b"another"}, "web-cacert": {"ca.crt": ROOT}}, b""),
)


@pytest.mark.parametrize(("secrets", "revoked"), AUTHORITIES)
def test_what_clients_are_verified_with(secrets: dict[str, dict[str, bytes]], revoked: bytes) -> None:
    found = envoys(make(AUTHORITY, secrets).body).validation_context
    assert (found.trusted_ca.inline_bytes, found.crl.inline_bytes) == (ROOT, revoked)
    assert sources(AUTHORITY) == ("web-cacert", "web")


REFUSALS: tuple[tuple[str, dict[str, dict[str, bytes]], str], ...] = (
    (NAME, {}, "there is no Secret web with tls.crt and tls.key (or cert and key)"),
    (NAME, {"web": {"tls.crt": PAIR.chain_pem}}, "there is no Secret web with tls.crt and tls.key"),
    (NAME, {"web": {"tls.crt": b"?", "tls.key": PAIR.key_pem}}, "Secret web holds no certificate in PEM"),
    (NAME, {"web": {"tls.crt": PAIR.chain_pem, "tls.key": b"?"}}, "Secret web holds no usable key in PEM"),
    (NAME, {"web": {"tls.crt": PAIR.chain_pem, "tls.key": LOCKED}}, "Secret web holds no usable key in PEM"),
    (
        NAME,
        {"web": {"tls.crt": PAIR.chain_pem, "tls.key": OTHER.key_pem}},
        "the key of Secret web is not its certificate's",
    ),
    (AUTHORITY, {}, "neither Secret web-cacert nor web has ca.crt or cacert"),
    (AUTHORITY, {"web": {"ca.crt": b"?"}}, "Secret web holds no certificate in PEM"),
)


@pytest.mark.parametrize(("name", "secrets", "words"), REFUSALS)
def test_what_envoy_could_not_use(name: str, secrets: dict[str, dict[str, bytes]], words: str) -> None:
    with pytest.raises(SecretRefused) as refused:
        make(name, secrets)
    assert words in str(refused.value)


def test_what_is_not_base64_is_left_out() -> None:
    assert decoded({"a": "YQ==", "b": "?"}) == {"a": b"a"}


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with running(SECRETS) as server:
        yield server


@pytest.fixture
async def secrets(server: ApiServer) -> AsyncIterator[GatewaySecrets]:
    secrets = GatewaySecrets("edge", server.client)
    yield secrets
    await secrets.stop()


SERVED = (
    ("kubernetes://web", True),
    ("kubernetes://web.example-1", True),
    ("kubernetes://other/web", False),
    ("kubernetes://", False),
    ("kubernetes://../web", False),
    ("kubernetes://web\nx", False),
    ("kubernetes://web\n", False),
    ("default", False),
    ("file-cert:/a~/b", False),
)


@pytest.mark.parametrize(("name", "whether"), SERVED)
def test_which_names_may_come(name: str, whether: bool) -> None:
    assert GatewaySecrets("edge", lambda: None).serves(name) is whether  # type: ignore[arg-type,return-value]


def put(server: ApiServer, pair: Any, namespace: str = "edge") -> None:
    data = {"tls.crt": pair.chain_pem, "tls.key": pair.key_pem}
    server.put(SECRETS, "web", namespace, data={key: base64.b64encode(value).decode() for key, value in data.items()})


class Heard:
    """Waits for changes."""

    def __init__(self, secrets: GatewaySecrets) -> None:
        self._changed = asyncio.Event()
        self._secrets = secrets
        secrets.subscribe(self._changed.set)

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self._changed.wait()
            self._changed.clear()


async def test_a_secret_that_comes_changes_and_goes(server: ApiServer, secrets: GatewaySecrets) -> None:
    heard = Heard(secrets)
    secrets.want(NAME)
    await heard.until(lambda: NAME in secrets.problems)
    put(server, PAIR, "elsewhere")
    put(server, PAIR)
    await heard.until(lambda: NAME in secrets.current)
    first = secrets.current[NAME].version
    assert secrets.problems == {}
    put(server, OTHER)
    await heard.until(lambda: secrets.current[NAME].version != first)
    server.remove(SECRETS, "web", "edge")
    await heard.until(lambda: NAME in secrets.problems)
    assert envoys(secrets.current[NAME].body).tls_certificate.private_key.inline_bytes == OTHER.key_pem


async def test_only_what_is_asked_for_is_read_and_only_by_name(server: ApiServer, secrets: GatewaySecrets) -> None:
    """Rights on two names are enough."""
    put(server, PAIR)
    heard = Heard(secrets)
    secrets.want(NAME)
    secrets.want(NAME)
    await heard.until(lambda: NAME in secrets.current)
    asked = server.of("list", "secrets")
    assert {each.query["fieldSelector"] for each in asked} == {"metadata.name=web"}
    assert len(asked) == 1


async def test_without_a_token_it_is_told_what_is_missing() -> None:
    def refuse() -> Any:
        raise ConnectionSettingsError("there is no token")

    secrets = GatewaySecrets("edge", refuse)
    secrets.want(NAME)
    assert secrets.problems[NAME].startswith("Secrets cannot be read: there is no token; a gateway needs")
    await secrets.stop()


async def test_envoy_gets_them_over_sds(server: ApiServer, secrets: GatewaySecrets, run_dir: Path) -> None:
    identity = CA.identity("spiffe://cluster.local/ns/edge/sa/gateway")
    sds = sds_server("gateway", identity, run_dir / "sds.sock", secrets)
    await sds.start()
    try:
        async with grpc.aio.insecure_channel(f"unix:{run_dir / 'sds.sock'}") as channel:
            stream = channel.stream_stream(
                f"{SERVICE}/DeltaSecrets",
                request_serializer=DeltaDiscoveryRequest.SerializeToString,
                response_deserializer=DeltaDiscoveryResponse.FromString,
            )()
            await stream.write(DeltaDiscoveryRequest(resource_names_subscribe=[NAME]))
            put(server, PAIR)
            response = await stream.read()
            assert [each.name for each in response.resources] == [NAME]
            put(server, OTHER)
            renewed = envoys((await stream.read()).resources[0].resource)
            assert renewed.tls_certificate.certificate_chain.inline_bytes == OTHER.chain_pem
            await stream.write(DeltaDiscoveryRequest(resource_names_subscribe=["kubernetes://other/web"]))
            assert await stream.code() is grpc.StatusCode.NOT_FOUND
    finally:
        await sds.stop()
