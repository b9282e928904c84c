"""What a backend's answers over HTTP mean for a batch, from a real server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from flotilla_mixer.kit.connections import Connections, is_http_url, read_secret
from flotilla_mixer.kit.http import post
from flotilla_mixer.kit.secrets import SecretFile
from flotilla_mixer.kit.sending import SendError
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.testing.certificates import CertificateAuthorityForTests


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """Answers /CODE with that code, and /slow late."""
    app = FastAPI()

    @app.post("/{what}")
    async def _answer(what: str, request: Request) -> Response:
        if what == "slow":
            await asyncio.sleep(0.5)
            return Response()
        return Response(await request.body(), int(what), headers={"retry-after": request.headers.get("wait", "")})

    http = HttpServer(app, "127.0.0.1", 0)
    await http.start()
    yield f"http://127.0.0.1:{http.ports[0]}"
    await http.stop()


ANSWERS = [
    (429, "busy", True),
    (500, "busy", True),
    (502, "busy", True),
    (503, "busy", True),
    (504, "busy", True),
    (408, "busy", True),
    (302, "refused", False),
    (400, "refused", False),
    (401, "refused", False),
    (404, "refused", False),
    (413, "refused", False),
    (501, "refused", False),
]


@pytest.mark.parametrize(("code", "cause", "retry"), ANSWERS)
async def test_answers(url: str, code: int, cause: str, retry: bool) -> None:
    async with httpx.AsyncClient() as client:
        with pytest.raises(SendError, match=f"answered {code}: 'a batch'") as caught:
            await post(client, f"{url}/{code}", "a batch")
    assert (caught.value.cause, caught.value.retry, caught.value.after) == (cause, retry, None)


async def test_what_is_taken(url: str) -> None:
    async with httpx.AsyncClient() as client:
        assert (await post(client, f"{url}/202", b"a batch", {"x": "y"})).content == b"a batch"


@pytest.mark.parametrize(("text", "seconds"), [("7", 7.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)])
async def test_how_long_to_wait(url: str, text: str, seconds: float | None) -> None:
    async with httpx.AsyncClient() as client:
        with pytest.raises(SendError) as caught:
            await post(client, f"{url}/503", "", {"wait": text})
    assert caught.value.after == seconds


async def test_nobody_there_and_nobody_in_time(url: str) -> None:
    async with httpx.AsyncClient(timeout=0.05) as client:
        with pytest.raises(SendError, match="cannot be reached") as caught:
            await post(client, "http://user:secret@127.0.0.1:1/key?token=secret", "")
        assert (caught.value.cause, caught.value.retry) == ("unreachable", True)
        assert "secret" not in str(caught.value)
        with pytest.raises(SendError, match="in time") as caught:
            await post(client, f"{url}/slow", "")
        assert (caught.value.cause, caught.value.retry) == ("timeout", True)


async def test_a_protocol_may_have_rules_of_its_own(url: str) -> None:
    async with httpx.AsyncClient() as client:
        with pytest.raises(SendError) as retried:
            await post(client, f"{url}/501", "", {"wait": "7"}, retried=lambda status: status >= 500)
        with pytest.raises(SendError) as refused:
            await post(client, f"{url}/408", "", retried=lambda status: status >= 500)
        with pytest.raises(SendError) as waits:
            await post(client, f"{url}/429", "", {"wait": "7"}, wait_header="content-length")
    assert (retried.value.retry, retried.value.after) == (True, 7)
    assert (refused.value.retry, refused.value.cause) == (False, "refused")
    assert waits.value.after == 0, "another header goes before Retry-After"


# connections


async def test_connections_are_kept_and_opened_again(url: str) -> None:
    connections = Connections()
    for _ in range(2):
        assert (await connections.post(f"{url}/200", b"x", {})).content == b"x"
    with pytest.raises(SendError) as away:
        await connections.post("http://127.0.0.1:1/", b"x", {})
    assert (away.value.cause, away.value.retry) == ("unreachable", True)
    assert (await connections.post(f"{url}/200", b"x", {})).content == b"x"
    await connections.close()
    await connections.close()


async def test_requests_at_once_share_a_pool_and_the_failure_of_one_is_not_the_others(url: str) -> None:
    connections = Connections()
    slow = asyncio.create_task(connections.post(f"{url}/slow", b"", {}))
    others = [asyncio.create_task(connections.post(f"{url}/200", b"", {})) for _ in range(3)]
    await asyncio.gather(*others)
    with pytest.raises(SendError):
        await connections.post("http://127.0.0.1:1/", b"", {})
    assert (await slow).status_code == 200
    await connections.close()


async def test_certificates_are_read_again_after_a_failure(tmp_path: Path) -> None:
    authorities = [CertificateAuthorityForTests(), CertificateAuthorityForTests()]
    server = authorities[1].certificate("spiffe://a/b", ("localhost",))
    (tmp_path / "chain").write_bytes(server.chain_pem)
    (tmp_path / "key").write_bytes(server.key_pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "chain", tmp_path / "key")
    app = FastAPI()
    app.post("/")(lambda: Response())
    http = HttpServer(app, "127.0.0.1", 0, context=context)
    await http.start()
    roots, address = tmp_path / "roots", f"https://localhost:{http.ports[0]}/"
    connections, causes = Connections(str(roots)), []
    for authority in (None, *authorities):
        if authority is not None:
            roots.write_bytes(authority.certificate("spiffe://a/b").root_pem)
        try:
            await connections.post(address, b"", {})
        except SendError as error:
            causes.append((error.cause, error.retry))
    assert causes == [("tls", True), ("unreachable", True)], "no file; another's authority; then the right one"
    await connections.close()
    await http.stop()


URLS = [
    ("http://a", True),
    ("https://a.b:1/c?d", True),
    ("http://[::1]:9090/api", True),
    ("", False),
    ("a:1", False),
    ("ftp://a", False),
    ("http://", False),
    ("http://a:99999", False),
    ("http://a:x", False),
    ("http://[a", False),
    ("https://user:secret@a", False),
]


@pytest.mark.parametrize(("text", "right"), URLS)
def test_urls(text: str, right: bool) -> None:
    assert is_http_url(text) is right


def test_a_secret_that_is_not_there_yet_is_tried_again(tmp_path: Path) -> None:
    with pytest.raises(SendError, match="cannot be read") as caught:
        read_secret(SecretFile(tmp_path / "key"))
    assert (caught.value.cause, caught.value.retry) == ("secret", True)
    (tmp_path / "key").write_text("word\n")
    assert read_secret(SecretFile(tmp_path / "key")) == "word"
