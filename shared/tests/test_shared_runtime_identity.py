"""Certificates: asked for, renewed, kept; and Citadel's client against a real server."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from flotilla_protos.istio.security.v1alpha1.ca_pb2 import IstioCertificateRequest, IstioCertificateResponse
from flotilla_shared.runtime.backoff import Backoff
from flotilla_shared.runtime.citadel_client import METHOD, CitadelClient
from flotilla_shared.runtime.identity import (
    Certificate,
    SigningRefused,
    SigningUnavailable,
    WorkloadIdentity,
    make_csr,
    read_chain,
    renewal_wait,
    uri_of,
)
from flotilla_shared.runtime.serving import Call, GrpcServer
from flotilla_shared.testing.certificates import CertificateAuthorityForTests
from flotilla_shared.testing.ports import free_port

ME = "spiffe://cluster.local/ns/default/sa/me"
CITADEL = "istio-citadel.istio-system.svc"


@pytest.fixture
def own() -> CertificateAuthorityForTests:
    """An authority that a test may make fail."""
    return CertificateAuthorityForTests()


async def test_a_certificate_comes_with_a_new_key_each_time(own: CertificateAuthorityForTests) -> None:
    identity = WorkloadIdentity(own, ME, 600)
    first, second = await identity.renew(), await identity.renew()
    assert first.key_pem != second.key_pem
    assert first.serial != second.serial
    assert {first.spiffe, second.spiffe} == {ME}
    assert identity.current is second
    assert "KEY" not in repr(first)


async def test_it_renews_by_itself_and_tells_its_subscribers(own: CertificateAuthorityForTests) -> None:
    identity = WorkloadIdentity(own, ME, 0)  # ends at once: renewed again and again
    seen: list[Certificate] = []
    enough = asyncio.Event()

    def broken(_: Certificate) -> None:
        raise RuntimeError("a subscriber that fails")

    def note(certificate: Certificate) -> None:
        seen.append(certificate)
        if len(seen) == 3:
            enough.set()

    identity.subscribe(broken)
    unsubscribe = identity.subscribe(note)
    await identity.start()
    await asyncio.wait_for(enough.wait(), 20)
    unsubscribe()
    await identity.stop()
    assert len({certificate.serial for certificate in seen}) == 3


async def test_a_failing_renewal_keeps_the_certificate_and_says_why(own: CertificateAuthorityForTests) -> None:
    identity = WorkloadIdentity(own, ME, 0, backoff=Backoff(0.01, 0.01))
    await identity.start()
    kept = await identity.wait()
    own.failure = SigningUnavailable("nobody is at home")
    tried = own.signed
    while "at home" not in identity.last_error:
        await asyncio.sleep(0.01)
    held = identity.current
    assert held is not None
    assert held.spiffe == kept.spiffe
    own.failure = None
    while own.signed == tried or identity.last_error:
        await asyncio.sleep(0.01)
    await identity.stop()


async def test_whatever_a_signer_raises_it_goes_on(own: CertificateAuthorityForTests) -> None:
    own.failure = KeyError("unexpected")
    identity = WorkloadIdentity(own, ME, 600, backoff=Backoff(0.01, 0.01))
    await identity.start()
    while "KeyError" not in identity.last_error:
        await asyncio.sleep(0.01)
    own.failure = None
    assert (await identity.wait()).spiffe == ME
    await identity.stop()


@pytest.mark.parametrize("left", [10.0, 3600.0, 86400.0])
def test_renewal_is_at_half_of_what_is_left(own: CertificateAuthorityForTests, left: float) -> None:
    certificate = own.certificate(ME, life=timedelta(days=2))
    waits = [renewal_wait(certificate, certificate.not_after.timestamp() - left) for _ in range(50)]
    assert all(0.489 * left <= wait <= 0.511 * left for wait in waits)
    assert len(set(waits)) > 1
    assert renewal_wait(certificate, certificate.not_after.timestamp() + 5) > 0


def test_the_csr_asks_for_the_identity_and_nothing_else() -> None:
    csr = x509.load_pem_x509_csr(make_csr(ec.generate_private_key(ec.SECP256R1()), ME).encode())
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical
    assert [name.value for name in names.value] == [ME]
    assert list(csr.subject) == []
    assert csr.is_signature_valid


def test_answers_that_cannot_be_a_chain(own: CertificateAuthorityForTests) -> None:
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    chain = own.chain(make_csr(key, ME), timedelta(hours=1))
    for answer, words in (
        ([], "holds 0 certificates"),
        (chain[:1], "holds 1 certificates"),
        (["rubbish", chain[1]], "holds no certificates"),
        ([chain[0], ""], "holds no certificates"),
    ):
        with pytest.raises(SigningRefused, match=words):
            read_chain(key, answer)
    with pytest.raises(SigningRefused, match="not for the key"):
        read_chain(other, chain)
    assert uri_of(own.root) is None


class Citadel:
    """A CSR server whose answers a test chooses."""

    def __init__(self, authority: CertificateAuthorityForTests, tmp_path: Path) -> None:
        self.authority = authority
        self.calls: list[Call] = []
        self.refuse_tokens = False
        self.root, self.token = tmp_path / "root.pem", tmp_path / "token"
        self.root.write_text(authority.root_pem)
        self.server = GrpcServer(
            "127.0.0.1",
            0,
            identity=authority.identity("spiffe://cluster.local/ns/istio-system/sa/citadel", CITADEL),
            client_certificate="optional",
            batch={METHOD: self.serve},
            grace_seconds=0,
        )

    def serve(self, calls: list[Call]) -> None:  # type: ignore[override]
        for call in calls:
            self.calls.append(call)
            token = dict(call.metadata).get("authorization")
            if token is not None and self.refuse_tokens:
                call.fail(grpc.StatusCode.UNAUTHENTICATED, "the token has expired")
                continue
            request = IstioCertificateRequest.FromString(call.message)
            chain = self.authority.chain(request.csr, timedelta(seconds=request.validity_duration))
            call.answer(IstioCertificateResponse(cert_chain=chain).SerializeToString())

    def client(self) -> CitadelClient:
        return CitadelClient(f"127.0.0.1:{self.server.bound_port}", CITADEL, self.root, self.token)


@pytest.fixture
async def citadel(own: CertificateAuthorityForTests, tmp_path: Path):  # type: ignore[no-untyped-def]
    citadel = Citadel(own, tmp_path)
    await citadel.server.start()
    yield citadel
    await citadel.server.stop()


async def test_a_token_is_read_at_every_call(citadel: Citadel) -> None:
    identity = WorkloadIdentity(citadel.client(), ME, 600)
    for token in ("first", "second"):
        citadel.token.write_text(token + "\n")
        await identity.renew()
    assert [dict(call.metadata)["authorization"] for call in citadel.calls] == ["Bearer first", "Bearer second"]
    assert [call.peer.identity for call in citadel.calls] == [None, None]


async def test_without_a_token_the_certificate_speaks(citadel: Citadel) -> None:
    citadel.token.write_text("once")
    identity = WorkloadIdentity(citadel.client(), ME, 600)
    await identity.renew()
    citadel.token.unlink()
    await identity.renew()
    assert citadel.calls[1].peer.identity == ME
    assert "authorization" not in dict(citadel.calls[1].metadata)


async def test_a_refused_token_is_followed_by_the_certificate(citadel: Citadel) -> None:
    citadel.token.write_text("good")
    identity = WorkloadIdentity(citadel.client(), ME, 600)
    with_token = await identity.renew()
    citadel.refuse_tokens = True
    assert (await identity.renew()).serial != with_token.serial
    assert citadel.calls[-1].peer.identity == ME


async def test_what_cannot_be_had_is_told(citadel: Citadel, tmp_path: Path) -> None:
    citadel.refuse_tokens = True
    citadel.token.write_text("bad")
    with pytest.raises(SigningRefused, match="the token has expired"):
        await WorkloadIdentity(citadel.client(), ME, 600).renew()
    citadel.token.unlink()
    with pytest.raises(SigningUnavailable, match="no token"):
        await WorkloadIdentity(citadel.client(), ME, 600).renew()
    citadel.token.write_text("x")
    away = CitadelClient(f"127.0.0.1:{free_port()}", CITADEL, citadel.root, citadel.token)
    with pytest.raises(SigningUnavailable, match="cannot be reached"):
        await WorkloadIdentity(away, ME, 600).renew()
    citadel.root.unlink()
    with pytest.raises(SigningUnavailable, match="cannot be read"):
        await WorkloadIdentity(citadel.client(), ME, 600).renew()


async def test_a_citadel_of_another_root_is_not_talked_to(citadel: Citadel) -> None:
    citadel.token.write_text("x")
    citadel.root.write_text(CertificateAuthorityForTests("elsewhere").root_pem)
    with pytest.raises(SigningUnavailable):
        await WorkloadIdentity(citadel.client(), ME, 600).renew()
    assert citadel.calls == []
