"""Backends with TLS: tokens of files and of an OAuth server, and mutual TLS with Mixer's own identity."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import grpc
import pytest
from fastapi import FastAPI, Request, Response

from flotilla_mixer.adapters.remote.connect import Connector
from flotilla_mixer.adapters.remote.tokens import OAuthTokens, TokenError
from flotilla_mixer.kit.remote import OAuth
from flotilla_mixer.kit.results import CheckResult
from flotilla_mixer.kit.secrets import SecretFile
from flotilla_mixer.testing.backends import Backend
from flotilla_mixer.testing.far import LISTED, Far, at, configured
from flotilla_mixer.testing.handlers import Background
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.runtime.identity import Certificate
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

MIXER = "spiffe://cluster.local/ns/istio-system/sa/istio-mixer-service-account"
OTHER = "spiffe://cluster.local/ns/default/sa/reviews"
SERVER_NAME = "adapter.default"
PASSED = CheckResult(0, "", 0.0, 7)
FAILED = "handler there.handler.istio-system failed"


@pytest.fixture
def authority() -> CertificateAuthorityForTests:
    return CertificateAuthorityForTests()


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    found = Backend(allowed=["me"])
    yield found
    await found.stop()


@pytest.fixture
async def environment() -> AsyncIterator[Background]:
    found = Background()
    yield found
    await found.stop()


def served(certificate: Certificate, *, mutual: bool = False) -> grpc.ServerCredentials:
    pair = (certificate.key_pem, certificate.chain_pem)
    root = certificate.root_pem if mutual else None
    return grpc.ssl_server_credentials([pair], root, require_client_auth=mutual)


class Files:
    """Secrets in a folder."""

    def __init__(self, folder: Path, authority: CertificateAuthorityForTests) -> None:
        self.folder = folder
        self.ca = self.put("ca.pem", authority.root_pem)
        self.token = self.put("token", "first\n")

    def put(self, name: str, content: str | bytes) -> str:
        path = self.folder / name
        new = self.folder / f"{name}.new"
        new.write_bytes(content.encode() if isinstance(content, str) else content)
        new.replace(path)
        return str(path)

    def mutual(self, certificate: Certificate) -> dict[str, str]:
        return {
            "privateKey": self.put("key.pem", certificate.key_pem),
            "clientCertificate": self.put("chain.pem", certificate.chain_pem),
            "caCertificates": self.ca,
        }


@pytest.fixture
def files(tmp_path: Path, authority: CertificateAuthorityForTests) -> Files:
    return Files(tmp_path, authority)


class TestTokensOfFiles:
    @pytest.mark.parametrize(
        ("how", "header", "value"),
        [
            ({"authHeader": "BEARER"}, "authorization", "Bearer first"),
            ({"authHeader": "PLAIN"}, "authorization", "first"),
            ({"customHeader": "X-Token"}, "x-token", "first"),
        ],
    )
    async def test_the_token_goes_with_each_call(
        self,
        how: dict[str, str],
        header: str,
        value: str,
        backend: Backend,
        environment: Background,
        files: Files,
        authority: CertificateAuthorityForTests,
    ) -> None:
        await backend.start(served(authority.certificate(OTHER, [SERVER_NAME])))
        tls = {"caCertificates": files.ca, "serverName": SERVER_NAME, "tokenPath": files.token, **how}
        far = Far(configured("listentry", LISTED, at(backend, authentication={"tls": tls})), environment)
        assert await far.check() == PASSED
        assert backend.metadata[0][header] == value
        files.put("token", "second and longer")
        assert await far.check() == PASSED
        assert backend.metadata[1][header] == value.replace("first", "second and longer")
        await far.handler.close()

    async def test_without_a_token_nothing_is_asked(
        self, backend: Backend, environment: Background, files: Files, authority: CertificateAuthorityForTests
    ) -> None:
        await backend.start(served(authority.certificate(OTHER, [SERVER_NAME])))
        tls = {"caCertificates": files.ca, "serverName": SERVER_NAME, "tokenPath": "/nowhere", "authHeader": "BEARER"}
        far = Far(configured("listentry", LISTED, at(backend, authentication={"tls": tls})), environment)
        assert await far.check() == f"{FAILED}: token"
        assert backend.requests == []
        assert environment.counted("backend_errors") == {"token": 1}
        await far.handler.close()

    @pytest.mark.parametrize("fault", ["name", "root"])
    async def test_a_backend_that_is_another_gets_neither_call_nor_token(
        self,
        fault: str,
        backend: Backend,
        environment: Background,
        files: Files,
        authority: CertificateAuthorityForTests,
    ) -> None:
        signer = CertificateAuthorityForTests() if fault == "root" else authority
        await backend.start(served(signer.certificate(OTHER, ["else.default" if fault == "name" else SERVER_NAME])))
        tls = {"caCertificates": files.ca, "serverName": SERVER_NAME, "tokenPath": files.token, "authHeader": "BEARER"}
        far = Far(configured("listentry", LISTED, at(backend, authentication={"tls": tls})), environment)
        assert await far.check() == f"{FAILED}: unreachable"
        assert backend.metadata == []
        await far.handler.close()

    @pytest.mark.parametrize("content", [None, "no certificate"])
    def test_roots_that_cannot_be_read_are_told(
        self, content: str | None, tmp_path: Path, files: Files, environment: Background
    ) -> None:
        ca = files.put("bad.pem", content) if content else str(tmp_path / "nowhere")
        tls = {"caCertificates": ca, "tokenPath": files.token, "authHeader": "BEARER"}
        found = configured("listentry", LISTED, {"address": "x:1", "authentication": {"tls": tls}})
        (config,) = found.handlers.values()
        with pytest.raises(ValueError, match="cannot be used"):
            Connector()(config.params, config.instances, environment)


class TokenServer:
    """An OAuth server. `forms` and `authorizations` are what came; `codes` are answered in turn, then 200."""

    def __init__(self) -> None:
        self.forms: list[dict[str, Any]] = []
        self.authorizations: list[str | None] = []
        self.codes: list[int] = []
        self.life: float | str = 3600
        self.body: str | None = None
        self.url = ""

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/token")
        async def _token(request: Request) -> Response:
            self.forms.append(dict(parse_qsl((await request.body()).decode())))
            self.authorizations.append(request.headers.get("authorization"))
            code = self.codes.pop(0) if self.codes else 200
            content = self.body or f'{{"access_token": "t{len(self.forms)}", "expires_in": {self.life}}}'
            return Response(content, code, media_type="application/json")

        return app


@pytest.fixture
async def tokens() -> AsyncIterator[TokenServer]:
    found = TokenServer()
    http = HttpServer(found.app(), "127.0.0.1", 0)
    await http.start()
    found.url = f"http://127.0.0.1:{http.ports[0]}/token"
    yield found
    await http.stop()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class TestOAuth:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def source(
        self, tokens: TokenServer, files: Files, authority: CertificateAuthorityForTests, clock: Clock
    ) -> OAuthTokens:
        oauth = OAuth("mixer", files.put("secret", "s:cret"), tokens.url, ("a", "b"), (("audience", "x"),))
        return OAuthTokens(oauth, SecretFile(oauth.secret_file), authority.root_pem.encode(), clock)

    async def test_a_token_is_kept_until_it_is_about_to_end(
        self, source: OAuthTokens, tokens: TokenServer, clock: Clock
    ) -> None:
        assert await source.token() == await source.token() == "t1"
        assert tokens.forms == [{"grant_type": "client_credentials", "scope": "a b", "audience": "x"}]
        assert tokens.authorizations == ["Basic bWl4ZXI6cyUzQWNyZXQ="]
        clock.now += 3589
        assert await source.token() == "t1"
        clock.now += 2
        assert await source.token() == "t2"

    async def test_calls_at_once_share_one_question(self, source: OAuthTokens, tokens: TokenServer) -> None:
        assert set(await asyncio.gather(*(source.token() for _ in range(20)))) == {"t1"}
        assert len(tokens.forms) == 1

    async def test_a_server_that_wants_the_credentials_in_the_body(
        self, source: OAuthTokens, tokens: TokenServer
    ) -> None:
        tokens.codes = [401]
        assert await source.token() == "t2"
        assert (tokens.forms[1]["client_id"], tokens.forms[1]["client_secret"]) == ("mixer", "s:cret")

    async def test_a_new_secret_asks_anew(self, source: OAuthTokens, tokens: TokenServer, files: Files) -> None:
        await source.token()
        files.put("secret", "another one")
        assert await source.token() == "t2"

    @pytest.mark.parametrize(
        ("codes", "body"), [([500], None), ([401, 401], None), ([], "{}"), ([], "no"), ([], '{"access_token": ""}')]
    )
    async def test_no_token_is_told_once_a_second(
        self, source: OAuthTokens, tokens: TokenServer, clock: Clock, codes: list[int], body: str | None
    ) -> None:
        tokens.codes, tokens.body = codes, body
        with pytest.raises(TokenError, match="gives no token"):
            await source.token()
        asked = len(tokens.forms)
        with pytest.raises(TokenError):
            await source.token()
        assert len(tokens.forms) == asked
        tokens.codes, tokens.body = [], None
        clock.now += 1.1
        assert await source.token() == f"t{asked + 1}"

    async def test_errors_hold_no_secret(self, source: OAuthTokens, tokens: TokenServer) -> None:
        tokens.codes = [400, 400]
        with pytest.raises(TokenError) as failure:
            await source.token()
        assert "cret" not in str(failure.value)

    async def test_it_goes_with_calls(
        self,
        tokens: TokenServer,
        backend: Backend,
        environment: Background,
        files: Files,
        authority: CertificateAuthorityForTests,
    ) -> None:
        await backend.start(served(authority.certificate(OTHER, [SERVER_NAME])))
        oauth = {"clientId": "mixer", "clientSecret": files.put("secret", "x"), "tokenUrl": tokens.url}
        tls = {"caCertificates": files.ca, "serverName": SERVER_NAME, "oauth": oauth}
        far = Far(configured("listentry", LISTED, at(backend, authentication={"tls": tls})), environment)
        assert await far.check() == PASSED
        assert backend.metadata[0]["authorization"] == "Bearer t1"
        await far.handler.close()


class TestMutual:
    async def test_a_backend_of_the_same_identity_is_asked(
        self, backend: Backend, environment: Background, files: Files, authority: CertificateAuthorityForTests
    ) -> None:
        await backend.start(served(authority.certificate(MIXER), mutual=True))
        mutual = files.mutual(authority.certificate(MIXER))
        far = Far(configured("listentry", LISTED, at(backend, authentication={"mutual": mutual})), environment)
        assert await far.check() == PASSED
        assert await asyncio.gather(*(far.check() for _ in range(20))) == [PASSED] * 20
        await far.handler.close()

    async def test_a_backend_of_another_identity_gets_no_call(
        self, backend: Backend, environment: Background, files: Files, authority: CertificateAuthorityForTests
    ) -> None:
        await backend.start(served(authority.certificate(OTHER), mutual=True))
        mutual = files.mutual(authority.certificate(MIXER))
        far = Far(configured("listentry", LISTED, at(backend, authentication={"mutual": mutual})), environment)
        assert await far.check() == f"{FAILED}: unreachable"
        assert backend.requests == []
        await far.handler.close()

    async def test_a_backend_of_another_root_gets_no_call(
        self, backend: Backend, environment: Background, files: Files, authority: CertificateAuthorityForTests
    ) -> None:
        await backend.start(served(CertificateAuthorityForTests().certificate(MIXER)))
        mutual = files.mutual(authority.certificate(MIXER))
        far = Far(configured("listentry", LISTED, at(backend, authentication={"mutual": mutual})), environment)
        assert await far.check() == f"{FAILED}: unreachable"
        assert backend.requests == []
        await far.handler.close()

    async def test_it_comes_back_and_a_renewed_certificate_is_used_then(
        self, backend: Backend, environment: Background, files: Files, authority: CertificateAuthorityForTests
    ) -> None:
        await backend.start(served(authority.certificate(MIXER), mutual=True))
        mutual = files.mutual(authority.certificate(MIXER))
        far = Far(configured("listentry", LISTED, at(backend, authentication={"mutual": mutual})), environment)
        assert await far.check() == PASSED
        await backend.stop()
        assert isinstance(await far.check(), str)
        files.mutual(authority.certificate(OTHER))  # and the backend is of that identity, too
        await backend.start(served(authority.certificate(OTHER), mutual=True), backend.port)
        async with asyncio.timeout(20):
            while await far.check() != PASSED:
                await asyncio.sleep(0.05)
        await far.handler.close()

    @pytest.mark.parametrize("fault", ["missing", "no identity", "unix"])
    def test_what_cannot_be_is_told(
        self, fault: str, files: Files, authority: CertificateAuthorityForTests, environment: Background
    ) -> None:
        mutual = files.mutual(authority.certificate(MIXER))
        if fault == "missing":
            mutual["privateKey"] = "/nowhere"
        if fault == "no identity":
            mutual["clientCertificate"] = files.ca
        address = "unix:/x" if fault == "unix" else "localhost:1"
        connection = {"address": address, "authentication": {"mutual": mutual}}
        (config,) = configured("listentry", LISTED, connection).handlers.values()
        with pytest.raises(ValueError, match="mutual TLS"):
            Connector()(config.params, config.instances, environment)

    async def test_its_folder_goes_with_the_handler(
        self,
        backend: Backend,
        files: Files,
        authority: CertificateAuthorityForTests,
        tmp_path_factory: pytest.TempPathFactory,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        folders = tmp_path_factory.mktemp("sockets")
        monkeypatch.setattr(tempfile, "tempdir", str(folders))
        await backend.start(served(authority.certificate(MIXER), mutual=True))
        environment = Background()
        mutual = files.mutual(authority.certificate(MIXER))
        far = Far(configured("listentry", LISTED, at(backend, authentication={"mutual": mutual})), environment)
        assert await far.check() == PASSED
        assert len(list(folders.glob("flotilla-*/backend"))) == 1
        await environment.stop()
        await far.handler.close()
        assert list(folders.iterdir()) == []
        assert isinstance(await far.check(), str)
