"""Citadel whole, in this process, asked over TLS by real gRPC clients with and without a client certificate."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flotilla_citadel.app import Citadel
from flotilla_citadel.config import CitadelSettings
from flotilla_citadel.servers.certificate_service import METHOD
from flotilla_protos.istio.security.v1alpha1.ca_pb2 import IstioCertificateRequest, IstioCertificateResponse
from flotilla_shared.testing.ports import free_port
from flotilla_shared.testing.properties import examples

IDENTITY = "spiffe://cluster.local/ns/default/sa/reviews"
OTHER = "spiffe://cluster.local/ns/default/sa/ratings"
SERVER_NAME = "istio-citadel.istio-system.svc"


class Pair(NamedTuple):
    """A client's key and certificate, in PEM."""

    key: bytes
    certificate: bytes


class Client:
    """Asks one Citadel; trusts the root that it publishes and checks its DNS name, as all clients do."""

    def __init__(self, citadel: Citadel, pair: Pair | None = None) -> None:
        credentials = grpc.ssl_channel_credentials(citadel.settings.root_file.read_bytes(), *(pair or ()))
        self._channel = grpc.aio.secure_channel(
            f"127.0.0.1:{citadel.server.bound_port}", credentials, [("grpc.ssl_target_name_override", SERVER_NAME)]
        )
        self._call = self._channel.unary_unary(METHOD)

    async def raw(self, message: bytes, token: str | None = None) -> bytes:
        metadata = () if token is None else (("authorization", f"Bearer {token}"),)
        return await self._call(message, metadata=metadata, timeout=20)

    async def sign(self, csr: str, token: str | None = None, seconds: int = 0, **metadata: str) -> list[str]:
        request = IstioCertificateRequest(csr=csr, validity_duration=seconds)
        if metadata:
            request.metadata.update(metadata)
        answer = await self.raw(request.SerializeToString(), token)
        return list(IstioCertificateResponse.FromString(answer).cert_chain)

    async def refused(self, *args: Any, **more: Any) -> tuple[grpc.StatusCode, str]:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.sign(*args, **more)
        return caught.value.code(), caught.value.details() or ""

    async def close(self) -> None:
        await self._channel.close()


@pytest.fixture
async def citadel(tmp_path: Path, issuer: Any) -> AsyncIterator[Citadel]:
    made = Citadel(
        CitadelSettings(
            address="127.0.0.1",
            port=0,
            monitoring_port=free_port(),
            introspection_port=free_port(),
            store_dir=tmp_path / "store",
            oidc_issuer="https://tokens.example",
            oidc_jwks_file=issuer.path,
        )
    )
    await made.lifecycle.start()
    try:
        yield made
    finally:
        await made.lifecycle.stop()


@pytest.fixture
async def client(citadel: Citadel) -> AsyncIterator[Client]:
    asking = Client(citadel)
    yield asking
    await asking.close()


@pytest.fixture
async def reviews(citadel: Citadel, client: Client, make_csr: Callable[..., str], issuer: Any) -> AsyncIterator[Client]:
    """A client that has a certificate of this mesh, for IDENTITY."""
    key = ec.generate_private_key(ec.SECP256R1())
    chain = await client.sign(make_csr(key=key), issuer.token())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    asking = Client(citadel, Pair(key.private_bytes(*form), chain[0].encode()))
    yield asking
    await asking.close()


def names(pem: str) -> list[str]:
    leaf = x509.load_pem_x509_certificate(pem.encode())
    return [name.value for name in leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value]


async def metric(citadel: Citadel, name: str) -> float:
    """One sample of /metrics; 0 where the series has not begun."""
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"http://127.0.0.1:{citadel.settings.monitoring_port}/metrics")).text
    found = [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(found[0]) if found else 0.0


async def test_a_token_buys_a_certificate(
    citadel: Citadel, client: Client, make_csr: Callable[..., str], issuer: Any
) -> None:
    chain = await client.sign(make_csr(), issuer.token())
    assert [pem.count("BEGIN CERTIFICATE") for pem in chain] == [1, 1]
    assert chain[-1] == citadel.settings.root_file.read_text()
    leaf = x509.load_pem_x509_certificate(chain[0].encode())
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(chain[1].encode()))
    assert names(chain[0]) == [IDENTITY]
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(hours=24, minutes=2)


async def test_a_certificate_buys_the_next_one(reviews: Client, make_csr: Callable[..., str], issuer: Any) -> None:
    """Renewal without a token, and with one that has ended meanwhile."""
    assert names((await reviews.sign(make_csr([IDENTITY])))[0]) == [IDENTITY]
    assert names((await reviews.sign(make_csr(), issuer.token(exp=1)))[0]) == [IDENTITY]


async def test_a_life_may_be_asked_for(client: Client, make_csr: Callable[..., str], issuer: Any) -> None:
    chain = await client.sign(make_csr(), issuer.token(), seconds=60)
    left = x509.load_pem_x509_certificate(chain[0].encode()).not_valid_after_utc - datetime.now(UTC)
    assert timedelta(0) < left <= timedelta(seconds=60)


GRANTED: dict[str, list[str]] = {
    "istio-galley-service-account": ["istio-galley"],
    "istio-mixer-service-account": ["istio-mixer", "istio-policy", "istio-telemetry"],
    "default": [],
}


async def test_dns_names_come_from_the_settings(client: Client, make_csr: Callable[..., str], issuer: Any) -> None:
    ends = ("", ".istio-system", ".istio-system.svc", ".istio-system.svc.cluster.local")
    for account, services in GRANTED.items():
        token = issuer.token(sub=f"system:serviceaccount:istio-system:{account}")
        found = names((await client.sign(make_csr(), token))[0])
        assert found[0] == f"spiffe://cluster.local/ns/istio-system/sa/{account}"
        assert found[1:] == [service + end for service in services for end in ends]


REFUSED: list[tuple[Callable[[Any, Any], str | None], str]] = [
    (lambda issuer, stranger: None, "no caller identity: send a token"),
    (lambda issuer, stranger: "", "not a JWT that can be read"),
    (lambda issuer, stranger: issuer.token(exp=1), "the token has expired"),
    (lambda issuer, stranger: stranger.token(), "not signed by the issuer that this mesh trusts"),
    (
        lambda issuer, stranger: issuer.token(aud="kubernetes"),
        "for another audience: one for istio-ca is needed",
    ),
    (lambda issuer, stranger: issuer.token(iss="x"), "not from the issuer https://tokens.example"),
    (lambda issuer, stranger: issuer.token(sub="alice"), "the token's subject is not"),
]


async def test_callers_that_are_refused(
    client: Client, citadel: Citadel, make_csr: Callable[..., str], issuer: Any, stranger: Any
) -> None:
    for token, said in REFUSED:
        code, text = await client.refused(make_csr(), token(issuer, stranger))
        assert code is grpc.StatusCode.UNAUTHENTICATED
        assert text.startswith("request authenticate failure: ")
        assert said in text
    assert await metric(citadel, "citadel_server_authentication_failure_count") == len(REFUSED)


OTHERS_NAMES: list[tuple[dict[str, Any], str]] = [
    ({"uris": [OTHER]}, f"the CSR asks for '{OTHER}', and the caller is {IDENTITY}: leave the"),
    ({"uris": [IDENTITY, OTHER]}, f"the CSR asks for '{OTHER}'"),
    ({"dns": ["istio-pilot.istio-system.svc"]}, "the CSR asks for 'istio-pilot.istio-system.svc'"),
]


async def test_a_csr_for_somebody_elses_identity(
    client: Client, citadel: Citadel, make_csr: Callable[..., str], issuer: Any
) -> None:
    for wanted, said in OTHERS_NAMES:
        code, text = await client.refused(make_csr(**wanted), issuer.token())
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert text.startswith(f"CSR signing error ({said}")
    assert await metric(citadel, "citadel_server_id_extraction_err_count") == len(OTHERS_NAMES)


async def test_nobody_may_impersonate(client: Client, make_csr: Callable[..., str], issuer: Any) -> None:
    code, text = await client.refused(make_csr(), issuer.token(), ImpersonatedIdentity=OTHER)
    assert code is grpc.StatusCode.UNAUTHENTICATED
    assert text.startswith("request impersonation authentication failure")
    assert await client.sign(make_csr(), issuer.token(), ImpersonatedIdentity=IDENTITY, CertSigner="any")


async def test_bad_requests(
    client: Client, citadel: Citadel, make_csr: Callable[..., str], forged: Callable[[str], str], issuer: Any
) -> None:
    """Unreadable, wrongly signed, too long, too long a life: each is the caller's error, and the next call
    works.
    """
    table = [
        ("", 0, "the CSR is empty"),
        ("x", 0, "the CSR cannot be read"),
        ("x" * 20_000, 0, "the CSR has 20000 bytes"),
        ("x" * 100_000, 0, "the request has 100004 bytes"),
        (forged(make_csr()), 0, "the CSR's signature does not fit its key"),
        (make_csr(), 91 * 86400, "requested TTL 7862400s is greater than the max allowed TTL 7776000s"),
        (make_csr(), 2**63 - 1, "is greater than the max allowed TTL"),
    ]
    for csr, seconds, said in table:
        code, text = await client.refused(csr, issuer.token(), seconds=seconds)
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert said in text
    assert await client.sign(make_csr(), issuer.token())
    assert await metric(citadel, "citadel_server_csr_count") == 8
    assert await metric(citadel, "citadel_server_csr_parsing_err_count") == 4
    assert await metric(citadel, 'citadel_server_csr_sign_err_count{error="ttl"}') == 2
    assert await metric(citadel, 'citadel_server_csr_sign_err_count{error="csr"}') == 1
    assert await metric(citadel, "citadel_server_success_cert_issuance_count") == 1


async def test_without_keys_clients_are_told_to_come_again(
    client: Client, make_csr: Callable[..., str], issuer: Any
) -> None:
    token = issuer.token()
    issuer.path.unlink()
    code, text = await client.refused(make_csr(), token)
    assert code is grpc.StatusCode.UNAVAILABLE
    assert str(issuer.path) not in text


async def test_a_strangers_certificate_opens_no_connection(
    citadel: Citadel, make_csr: Callable[..., str], issuer: Any
) -> None:
    """Its root has our root's name; TLS finds the signature wrong."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = citadel.authority.signer.root.certificate.subject
    now = datetime.now(UTC)
    forged = (
        x509.CertificateBuilder(name, x509.Name([]), key.public_key(), 7, now, now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(IDENTITY)]), critical=True)
        .sign(
            key,
            x509.load_pem_x509_certificate(citadel.settings.root_file.read_bytes()).signature_hash_algorithm,
        )
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    asking = Client(citadel, Pair(key.private_bytes(*form), forged.public_bytes(serialization.Encoding.PEM)))
    code, _ = await asking.refused(make_csr(), issuer.token())
    await asking.close()
    assert code is grpc.StatusCode.UNAVAILABLE


async def test_any_bytes_are_answered(client: Client, make_csr: Callable[..., str], issuer: Any) -> None:
    """Whatever a caller sends, it gets a status of its own fault, and the service goes on."""
    good = IstioCertificateRequest(csr=make_csr()).SerializeToString()
    token = issuer.token()
    seen: list[bytes] = []

    @settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow], deadline=None)
    @given(st.binary(max_size=300) | st.integers(0, len(good)).map(lambda at: good[:at] + b"\xff" + good[at:]))
    def collect(message: bytes) -> None:
        seen.append(message)

    collect()
    for message in seen:
        try:
            await client.raw(message, token)
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, (message, error.details())  # noqa: PT017
        else:
            assert IstioCertificateRequest.FromString(message).csr.startswith("-----BEGIN")
    with pytest.raises(DecodeError):
        IstioCertificateRequest.FromString(b"\xff")
    assert await client.sign(make_csr(), token)


async def test_any_bytes_of_a_stranger_are_refused_unread(client: Client, make_csr: Callable[..., str]) -> None:
    """Whatever message and token come: without an identity the answer is UNAUTHENTICATED, and nothing else."""
    good = IstioCertificateRequest(csr=make_csr()).SerializeToString()
    text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=200)
    seen: list[tuple[bytes, str | None]] = []

    @settings(max_examples=examples(60), deadline=None)
    @given(st.binary(max_size=300) | st.just(good), st.none() | text)
    def collect(message: bytes, token: str | None) -> None:
        seen.append((message, token))

    collect()
    for message, token in seen:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await client.raw(message, token)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED, (message, token)


async def test_what_it_shows(citadel: Citadel, client: Client, make_csr: Callable[..., str], issuer: Any) -> None:
    chain = await client.sign(make_csr(), issuer.token())
    serial = x509.load_pem_x509_certificate(chain[0].encode()).serial_number
    base = f"http://127.0.0.1:{citadel.settings.introspection_port}"
    async with httpx.AsyncClient() as http:
        listed = (await http.get(f"{base}/debug/certificates")).json()["certificates"]
        some = (await http.get(f"{base}/debug/certificates", params={"identity": "reviews"})).json()["certificates"]
        page = (await http.get(base)).text
        ready = await http.get(f"http://127.0.0.1:{citadel.settings.monitoring_port}/readyz")
    assert [entry["identity"] for entry in listed] == [
        IDENTITY,
        "spiffe://cluster.local/ns/istio-system/sa/istio-citadel-service-account",
    ]
    assert [(entry["serial"], entry["authenticated_by"]) for entry in some] == [(f"{serial:x}", "token")]
    assert "PRIVATE KEY" not in page
    assert ready.status_code == 200
    for name in ("root_cert", "cert_chain", "serving_cert"):
        assert await metric(citadel, f"citadel_server_{name}_expiry_timestamp") > datetime.now(UTC).timestamp()
        assert await metric(citadel, f"citadel_server_{name}_expiry_seconds") > 0


async def serving_certificate(citadel: Citadel) -> x509.Certificate:
    """What a TLS client that is not gRPC sees, after it has verified path and name."""
    context = ssl.create_default_context(cafile=str(citadel.settings.root_file))
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection(
        "127.0.0.1", citadel.server.bound_port, ssl=context, server_hostname=SERVER_NAME
    )
    secured = writer.get_extra_info("ssl_object")
    assert secured.selected_alpn_protocol() == "h2"
    writer.transport.abort()  # the first frames of the server are of no interest
    return x509.load_der_x509_certificate(secured.getpeercert(binary_form=True))


async def test_its_own_certificate_is_renewed_and_has_its_names(citadel: Citadel) -> None:
    first = await serving_certificate(citadel)
    renewed = await citadel.identity.renew()
    second = await serving_certificate(citadel)
    assert first.serial_number != second.serial_number == renewed.serial
    for certificate in (first, second):
        found = names(certificate.public_bytes(serialization.Encoding.PEM).decode())
        assert found[0] == "spiffe://cluster.local/ns/istio-system/sa/istio-citadel-service-account"
        assert SERVER_NAME in found


async def test_a_fault_of_ours_is_one_failed_call(
    client: Client, citadel: Citadel, make_csr: Callable[..., str], issuer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret of the inside")

    with monkeypatch.context() as patch:
        patch.setattr(citadel.authority, "issue", broken)
        code, text = await client.refused(make_csr(), issuer.token())
    assert code is grpc.StatusCode.INTERNAL
    assert "secret" not in text
    assert await metric(citadel, 'citadel_server_csr_sign_err_count{error="internal"}') == 1
    assert await client.sign(make_csr(), issuer.token())


async def test_what_is_far_too_long_is_not_read(client: Client, make_csr: Callable[..., str], issuer: Any) -> None:
    code, _ = await client.refused("x" * 1_000_000, issuer.token())
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await client.sign(make_csr(), issuer.token())
