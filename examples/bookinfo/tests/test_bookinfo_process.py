"""The applications as processes: started by the command of processes.yaml, calling through an HTTP proxy."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from flotilla_shared.testing.ports import free_port


@asynccontextmanager
async def process(*arguments: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, stdout=asyncio.subprocess.PIPE, env=environment
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.send_signal(signal.SIGTERM)
        await child.communicate()


async def listening(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return await writer.wait_closed()


class Proxy:
    """An HTTP proxy as a sidecar is one: it sees the whole URL with the service's real name."""

    def __init__(self) -> None:
        self.urls: list[str] = []

    async def __call__(self, scope, receive, send) -> None:
        # The request target as it stood on the request line: uvicorn keeps an absolute one in raw_path.
        request = Request(scope, receive)
        self.urls.append(f"{request.headers['host']} {scope['raw_path'].decode()}")
        response: Response = JSONResponse({"id": 0, "ratings": {"Reviewer1": 2, "Reviewer2": 3}})
        await response(scope, receive, send)


async def test_reviews_calls_ratings_by_name_through_http_proxy_and_stops_on_sigterm(serve, client):
    proxy, port = Proxy(), free_port()
    address = await serve(proxy)
    arguments = ("flotilla_bookinfo", "reviews", "--address", "127.0.0.1", "--port", str(port))
    async with process(*arguments, VERSION="v2", http_proxy=f"http://{address}") as child:
        await listening(port)
        answer = await client.get(f"http://127.0.0.1:{port}/reviews/0")
        assert answer.json()["reviews"][0]["rating"] == {"stars": 2, "color": "black"}
        assert len(proxy.urls) == 1
        assert proxy.urls[0].startswith("ratings:9080 ")
        child.send_signal(signal.SIGTERM)
        await child.wait()


async def test_the_visitor_asks_until_it_is_stopped(serve):
    proxy = Proxy()
    address = await serve(proxy)
    async with process("flotilla_bookinfo.visitor", http_proxy=f"http://{address}") as child:
        assert child.stdout is not None
        line = json.loads(await child.stdout.readline())
        assert line == {"service": "visitor", "path": "/api/v1/products/0", "status": 200}
        child.send_signal(signal.SIGTERM)
        assert await child.wait() == 0
    assert proxy.urls[0].startswith("productpage:9080 ")


def arguments(service: str, port: int) -> tuple[str, ...]:
    return ("flotilla_bookinfo", service, "--address", "127.0.0.1", "--port", str(port))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_store_stops_with_connections_open(number):
    port = free_port()
    async with process(*arguments("store", port), VERSION="v9") as child:
        await listening(port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"RATINGS 0\n")
        assert json.loads(await reader.readline()) == {"Reviewer1": 5, "Reviewer2": 4}
        assert child.stdout is not None
        line = json.loads(await child.stdout.readline())
        assert (line["service"], line["version"], line["request"]) == ("store", "v9", "RATINGS 0")
        child.send_signal(number)
        assert await asyncio.wait_for(child.wait(), 10) == 0
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_ratings_finds_the_store_by_its_variable_and_outlives_it(client):
    port, place = free_port(), free_port()
    async with process(*arguments("ratings", port), STORE=f"127.0.0.1:{place}"):
        await listening(port)
        url = f"http://127.0.0.1:{port}/ratings/0"
        assert (await client.get(url)).status_code == 503
        async with process(*arguments("store", place)):
            await listening(place)
            assert (await client.post(url, json={"Reviewer1": 3})).json() == {"id": 0, "ratings": {"Reviewer1": 3}}
        assert (await client.get(url)).status_code == 503
        async with process(*arguments("store", place)):
            await listening(place)
            assert (await client.get(url)).json()["ratings"]["Reviewer1"] == 5, "what was given went with the process"


async def test_the_store_needs_nothing_of_the_web():
    """It is one process more on the machine: 10 MB less than the others."""
    code = "import sys, flotilla_bookinfo.store; print(*sys.modules)"
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    output, _ = await child.communicate()
    assert not {"starlette", "uvicorn", "httpx"} & set(output.decode().split())
