"""The native front: what waits and what is refused, who gives up, what is counted, the end. What it has in common with
grpc.aio is tested in test_shared_runtime_serving.py.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import grpc
import pytest

from flotilla_shared.runtime import front as fronts
from flotilla_shared.runtime.batches import Call
from flotilla_shared.runtime.front import MOST_TAKEN, FrontMissing, Refusals, use_front
from flotilla_shared.runtime.serving import GrpcServer
from flotilla_shared.runtime.tallies import TallyBounds
from flotilla_shared.testing.certificates import CertificateAuthorityForTests, StaticIdentity
from flotilla_shared.testing.native import needs_native

ECHO, COUNT, STREAM = "/test.Test/Echo", "/test.Test/Count", "/test.Test/Stream"
ENTRY = b"\x0a\x01x"  # field 1, a text
SECONDS = 20


class Streams(grpc.GenericRpcHandler):
    """A stream that echoes."""

    def service(self, handler_call_details: Any) -> Any:
        if handler_call_details.method != STREAM:
            return None
        return grpc.stream_stream_rpc_method_handler(self._echo)

    async def _echo(self, _: Any, context: Any) -> None:
        while (message := await context.read()) is not grpc.aio.EOF:
            await context.write(message)


class Port:
    """A plaintext server with the native front, whose loop can be kept from hearing of calls."""

    def __init__(self, *, streams: bool = False, most_waiting: int = 100) -> None:
        self.batches: list[list[Call]] = []
        self.told: list[tuple[str, int, int]] = []
        self.longest: float | None = None
        self.hold = False
        self.server = GrpcServer(
            "127.0.0.1",
            generic_handlers=(Streams(),) if streams else (),
            batch={ECHO: self.serve, COUNT: self.serve},
            grace_seconds=0.3,
            front="native",
            refusals=Refusals(most_waiting, lambda: self.longest, lambda *told: self.told.append(told), {COUNT: 1}),
            bounds=TallyBounds((1e9,), (10.0, 100.0)),
        )

    def serve(self, calls: Sequence[Call]) -> None:
        self.batches.append(list(calls))
        for call in calls:
            if not self.hold:
                call.answer(call.message)

    @property
    def _native(self) -> Any:
        assert self.server._front is not None
        return self.server._front._front

    @property
    def calls(self) -> list[Call]:
        return [call for batch in self.batches for call in batch]

    def pause(self) -> None:
        asyncio.get_running_loop().remove_reader(self._native.fileno())

    def go_on(self) -> None:
        assert self.server._front is not None
        asyncio.get_running_loop().add_reader(self._native.fileno(), self.server._front._pump)

    async def waiting(self, number: int) -> None:
        await until(lambda: self._native.waiting == number)

    def channel(self, **more: Any) -> grpc.aio.Channel:
        options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))
        return grpc.aio.insecure_channel(f"127.0.0.1:{self.server.bound_port}", options, **more)


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not what():
            await asyncio.sleep(0.001)


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    needs_native()
    port = Port(most_waiting=3)
    await port.server.start()
    yield port
    await port.server.stop()


async def code_of(call: Any) -> grpc.StatusCode:
    return await call.code()  # type: ignore[no-any-return]


def test_it_is_used_where_it_is_installed_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fronts, "flotilla_native", object())
    assert [use_front("auto"), use_front("native"), use_front("grpc")] == [True, True, False]
    monkeypatch.setattr(fronts, "flotilla_native", None)
    assert [use_front("auto"), use_front("grpc")] == [False, False]
    with pytest.raises(FrontMissing, match="flotilla-mesh-native is not installed: install it"):
        GrpcServer(batch={ECHO: lambda calls: None}, front="native")


def test_a_call_has_all_that_a_call_has() -> None:
    needs_native()
    import flotilla_native

    assert {name for name in dir(Call) if not name.startswith("_")} <= set(dir(flotilla_native.Call))


async def test_what_finds_no_room_is_refused_at_once_and_told(port: Port) -> None:
    port.pause()
    async with port.channel() as channel:
        waiting = [channel.unary_unary(COUNT)(ENTRY * number) for number in (1, 2, 3)]
        await port.waiting(3)
        for entries in (4, 5):
            assert await code_of(channel.unary_unary(COUNT)(ENTRY * entries)) is grpc.StatusCode.UNAVAILABLE
        assert await code_of(channel.unary_unary(COUNT)(b"\xff")) is grpc.StatusCode.UNAVAILABLE
        another = channel.unary_unary(ECHO)(b"of another method")
        await port.waiting(4)
        port.go_on()
        assert sorted([await call for call in waiting], key=len) == [ENTRY, ENTRY * 2, ENTRY * 3]
        assert await another == b"of another method"
    assert port.told == [(COUNT, 3, 4 + 5 + 1)], "what is no message counts as one"


async def test_what_has_waited_too_long_is_refused(port: Port) -> None:
    port.longest = 0.0
    port.pause()
    async with port.channel() as channel:
        late = [channel.unary_unary(COUNT)(ENTRY) for _ in range(3)]
        await port.waiting(3)
        port.go_on()
        assert [await code_of(call) for call in late] == [grpc.StatusCode.UNAVAILABLE] * 3
        assert (port.calls, port.told) == ([], [(COUNT, 3, 3)])
        port.longest = 60.0
        assert await channel.unary_unary(COUNT)(ENTRY) == ENTRY


async def test_a_caller_whose_time_is_over_hears_so_and_is_given_up(port: Port) -> None:
    port.pause()
    port.hold = True
    async with port.channel() as channel:
        assert await code_of(channel.unary_unary(ECHO)(b"x", timeout=0.05)) is grpc.StatusCode.DEADLINE_EXCEEDED
        left = channel.unary_unary(ECHO)(b"y")
        await port.waiting(2)
        left.cancel()
        port.go_on()
        await until(lambda: len(port.calls) == 2 and all(call.given_up for call in port.calls))
    first, second = port.calls
    await until(lambda: second.done)
    assert first.deadline is not None
    assert (first.deadline < 0, second.deadline) == (True, None)
    assert first.waited is not None
    assert first.waited > 0
    first.answer(b"too late")
    second.expire()
    assert (first.failed, second.failed) == (True, True)


async def test_a_call_that_nobody_answers_does_not_wait_for_ever(port: Port) -> None:
    port.hold = True
    async with port.channel() as channel:
        call = channel.unary_unary(ECHO)(b"x")
        await until(lambda: bool(port.batches))
        port.batches.clear()  # as a function that loses a call would
        assert await code_of(call) is grpc.StatusCode.INTERNAL


async def test_a_turn_takes_so_many_and_no_more() -> None:
    needs_native()
    port = Port(most_waiting=1000)
    await port.server.start()
    port.pause()
    async with port.channel() as channel:
        calls = [channel.unary_unary(ECHO)(b"x") for _ in range(3 * MOST_TAKEN)]
        await port.waiting(len(calls))
        port.go_on()
        assert [await call for call in calls] == [b"x"] * len(calls)
    assert [len(batch) for batch in port.batches] == [MOST_TAKEN] * 3
    await port.server.stop()


async def test_messages_that_are_packed(port: Port) -> None:
    for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
        async with port.channel(compression=compression) as channel:
            assert await channel.unary_unary(ECHO)(b"x" * 100_000) == b"x" * 100_000


async def test_metadata(port: Port) -> None:
    async with port.channel() as channel:
        await channel.unary_unary(ECHO)(b"", metadata=(("a", "1"), ("a", "2"), ("b-bin", b"\x00\xff")), timeout=SECONDS)
    (call,) = port.calls
    names = [name for name, _ in call.metadata]
    assert [pair for pair in call.metadata if pair[0] in ("a", "b-bin")] == [
        ("a", "1"),
        ("a", "2"),
        ("b-bin", b"\x00\xff"),
    ]
    assert not {"te", "content-type", "grpc-timeout"} & set(names)
    assert (call.method, call.message, call.peer.ip, call.occurrences) == (ECHO, b"", "127.0.0.1", None)


async def test_what_has_become_of_calls_is_counted(port: Port) -> None:
    async with port.channel() as channel:
        for length in (10, 11, 1000):
            await channel.unary_unary(ECHO)(b"x" * length)
        port.hold = True
        lost = channel.unary_unary(ECHO)(b"")
        await until(lambda: len(port.calls) == 4)
        lost.cancel()
        await until(lambda: sum(port.server.tallies()[0].completed.values()) == 4)
    echo, count = port.server.tallies()
    assert (echo.method, echo.completed) == (ECHO, {"OK": 3, "CANCELLED": 1})
    assert echo.received == ([2, 1, 1], 1021.0)
    assert echo.sent == ([1, 1, 1], 1021.0), "of answers alone"
    assert sum(echo.milliseconds[0]) == 4
    assert count.completed == {}


async def test_what_is_no_call_is_refused_as_http_has_it(port: Port) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl: install it")
    url = f"http://127.0.0.1:{port.server.bound_port}{ECHO}"
    for given, status in (
        ([], b"405"),
        (["-d", "x"], b"415"),
        (["-d", "x", "-H", "content-type: application/grpc"], b"200"),
    ):
        command = [curl, "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10", "--http2-prior-knowledge"]
        process = await asyncio.create_subprocess_exec(*command, *given, url, stdout=asyncio.subprocess.PIPE)
        said, _ = await process.communicate()
        assert said == status, given
    assert port.calls == []


async def test_without_streams_nothing_is_behind_it(port: Port) -> None:
    async with port.channel() as channel:
        assert await code_of(channel.unary_unary(STREAM)(b"")) is grpc.StatusCode.UNIMPLEMENTED


async def test_a_stream_is_as_fast_as_its_reader() -> None:
    """Far more than the windows hold, either way, and the reader begins late."""
    needs_native()
    port = Port(streams=True)
    await port.server.start()
    messages = [bytes([number]) * 200_000 for number in range(60)]
    async with port.channel() as channel:
        call = channel.stream_stream(STREAM)()

        async def write() -> None:
            for message in messages:
                await call.write(message)
            await call.done_writing()

        writing = asyncio.create_task(write())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(writing), 0.3)
        assert [message async for message in call] == messages
        await writing
        assert await call.code() is grpc.StatusCode.OK
        assert await channel.unary_unary(ECHO)(b"beside it") == b"beside it"
    await port.server.stop()


async def test_a_caller_that_leaves_a_stream_ends_it_everywhere() -> None:
    needs_native()
    port = Port(streams=True)
    await port.server.start()
    async with port.channel() as channel:
        call = channel.stream_stream(STREAM)()
        await call.write(b"x")
        assert await call.read() == b"x"
        call.cancel()
        await until(lambda: not port.server._calls._tasks)
    await port.server.stop()


async def test_a_stop_waits_for_calls_under_way_and_takes_no_more(port: Port) -> None:
    port.hold = True
    async with port.channel() as channel, port.channel() as late:
        call = channel.unary_unary(ECHO)(b"x")
        await until(lambda: bool(port.calls))
        stopping = asyncio.create_task(port.server.stop())
        await asyncio.sleep(0)
        port.calls[0].answer(b"still")
        assert await call == b"still"
        await stopping
        assert await code_of(late.unary_unary(ECHO)(b"")) is grpc.StatusCode.UNAVAILABLE


async def test_a_stop_cuts_off_what_is_not_answered_in_time(port: Port) -> None:
    port.hold = True
    async with port.channel() as channel:
        call = channel.unary_unary(ECHO)(b"x")
        await until(lambda: bool(port.calls))
        await port.server.stop()
        assert await code_of(call) is not grpc.StatusCode.OK
        assert port.calls[0].done


async def test_an_identity_that_cannot_be_used(authority: CertificateAuthorityForTests) -> None:
    needs_native()
    found = authority.certificate("spiffe://td/ns/a/sa/b")
    identity = StaticIdentity(
        type(found)(b"no key", found.chain_pem, found.root_pem, "", found.not_before, found.not_after, 0)
    )
    server = GrpcServer(
        "127.0.0.1", identity=identity, client_certificate="required", batch={ECHO: lambda calls: None}, front="native"
    )
    with pytest.raises(ValueError, match="the key cannot be read"):
        await server.start()
    await server.stop()
