"""ratings with and without a store, and what reviews shows of a store that cannot be asked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest

from flotilla_bookinfo.reviews import PATIENCE_SECONDS
from flotilla_bookinfo.store import STARS, Store
from flotilla_bookinfo.storeclient import ANSWER_SECONDS, CONNECT_SECONDS, StoreClient, StoreError

Say = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
UNAVAILABLE = {"error": "Ratings service is currently unavailable"}


class Counting:
    """A store that counts its connections, and the lines of each."""

    def __init__(self) -> None:
        self.lines: list[int] = []
        self._store = Store()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines.append(0)
        mine = len(self.lines) - 1
        while line := await reader.readline():
            self.lines[mine] += 1
            writer.write(str(self._store.answer(line.decode())).replace("'", '"').encode() + b"\n")


def saying(answer: bytes) -> Say:
    """Something else in the store's place: it says this to the first line, and ends."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)

    return say


async def hanging_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes at the first byte, as a sidecar does that is told to deny."""
    await reader.read(1)


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    linger = bytes([1, 0, 0, 0, 0, 0, 0, 0])
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.fixture
async def place() -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """`await place(what)` puts something where a store could be and gives its host:port."""
    servers: list[asyncio.Server] = []
    tasks: set[asyncio.Task[None]] = set()

    async def put(what: Say, host: str = "127.0.0.1", port: int = 0) -> str:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                with suppress(ConnectionError):
                    await what(reader, writer)
            finally:
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()

        servers.append(await asyncio.start_server(serve, host, port))
        return f"{host}:{servers[-1].sockets[0].getsockname()[1]}"

    yield put
    for server in servers:
        server.close()
        await server.wait_closed()
    await asyncio.wait_for(asyncio.gather(*tasks), 5)


async def test_without_a_store_ratings_answers_by_itself(bookinfo, client):
    url = await bookinfo("ratings", STORE="")
    assert (await client.get(url + "/ratings/3")).json() == {"id": 3, "ratings": STARS}


async def test_with_a_store_the_stars_are_there(bookinfo, client, store):
    one, other = await bookinfo("ratings", STORE=store), await bookinfo("ratings", STORE=store)
    assert (await client.get(one + "/ratings/3")).json() == {"id": 3, "ratings": STARS}
    changed = await client.post(one + "/ratings/3", json={"Reviewer1": 1})
    assert (changed.status_code, changed.json()) == (200, {"id": 3, "ratings": {"Reviewer1": 1}})
    assert (await client.get(other + "/ratings/3")).json()["ratings"] == {"Reviewer1": 1}
    assert (await client.get(other + "/ratings/4")).json()["ratings"] == STARS


@pytest.mark.parametrize("STORE", ["", "127.0.0.1:1"])
@pytest.mark.parametrize("path", ["x", "-1", "²"])
async def test_what_is_no_product_is_refused_before_the_store_is_asked(bookinfo, client, path, STORE):
    url = f"{await bookinfo('ratings', STORE=STORE)}/ratings/{path}"
    assert [(await client.get(url)).status_code, (await client.post(url, json={})).status_code] == [400, 400]


@pytest.mark.parametrize("body", ["{", "[]", '{"Reviewer1": "five"}', '{"\\ud800": 1}', "[" * 100_000])
@pytest.mark.parametrize("STORE", ["", "127.0.0.1:1"])
async def test_what_is_no_rating_is_refused_before_the_store_is_asked(bookinfo, client, body, STORE):
    answer = await client.post(await bookinfo("ratings", STORE=STORE) + "/ratings/0", content=body)
    assert (answer.status_code, answer.json()) == (400, {"error": "please provide valid ratings JSON"})


async def test_each_question_is_one_connection(bookinfo, client, place):
    store = Counting()
    url = await bookinfo("ratings", STORE=await place(store))
    for _ in range(3):
        assert (await client.get(url + "/ratings/0")).json()["ratings"] == STARS
    await client.post(url + "/ratings/0", json={"Reviewer1": 1})
    await asyncio.gather(*(client.get(url + "/ratings/0") for _ in range(5)))
    assert store.lines == [1] * 9


WRONG: list[tuple[Say, str]] = [
    (hanging_up, "it closed the connection without an answer"),
    (resetting, "it closed the connection without an answer"),
    (saying(b""), "it closed the connection without an answer"),
    (saying(b'{"Reviewer1": 5'), "it closed the connection without an answer"),
    (saying(b'{"Reviewer1": 5}'), "it closed the connection without an answer"),
    (saying(b"\n"), "it answered ''"),
    (saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "it answered 'HTTP/1.1 400 Bad Request'"),
    (saying(b"\xff\n"), "it answered '\ufffd'"),
    (saying(b"[5]\n"), "it answered '[5]'"),
    (saying(b'{"Reviewer1": "5"}\n'), 'it answered \'{"Reviewer1": "5"}\''),
    (saying(b'{"error": "please go away"}\n'), "it answered please go away"),
    (saying(b"[" * 60_000 + b"\n"), f"it answered '{'[' * 80}'"),
    (saying(b"x" * 200_000), "its answer has no end"),
    (saying(b"x" * 200_000 + b"\n"), "its answer has no end"),
]


@pytest.mark.parametrize(("what", "said"), WRONG)
async def test_a_store_that_cannot_be_asked_makes_ratings_unavailable(bookinfo, client, place, what, said):
    url = await bookinfo("ratings", STORE=await place(what)) + "/ratings/0"
    for answer in (await client.get(url), await client.post(url, json={"Reviewer1": 1})):
        assert answer.status_code == 503
        assert answer.json() == {"error": f"Ratings are unavailable; the store was asked, but {said}."}


async def test_nobody_at_the_stores_address(bookinfo, client, nobody):
    answer = await client.get(await bookinfo("ratings", STORE=nobody) + "/ratings/0")
    assert answer.status_code == 503
    assert "but it cannot be reached (" in answer.json()["error"]


async def test_a_store_that_is_silent_is_waited_for_so_long(place):
    host, _, port = (await place(silent)).partition(":")
    with pytest.raises(StoreError, match=r"it did not answer within 0\.05 s"):
        await StoreClient(host, int(port), answer_seconds=0.05).ratings(0)


async def test_a_line_that_the_store_does_not_read_holds_nobody_up(place):
    """More than the kernel takes for one who is deaf: closing must not wait until it is sent."""

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()
        await released.wait()

    released = asyncio.Event()
    host, _, port = (await place(deaf)).partition(":")
    try:
        with pytest.raises(StoreError, match="did not answer"):
            await StoreClient(host, int(port), answer_seconds=0.05).rate(0, {"x" * 16_000_000: 5})
    finally:
        released.set()


async def test_a_store_that_takes_no_connection_is_waited_for_so_long():
    """A full queue: the kernel neither refuses nor accepts."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        host, port = full.getsockname()
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex((host, port))
        with pytest.raises(StoreError, match=r"it took no connection within 0\.05 s"):
            await StoreClient(host, port, connect_seconds=0.05).ratings(0)


def test_ratings_gives_up_before_reviews_does():
    assert min(PATIENCE_SECONDS.values()) > CONNECT_SECONDS + ANSWER_SECONDS


@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_reviews_says_that_ratings_are_unavailable(bookinfo, client, place, version):
    ratings = await bookinfo("ratings", STORE=await place(hanging_up))
    answer = await client.get(await bookinfo("reviews", VERSION=version, ratings=ratings) + "/reviews/0")
    assert answer.status_code == 200
    assert [review["rating"] for review in answer.json()["reviews"]] == [UNAVAILABLE] * 2


async def test_ratings_returns_when_the_store_does(bookinfo, client, place, unused_tcp_place):
    host, port = unused_tcp_place
    url = await bookinfo("ratings", STORE=f"{host}:{port}") + "/ratings/0"
    assert (await client.get(url)).status_code == 503
    await place(saying(b'{"Reviewer1": 2}\n'), host, port)
    assert (await client.get(url)).json() == {"id": 0, "ratings": {"Reviewer1": 2}}


@pytest.fixture
def unused_tcp_place() -> tuple[str, int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        return host, port


@pytest.mark.parametrize("STORE", ["127.0.3.6", ":9090", "store:", "store:tcp", "store:²", "store:-1"])
def test_a_store_without_a_port_is_told_at_the_start(STORE):
    with pytest.raises(ValueError, match="STORE must be host:port, such as"):
        StoreClient.from_environment({"STORE": STORE})


@pytest.mark.parametrize("environment", [{}, {"STORE": ""}])
def test_no_store_is_no_client(environment):
    assert StoreClient.from_environment(environment) is None


async def test_a_store_may_have_an_address_of_version_6(place):
    try:
        address = await place(saying(b'{"Reviewer1": 2}\n'), "::1")
    except OSError:
        pytest.skip("this machine has no ::1")
    client = StoreClient.from_environment({"STORE": address.replace("::1:", "[::1]:")})
    assert client is not None
    assert await client.ratings(0) == {"Reviewer1": 2}
