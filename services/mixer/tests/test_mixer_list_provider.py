"""Lists that a server provides, over a real HTTP server: fetched, kept while they may be, gone when they are too old."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from flotilla_mixer.adapters.list.adapter import ListChecker
from flotilla_mixer.adapters.list.entries import entries_of, read_content
from flotilla_mixer.adapters.list.provider import LONGEST_BYTES, Provider
from flotilla_mixer.kit.adapter import CheckCall
from flotilla_mixer.templates.catalogue import LIST_ENTRY
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.handlers import Background
from flotilla_protos.istio.mixer.adapter.list.config.config_pb2 import Params
from flotilla_shared.runtime.http import HttpServer

STRINGS, IPS, REGEX = Params.STRINGS, Params.IP_ADDRESSES, Params.REGEX


class ListServer:
    """Answers with `body` and `code`; `asked` is set by each request."""

    def __init__(self) -> None:
        self.body, self.code = "ABC\nDEF\n", 200
        self.asked = asyncio.Event()
        self.url = ""

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/list")
        async def _list(_: Request) -> Response:
            self.asked.set()
            return Response(self.body, self.code, media_type="text/plain")

        return app


@pytest.fixture
async def server() -> AsyncIterator[ListServer]:
    found = ListServer()
    http = HttpServer(found.app(), "127.0.0.1", 0)
    await http.start()
    found.url = f"http://127.0.0.1:{http.ports[0]}/list"
    yield found
    await http.stop()


async def fetched(provider: Provider) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        await provider.fetch(client)


async def test_what_the_server_lists_and_what_is_added(server: ListServer) -> None:
    provider = Provider(server.url, STRINGS, ["MINE"], 60, 300, Background())
    assert provider.entries is None
    await fetched(provider)
    assert provider.entries is not None
    assert [provider.entries.has(text) for text in ("ABC", "MINE", "GHI")] == [True, True, False]
    server.body = "GHI"
    await fetched(provider)
    assert [provider.entries.has(text) for text in ("ABC", "MINE", "GHI")] == [False, True, True]


FAULTS = [(500, "x", STRINGS, "it answered 500"), (200, "{", IPS, "no YAML"), (200, "(", REGEX, "no pattern")]


@pytest.mark.parametrize(("code", "body", "kind", "said"), FAULTS)
async def test_a_list_that_cannot_be_had_leaves_the_last_one_until_it_is_too_old(
    server: ListServer, code: int, body: str, kind: int, said: str
) -> None:
    server.body = "whitelist: [10.0.0.0/8]" if kind == IPS else "good"
    lasting, short = (
        Provider(server.url, kind, [], 60, 300, Background()),
        Provider(server.url, kind, [], 60, 0, Background()),
    )
    for each in (lasting, short):
        await fetched(each)
        assert each.entries is not None
    server.code, server.body = code, body
    for each in (lasting, short):
        await fetched(each)
        assert said in each.error
    assert lasting.entries is not None
    assert short.entries is None


async def test_a_server_that_is_away_is_an_error_and_no_crash() -> None:
    provider = Provider("http://127.0.0.1:1/list", STRINGS, [], 60, 300, Background())
    await fetched(provider)
    assert (provider.entries, provider.fetched.is_set()) == (None, True)
    assert "cannot be fetched" in provider.error


async def test_a_list_without_end_is_not_taken(server: ListServer) -> None:
    server.body = "x" * (LONGEST_BYTES + 1)
    provider = Provider(server.url, STRINGS, [], 60, 300, Background())
    await fetched(provider)
    assert "longer than" in provider.error


def handler_of(server: ListServer, background: Background, **changes: int) -> Any:
    params: Any = ListChecker().defaults()
    params.provider_url = server.url
    for name, seconds in changes.items():
        getattr(params, name).seconds = seconds
    return ListChecker().build(params, [], background)


def ask(handler: Any, answers: list[Any], value: str = "ABC") -> None:
    handler.check([CheckCall(InstanceSpec("i", LIST_ENTRY), (value,), answers.append)])


async def test_calls_wait_for_the_first_list_and_no_other(server: ListServer) -> None:
    background, answers = Background(), []
    handler = handler_of(server, background)
    ask(handler, answers)
    assert answers == [], "nothing is fetched yet"
    async with asyncio.timeout(10):
        while not answers:
            await asyncio.sleep(0.001)
    assert (answers[0].code, answers[0].valid_seconds, answers[0].valid_uses) == (0, 300, 10_000)
    ask(handler, answers, "XYZ")
    assert answers[1].code == 7, "at once"
    await background.stop()
    handler.close()


async def test_calls_fail_while_there_is_no_list_and_go_on_when_there_is(
    server: ListServer, capsys: pytest.CaptureFixture[str]
) -> None:
    background, answers = Background(), []
    server.code = 500
    handler = handler_of(server, background, refresh_interval=0)
    async with asyncio.timeout(10):
        while not answers:
            ask(handler, answers)
            await asyncio.sleep(0.001)
    assert answers[0] == f"the list at {server.url} cannot be fetched: it answered 500"
    server.code = 200
    async with asyncio.timeout(10):
        while isinstance(answers[-1], str):
            ask(handler, answers)
            await asyncio.sleep(0.001)
    assert answers[-1].code == 0
    await background.stop()
    handler.close()
    said = capsys.readouterr().out
    assert (said.count("a list cannot be fetched"), said.count("a list can be fetched again")) == (1, 1)


async def test_a_handler_that_ends_before_the_first_list_leaves_no_call_open(server: ListServer) -> None:
    background, answers = Background(), []
    handler = handler_of(server, background)
    ask(handler, answers)
    await background.stop()
    handler.close()
    await asyncio.sleep(0)
    assert answers == ["handler.handler.test ended before it could say"]


ADDRESSES = [
    (["10.0.0.0/8"], "10.1.1.1", True),
    (["10.0.0.0/8"], "11.1.1.1", False),
    (["10.0.0.0/8"], "::ffff:10.1.1.1", True),
    (["1.2.3.4"], "1.2.3.4", True),
    (["2001:db8::1"], "2001:db8::1", True),
    (["2001:db8::1"], "2001:db8::2", False),
    (["2001:db8::/32"], "2001:db8:1::1", True),
    (["0.0.0.0/0"], "2001:db8::1", False),
]


@pytest.mark.parametrize(("listed", "asked", "found"), ADDRESSES)
def test_addresses(listed: list[str], asked: str, found: bool) -> None:
    assert entries_of(IPS, listed).has(asked) is found


def test_what_is_no_address_cannot_be_asked_about() -> None:
    with pytest.raises(ValueError, match="x"):
        entries_of(IPS, []).has("x")


@pytest.mark.parametrize("content", ["[]", "whitelist: 3", "a: ["])
def test_content_that_is_no_list_of_addresses(content: str) -> None:
    with pytest.raises(ValueError, match=r"whitelist|YAML"):
        read_content(IPS, content)
