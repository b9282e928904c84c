"""The store: its protocol, over real TCP, and how it stops."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from flotilla_bookinfo.store import LONGEST_LINE, PARTING_SECONDS, STARS, USAGE, Store, StoreServer, read_stars

NO_NUMBER = {"error": "please provide numeric product id"}
NO_STARS = {"error": "please provide valid ratings JSON"}
TOO_LONG = {"error": "a line has at most 4096 bytes"}


class Client:
    """One connection to a store."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, line: str | bytes) -> object:
        self.writer.write((line.encode() if isinstance(line, str) else line) + b"\n")
        return json.loads(await self.reader.readline())


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Client]:
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


PROTOCOL: list[tuple[str | bytes, object]] = [
    ("RATINGS 0", STARS),
    ("RATINGS 0\r", STARS),
    ("  RATINGS   7  ", STARS),
    ('RATE 0 {"Reviewer1": 1}', {"Reviewer1": 1}),
    ('RATE 0 {"Reviewer1": 1, "A. Reader": -2}', {"Reviewer1": 1, "A. Reader": -2}),
    ("RATE 0 {}", {}),
    ('RATE 0 {"Ж": 3}', {"Ж": 3}),
    ("RATINGS x", NO_NUMBER),
    ("RATINGS -1", NO_NUMBER),
    ("RATINGS 1.5", NO_NUMBER),
    ("RATINGS ²", NO_NUMBER),
    ("RATINGS ٣", NO_NUMBER),
    ("RATE x {}", NO_NUMBER),
    ("RATE 0 {", NO_STARS),
    ("RATE 0 []", NO_STARS),
    ('RATE 0 {"Reviewer1": "five"}', NO_STARS),
    ('RATE 0 {"Reviewer1": 1.5}', NO_STARS),
    ('RATE 0 {"Reviewer1": true}', NO_STARS),
    ('RATE 0 {"Reviewer1": null}', NO_STARS),
    ('RATE 0 {"\\ud800": 1}', NO_STARS),
    ("RATE 0 " + "[" * 4000, NO_STARS),
    ("", {"error": USAGE}),
    ("RATINGS", {"error": USAGE}),
    ("RATINGS 0 1", {"error": USAGE}),
    ("RATE 0", {"error": USAGE}),
    ("ratings 0", {"error": USAGE}),
    ("GET /ratings/0 HTTP/1.1", {"error": USAGE}),
    (b"\x16\x03\x01\x02\x00\xff\xfe", {"error": USAGE}),
    (b"RATINGS \xff", NO_NUMBER),
    (b"RATINGS \x00", NO_NUMBER),
]


@pytest.mark.parametrize(("line", "answer"), PROTOCOL)
async def test_each_line_has_its_answer(store: str, line: str | bytes, answer: object) -> None:
    async with connected(store) as client:
        assert await client.ask(line) == answer
        assert await client.ask("RATINGS 3") == STARS, "the connection goes on"


async def test_what_is_given_stays_until_the_store_stops(store: str) -> None:
    async with connected(store) as giver:
        await giver.ask('RATE 3 {"Reviewer1": 1}')
        await giver.ask('RATE 3 {"Reviewer1": "none"}')
    async with connected(store) as reader:
        assert await reader.ask("RATINGS 3") == {"Reviewer1": 1}
        assert await reader.ask("RATINGS 03") == {"Reviewer1": 1}
        assert await reader.ask("RATINGS 4") == STARS


def test_two_stores_know_nothing_of_one_another() -> None:
    one, other = Store(), Store()
    one.answer('RATE 0 {"Reviewer1": 1}')
    assert other.answer("RATINGS 0") == STARS


async def test_requests_may_come_all_at_once_and_the_last_without_its_end(store: str) -> None:
    async with connected(store) as client:
        client.writer.write(b'RATE 1 {"a": 1}\nRATINGS 1\nRATINGS x\nRATINGS 2')
        client.writer.write_eof()
        lines = (await client.reader.read()).splitlines()
    assert [json.loads(line) for line in lines] == [{"a": 1}, {"a": 1}, NO_NUMBER, STARS]


async def test_requests_may_come_byte_by_byte(store: str) -> None:
    async with connected(store) as client:
        client.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"RATINGS 0\n":
            client.writer.write(bytes([byte]))
            await client.writer.drain()
        assert json.loads(await client.reader.readline()) == STARS


async def test_many_connections_at_once_do_not_wait_for_one_another(store: str) -> None:
    async with connected(store), connected(store) as silent:
        silent.writer.write(b"RATI")

        async def rate(product: int) -> object:
            async with connected(store) as client:
                await client.ask(f'RATE {product} {{"Reviewer1": {product}}}')
                return await client.ask(f"RATINGS {product}")

        answers = await asyncio.gather(*(rate(product) for product in range(30)))
    assert answers == [{"Reviewer1": product} for product in range(30)]


@pytest.mark.parametrize(
    ("size", "answer"), [(LONGEST_LINE, STARS), (LONGEST_LINE + 1, TOO_LONG), (LONGEST_LINE * 300, TOO_LONG)]
)
async def test_a_line_has_a_longest_length(store: str, size: int, answer: object) -> None:
    async with connected(store) as client:
        assert await client.ask("RATINGS 0".ljust(size)) == answer


async def test_after_a_line_that_is_too_long_the_connection_ends_and_others_go_on(store: str) -> None:
    async with connected(store) as other:
        async with connected(store) as client:
            assert await client.ask(b"x" * LONGEST_LINE * 2) == TOO_LONG
            client.writer.write(b"RATINGS 0\n")
            assert await client.reader.read() == b""
        assert await other.ask("RATINGS 0") == STARS


async def test_a_line_without_an_end_is_not_read_for_ever(store: str) -> None:
    async with connected(store) as client:

        async def pour() -> None:
            while True:
                client.writer.write(b"x" * 1024)
                await client.writer.drain()
                await asyncio.sleep(0)

        with pytest.raises(ConnectionError):
            await asyncio.wait_for(pour(), PARTING_SECONDS + 5)
        client.writer.transport.abort()


async def test_a_client_that_resets_its_connection_harms_nobody(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with connected(store) as client:
        await client.ask("RATINGS 0")
        linger = bytes([1, 0, 0, 0, 0, 0, 0, 0])  # on, for no time: the close is a reset
        client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        client.writer.write(b"RATINGS 0\n" * 100)
        client.writer.transport.abort()
    async with connected(store) as client:
        assert await client.ask("RATINGS 0") == STARS
    assert "Traceback" not in capsys.readouterr().err


async def test_each_request_is_one_line_of_log(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with connected(store) as client:
        await client.ask("RATINGS 0")
        await client.ask("RATINGS " + "x" * 200)
        await client.ask(b"x" * LONGEST_LINE * 2)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line.pop("error") for line in lines] == ["", NO_NUMBER["error"], TOO_LONG["error"]]
    assert [line.pop("request") for line in lines] == ["RATINGS 0", "RATINGS " + "x" * 72, ""]
    assert lines == [{"service": "store", "version": "v1", "peer": "127.0.0.1"}] * 3


async def started() -> tuple[StoreServer, str]:
    server = StoreServer(Store(), "v2")
    return server, f"127.0.0.1:{await server.start('127.0.0.1', 0)}"


async def test_a_stop_closes_what_is_open_and_the_address_is_free_at_once() -> None:
    server, address = await started()
    async with connected(address) as idle, connected(address) as midway:
        assert await idle.ask("RATINGS 0") == STARS
        midway.writer.write(b"RATINGS")
        await asyncio.wait_for(server.stop(), PARTING_SECONDS / 2)
        assert await idle.reader.read() == b""
        assert await midway.reader.read() == b""
        await server.stop()  # a second time does nothing
    again = StoreServer(Store())
    await again.start("127.0.0.1", int(address.partition(":")[2]))
    await again.stop()


async def test_a_stop_sends_what_is_answered() -> None:
    server, address = await started()
    async with connected(address) as client:
        client.writer.write(b"RATINGS 0\n" * 1000)
        assert json.loads(await client.reader.readline()) == STARS
        await server.stop()
        rest = (await client.reader.read()).splitlines()
    assert all(json.loads(line) == STARS for line in rest), "no answer is cut in the middle"


async def test_a_stop_does_not_wait_for_a_client_that_reads_nothing() -> None:
    server, address = await started()
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port))) as deaf:
        deaf.setblocking(False)
        await fill(deaf)
        await asyncio.wait_for(server.stop(), PARTING_SECONDS + 5)


async def fill(deaf: socket.socket) -> None:
    """Ask, and read nothing, until the store has no room for answers and takes no more questions."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(0.5) as patience:
            while True:
                await loop.sock_sendall(deaf, b"RATINGS 0\n" * 500)
                patience.reschedule(loop.time() + 0.5)
    except TimeoutError:
        return


@pytest.mark.parametrize("turns", [0, 2, 3, 4])  # after 1 asyncio itself loses it: python/cpython#109564
async def test_a_connection_of_the_last_moment_is_closed(turns: int) -> None:
    """After so many turns of the loop it is in the kernel's queue, or accepted, or about to be served."""
    server, address = await started()
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port))) as late:
        for _ in range(turns):
            await asyncio.sleep(0)
        await asyncio.wait_for(server.stop(), PARTING_SECONDS / 2)
        late.setblocking(False)
        with suppress(ConnectionResetError):
            assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(late, 1), PARTING_SECONDS) == b""


async def test_an_address_that_is_taken_is_told() -> None:
    server, address = await started()
    with pytest.raises(OSError, match="in use"):
        await StoreServer(Store()).start("127.0.0.1", int(address.partition(":")[2]))
    await server.stop()


async def test_a_store_that_never_started_can_be_stopped() -> None:
    await StoreServer(Store()).stop()


@pytest.mark.parametrize("text", [b"\xff", "NaN", '{"a": NaN}', '{"a": ' + "9" * 5000 + "}", '"text"', "null"])
def test_stars_are_numbers_by_name(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        read_stars(text)
