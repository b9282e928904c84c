"""gRPC ports: TLS required, optional, none; who calls; batches; what a hostile peer can do; the end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flotilla_shared.runtime.batches import Call
from flotilla_shared.runtime.front import FrontChoice
from flotilla_shared.runtime.http import BindError
from flotilla_shared.runtime.peers import Peer, caller_identity, peer_of
from flotilla_shared.runtime.serving import ClientCertificate, GrpcServer
from flotilla_shared.runtime.tls import memory_file, open_channel
from flotilla_shared.testing.certificates import CertificateAuthorityForTests, StaticIdentity
from flotilla_shared.testing.native import needs_native

NAME = "server.test.svc"
SERVER, CLIENT = "spiffe://td/ns/a/sa/server", "spiffe://td/ns/a/sa/client"
ECHO, STREAM = "/test.Test/Echo", "/test.Test/Stream"


class Service(grpc.GenericRpcHandler):
    """A stream that first tells who calls, then echoes."""

    def __init__(self) -> None:
        self.open = 0

    def service(self, handler_call_details: Any) -> Any:
        if handler_call_details.method == STREAM:
            return grpc.stream_stream_rpc_method_handler(self._stream)
        return None

    async def _stream(self, _: Any, context: Any) -> None:
        self.open += 1
        try:
            await context.write((caller_identity(context) or "nobody").encode())
            while (message := await context.read()) is not grpc.aio.EOF:
                await context.write(message)
        finally:
            self.open -= 1


class Port:
    """A server and the batches that it was given."""

    front: ClassVar[FrontChoice] = "auto"

    def __init__(self, authority: CertificateAuthorityForTests, mode: ClientCertificate | None, **more: Any) -> None:
        self.authority = authority
        self.identity: StaticIdentity = authority.identity(SERVER, NAME)
        self.batches: list[list[Call]] = []
        self.service = Service()
        self.hold = False
        self.server = GrpcServer(
            "" if "uds" in more else "127.0.0.1",
            0,
            identity=self.identity if mode else None,
            client_certificate=mode,
            generic_handlers=(self.service,),
            batch={ECHO: self.serve},
            grace_seconds=0.2,
            front=self.front,
            **more,
        )

    def serve(self, calls: Sequence[Call]) -> None:
        self.batches.append(list(calls))
        for call in calls:
            if call.message == b"raise":
                raise RuntimeError("a bug in the function")
            if call.message == b"fail":
                call.fail(grpc.StatusCode.FAILED_PRECONDITION, "as you wish")
            elif not self.hold:
                call.answer(call.message)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.bound_port}"

    def channel(self, identity: str | None = CLIENT) -> grpc.aio.Channel:
        if identity is None:
            credentials = grpc.ssl_channel_credentials(self.authority.root_pem.encode())
            options = (("grpc.ssl_target_name_override", NAME), ("grpc.use_local_subchannel_pool", 1))
            return grpc.aio.secure_channel(self.address, credentials, options)
        return open_channel(self.address, NAME, self.authority.certificate(identity))


async def echo(channel: grpc.aio.Channel, message: bytes = b"hello", **more: Any) -> bytes:
    answer: bytes = await channel.unary_unary(ECHO)(message, timeout=20, **more)
    return answer


async def who(channel: grpc.aio.Channel) -> str:
    """Whom the server takes the caller for."""
    call = channel.stream_stream(STREAM)()
    found = (await call.read()).decode()
    call.cancel()
    return str(found)


@pytest.fixture(params=["grpc", "native"], autouse=True)
def front(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FrontChoice:
    """Every test is of both fronts: what serves a port changes nothing that its callers see."""
    if request.param == "native":
        needs_native()
    monkeypatch.setattr(Port, "front", request.param)
    return cast("FrontChoice", request.param)


@pytest.fixture(params=["required", "optional"])
async def port(
    front: FrontChoice, request: pytest.FixtureRequest, authority: CertificateAuthorityForTests
) -> AsyncIterator[Port]:
    port = Port(authority, request.param)
    await port.server.start()
    yield port
    await port.server.stop()


@pytest.fixture
async def optional(front: FrontChoice, authority: CertificateAuthorityForTests) -> AsyncIterator[Port]:
    port = Port(authority, "optional")
    await port.server.start()
    yield port
    await port.server.stop()


async def test_a_caller_with_a_certificate_is_known(port: Port) -> None:
    async with port.channel() as channel:
        assert await echo(channel) == b"hello"
        assert await who(channel) == CLIENT
    peer = port.batches[0][0].peer
    assert (peer.identity, peer.ip) == (CLIENT, "127.0.0.1")
    assert peer.certificate_der is not None


async def test_a_caller_without_certificate_where_one_is_optional(optional: Port) -> None:
    async with optional.channel(None) as channel:
        assert await who(channel) == "nobody"
        await echo(channel, metadata=(("authorization", "Bearer x"),))
    call = optional.batches[0][0]
    assert (call.peer.identity, call.peer.certificate_der, call.peer.ip) == (None, None, "127.0.0.1")
    assert ("authorization", "Bearer x") in call.metadata
    assert call.deadline is not None


async def test_a_caller_without_certificate_where_one_is_required(authority: CertificateAuthorityForTests) -> None:
    port = Port(authority, "required")
    await port.server.start()
    async with port.channel(None) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await echo(channel)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    await port.server.stop()


async def test_a_certificate_of_another_root_is_refused(port: Port) -> None:
    foreign = CertificateAuthorityForTests("elsewhere").certificate(CLIENT)
    credentials = grpc.ssl_channel_credentials(port.authority.root_pem.encode(), foreign.key_pem, foreign.chain_pem)
    options = (("grpc.ssl_target_name_override", NAME),)
    async with grpc.aio.secure_channel(port.address, credentials, options) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await echo(channel)
    assert port.batches == []


async def test_callers_are_told_apart(port: Port) -> None:
    names = [f"spiffe://td/ns/a/sa/c{number}" for number in range(12)]
    channels = [port.channel(name) for name in names]
    assert await asyncio.gather(*(who(channel) for channel in channels)) == names
    for channel in channels:
        await channel.close()


async def test_a_renewed_certificate_is_seen_by_new_connections_only(port: Port) -> None:
    async with port.channel() as old:
        await echo(old)
        before = await presented(port)
        renewed = port.authority.certificate(SERVER, [NAME])
        port.identity.replace(renewed)
        after = await presented(port)
        assert (after == before, int(after, 16)) == (False, renewed.serial)
        assert await echo(old) == b"hello"
        async with port.channel() as fresh:
            assert await echo(fresh) == b"hello"


async def presented(port: Port, version: ssl.TLSVersion | None = None, *, named: bool = True) -> str:
    """The serial of the certificate that a new connection is shown."""
    client = port.authority.certificate(CLIENT)
    context = ssl.create_default_context(cadata=port.authority.root_pem)
    context.check_hostname = named
    context.set_alpn_protocols(["h2"])
    if version is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.maximum_version = version
    with memory_file(client.chain_pem) as chain, memory_file(client.key_pem) as key:
        context.load_cert_chain(chain, key)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port.server.bound_port, ssl=context, server_hostname=NAME if named else None or ""
    )
    secured = writer.get_extra_info("ssl_object")
    serial = str(secured.getpeercert()["serialNumber"])
    assert secured.selected_alpn_protocol() == "h2"
    writer.transport.abort()  # the server's first frames are of no interest here
    with contextlib.suppress(OSError):
        await reader.read()
    return serial


async def test_tls_1_2_is_spoken_and_nothing_older(port: Port) -> None:
    assert await presented(port, ssl.TLSVersion.TLSv1_2)
    with pytest.raises((ssl.SSLError, OSError, ValueError)):
        await presented(port, ssl.TLSVersion.TLSv1_1)


@pytest.mark.parametrize(
    "garbage", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01" + b"\xff" * 600, bytes(range(256)) * 40]
)
async def test_garbage_harms_nobody(port: Port, garbage: bytes) -> None:
    for _ in range(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", port.server.bound_port)
        writer.write(garbage)
        if garbage:
            await asyncio.wait_for(_until_closed(reader), 20)
        writer.close()
    async with port.channel() as channel:
        assert await echo(channel) == b"hello"


async def _until_closed(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(1024):
            pass
    except ConnectionError:
        return


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
frames = st.builds(
    lambda length, kind, flags, stream, body: (
        length.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body
    ),
    st.integers(0, 40) | st.integers(0, 2**24 - 1),
    st.integers(0, 12),
    st.integers(0, 255),
    st.integers(0, 9) | st.integers(0, 2**32 - 1),
    st.binary(max_size=40),
)


hostile = st.binary(max_size=300) | st.lists(frames, max_size=6).map(lambda parts: PREFACE + b"".join(parts))


def collected(count: int) -> list[bytes]:
    found: list[bytes] = []

    @settings(max_examples=count)
    @given(hostile)
    def collect(sent: bytes) -> None:
        found.append(sent)

    collect()
    return found


async def test_any_bytes_of_a_stranger_inside_tls_harm_nobody(authority: CertificateAuthorityForTests) -> None:
    """Where a certificate is optional a stranger reaches HTTP/2: with any bytes, and with frames of any kind."""
    port = Port(authority, "optional")
    await port.server.start()
    context = ssl.create_default_context(cadata=authority.root_pem)
    context.set_alpn_protocols(["h2"])
    for sent in collected(60):
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port.server.bound_port, ssl=context, server_hostname=NAME
        )
        with contextlib.suppress(ConnectionError, ssl.SSLError):  # an answer may come after the client's last word
            writer.write(sent)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
    async with port.channel() as channel:
        assert await echo(channel) == b"hello"
    assert port.batches == [port.batches[0]], "nobody else's call reached the service"
    await port.server.stop()


async def test_half_open_handshakes_keep_nobody_out(port: Port) -> None:
    idle = [await asyncio.open_connection("127.0.0.1", port.server.bound_port) for _ in range(20)]
    async with port.channel() as channel:
        assert await echo(channel) == b"hello"
    for _, writer in idle:
        writer.close()
        await writer.wait_closed()


async def test_large_messages_pass(port: Port) -> None:
    async with port.channel() as channel:
        message = b"x" * 3_000_000
        assert await echo(channel, message) == message
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await echo(channel, b"x" * 5_000_000)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_stopping_ends_open_streams_and_leaves_nothing(authority: CertificateAuthorityForTests) -> None:
    for mode in ("required", "optional"):
        port = Port(authority, mode)
        await port.server.start()
        channel = port.channel()
        call = channel.stream_stream(STREAM)()
        assert (await call.read()).decode() == CLIENT
        await port.server.stop()
        assert port.service.open == 0
        with pytest.raises(grpc.aio.AioRpcError):
            await call.read()
        await channel.close()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))


async def test_the_folder_of_sockets_is_private_and_goes(optional: Port, front: FrontChoice) -> None:
    relay = optional.server._relay
    folder = relay.folder if relay is not None else optional.server._folder
    assert (folder is not None, relay is None) == (True, front == "native")
    assert folder is not None
    assert oct(folder.stat().st_mode & 0o777) == "0o700"
    await optional.server.stop()
    assert not folder.exists()


async def test_an_address_that_is_taken_is_told(port: Port, authority: CertificateAuthorityForTests) -> None:
    for mode in ("required", "optional"):
        second = GrpcServer(
            "127.0.0.1",
            port.server.bound_port,
            identity=authority.identity(SERVER, NAME),
            client_certificate=mode,
            batch={ECHO: port.serve},
            front=port.front,
        )
        with pytest.raises(BindError, match=str(port.server.bound_port)):
            await second.start()
        await second.stop()


async def test_a_unix_socket_is_its_owners_alone(authority: CertificateAuthorityForTests, tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    port = Port(authority, None, uds=path)
    await port.server.start()
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
        assert await echo(channel) == b"hello"
        assert await who(channel) == "nobody"
    await port.server.stop()
    assert not path.exists()


def test_a_port_with_tls_needs_an_identity() -> None:
    with pytest.raises(ValueError, match="needs an identity"):
        GrpcServer("127.0.0.1", 0, client_certificate="required")


# batches


async def test_calls_of_one_turn_are_one_batch_and_all_are_answered(optional: Port) -> None:
    async with optional.channel() as channel:
        messages = [str(number).encode() for number in range(200)]
        assert await asyncio.gather(*(echo(channel, message) for message in messages)) == messages
    assert sum(len(batch) for batch in optional.batches) == 200


async def test_a_call_may_be_answered_later(optional: Port) -> None:
    optional.hold = True
    async with optional.channel() as channel:
        waiting = asyncio.create_task(echo(channel, b"later"))
        while not optional.batches:
            await asyncio.sleep(0)
        call = optional.batches[0][0]
        assert not call.done
        call.answer(b"now")
        call.answer(b"twice")
        call.fail(grpc.StatusCode.ABORTED, "too late")
        assert await waiting == b"now"


async def test_failures_reach_the_caller_with_code_and_text(optional: Port) -> None:
    async with optional.channel() as channel:
        for message, code, words in (
            (b"fail", grpc.StatusCode.FAILED_PRECONDITION, "as you wish"),
            (b"raise", grpc.StatusCode.INTERNAL, "internal error"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await echo(channel, message)
            assert (failed.value.code(), failed.value.details()) == (code, words)
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await channel.unary_unary("/test.Test/Nothing")(b"")
        assert unknown.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_caller_that_gives_up_is_noticed(optional: Port) -> None:
    optional.hold = True
    async with optional.channel() as channel:
        call = channel.unary_unary(ECHO)(b"x")
        while not optional.batches:
            await asyncio.sleep(0.001)
        call.cancel()
        while not optional.batches[0][0].done:
            await asyncio.sleep(0.001)


def test_peers() -> None:
    assert Peer("[::1]:80").ip == "::1"
    assert Peer("1.2.3.4:80").ip == "1.2.3.4"

    class Nothing:
        def peer(self) -> str:
            return "unix:/no/such/path"

    assert peer_of(Nothing()) == Peer("")
