"""The otlp adapter's connections: TLS, certificates and headers that change, packing, collectors that are cut, slow or strange."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from flotilla_mixer.testing.otlp_handlers import Sending, calls, lines, spans, until
from flotilla_mixer.testing.otlp_server import OtlpServer, ServerTls
from flotilla_shared.testing.certificates import CertificateAuthorityForTests
from flotilla_shared.testing.ports import free_port

PROTOCOLS = pytest.mark.parametrize("protocol", ["grpc", "http"])


@asynccontextmanager
async def serving(protocol: str, tls: ServerTls | None = None) -> AsyncIterator[OtlpServer]:
    server = OtlpServer(protocol)
    await server.start(tls)
    try:
        yield server
    finally:
        await server.stop()
    assert server.receiver.wrong == []


# what is sent


@pytest.mark.parametrize("protocol", ["GRPC", "HTTP", "HTTP_JSON"])
@pytest.mark.parametrize("compression", ["GZIP", "NONE"])
async def test_every_way_is_read_alike(protocol: str, compression: str) -> None:
    async with serving(protocol.lower().partition("_")[0]) as server:
        async with Sending(server, protocol=protocol, compression=compression, batchDuration="0.01s") as sending:
            sending.report(lines(2_000), spans(3), calls(1))
            await sending.until("sent", {"": 2_004})
        assert len(server.receiver.placed("/v1/logs")) == 2_000
        (span, *_) = server.receiver.placed("/v1/traces")
        assert span[2].trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736"
        assert {pair.key: pair.value.string_value for pair in span[0].attributes} == {"service.name": "ratings"}


async def test_packed_it_is_shorter() -> None:
    """Over HTTP: gRPC unpacks before it says how long something was."""
    sizes = []
    for compression in ("GZIP", "NONE"):
        async with serving("http") as server, Sending(server, compression=compression) as sending:
            sending.report(lines(1_000))
            await sending.until("sent", {"": 1_000})
            sizes.append(server.receiver.requests[0].size)
    assert sizes[0] * 5 < sizes[1]


async def test_batches_are_by_number_and_by_bytes() -> None:
    async with serving("grpc") as server, Sending(server, batchEntries=100, batchDuration="60s") as sending:
        sending.report(lines(250))
        await sending.until("sent", {"": 200})
        await sending.close()
        assert [
            len(taken.message.resource_logs[0].scope_logs[0].log_records) for taken in server.receiver.requests
        ] == [
            100,
            100,
            50,
        ]
    async with serving("grpc") as server, Sending(server, batchEntries=10_000, batchDuration="60s") as sending:
        sending.report(lines(10_000))
        await sending.close()
        assert max(taken.size for taken in server.receiver.requests) < 700_000
        assert sending.counted("sent") == {"": 10_000}


# headers


@PROTOCOLS
async def test_headers_are_read_again_when_they_change_and_never_shown(
    protocol: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    token = tmp_path / "token"
    token.write_text("first-secret\n")
    headers = {"authorization": {"file": str(token), "prefix": "Bearer "}}
    async with serving(protocol) as server:
        async with Sending(server, headers={"x-tenant": "mesh"}, headerFiles=headers) as sending:
            sending.report(lines(1))
            await sending.until("sent", {"": 1})
            token.write_text("a-longer-second-secret")
            sending.report(lines(1))
            await sending.until("sent", {"": 2})
            token.write_text("two\nlines-secret-of-more-than-one-line")
            sending.report(lines(1))
            await until(lambda: sending.counted("backend_errors") != {})
            token.write_text("third-secret")
            await sending.until("sent", {"": 3})
        found = [taken.headers for taken in server.receiver.requests]
    assert [each["authorization"] for each in found] == [
        "Bearer first-secret",
        "Bearer a-longer-second-secret",
        "Bearer third-secret",
    ]
    assert {each["x-tenant"] for each in found} == {"mesh"}
    assert sending.counted("backend_errors").keys() == {"settings"}
    said = "".join(capfd.readouterr())
    assert "-secret" not in said
    assert str(token) in said


@PROTOCOLS
async def test_without_the_file_of_a_header_nothing_is_sent_and_nothing_lost(protocol: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    async with serving(protocol) as server, Sending(server, headerFiles={"key": {"file": str(token)}}) as sending:
        sending.report(lines(1))
        await until(lambda: sending.counted("retries").get("settings", 0) > 0)
        assert server.receiver.asked == 0
        token.write_text("there")
        await sending.until("sent", {"": 1})


# TLS


class Files:
    """Certificates in files."""

    def __init__(self, folder: Path, authority: CertificateAuthorityForTests) -> None:
        self._folder = folder
        self.authority = authority
        self.ca = str(folder / "ca.crt")
        self.write_ca(authority)

    def write_ca(self, authority: CertificateAuthorityForTests) -> None:
        Path(self.ca).write_text(authority.root_pem)

    def pair(self, name: str, dns: str, authority: CertificateAuthorityForTests | None = None) -> tuple[str, str]:
        made = (authority or self.authority).certificate(f"spiffe://cluster.local/ns/default/sa/{name}", (dns,))
        chain, key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        chain.write_bytes(made.chain_pem)
        key.write_bytes(made.key_pem)
        return str(chain), str(key)


@pytest.fixture
def files(tmp_path: Path, authority: CertificateAuthorityForTests) -> Files:
    return Files(tmp_path, authority)


def secured(server: OtlpServer, protocol: str, **tls: str) -> dict[str, Any]:
    return {
        "endpoint": f"127.0.0.1:{server.port}" if protocol == "grpc" else f"https://127.0.0.1:{server.port}",
        "plaintext": False,
        "tls": tls,
    }


@PROTOCOLS
async def test_tls_on_both_sides(protocol: str, files: Files) -> None:
    chain, key = files.pair("collector", "collector.example")
    own = dict(zip(("certificateFile", "keyFile"), files.pair("mixer", "mixer.example"), strict=True))
    whole = {"caFile": files.ca, "serverName": "collector.example", **own}
    ways: dict[str, tuple[dict[str, str], bool]] = {
        "as it should be": (whole, True),
        "another name": ({**whole, "serverName": "other.example"}, False),
        "no certificate": ({"caFile": files.ca, "serverName": "collector.example"}, False),
        "an authority that is not known": ({**whole, "caFile": ""}, False),
        "no such file": ({**whole, "caFile": "/no/such/file"}, False),
    }
    async with serving(protocol, ServerTls(chain, key, files.ca)) as server:
        for way, (tls, works) in ways.items():
            async with Sending(server, **secured(server, protocol, **tls)) as sending:
                sending.report(lines(1))
                if works:
                    await sending.until("sent", {"": 1})
                else:
                    await until(lambda found=sending: found.counted("retries") != {})  # type: ignore[misc]
                    causes = sending.counted("backend_errors").keys()
                    assert causes == {"settings" if "file" in way else "unreachable"}, way
                    await sending.close(0)
                    assert sending.counted("dropped") == {"closing": 1}, way


@PROTOCOLS
async def test_a_collector_without_tls_is_not_spoken_to_in_plaintext(protocol: str) -> None:
    async with serving(protocol) as server:
        sending = Sending(server, **secured(server, protocol))
        sending.report(lines(1))
        await until(lambda: sending.counted("retries") != {})
        await sending.close(0)
        assert server.receiver.asked == 0


@PROTOCOLS
async def test_certificates_are_read_again_when_they_change(protocol: str, files: Files) -> None:
    """The collector gets a certificate of another authority; Mixer follows when its files do."""
    chain, key = files.pair("collector", "collector.example")
    server = OtlpServer(protocol)
    await server.start(ServerTls(chain, key))
    tls = {"caFile": files.ca, "serverName": "collector.example"}
    async with Sending(server, **secured(server, protocol, **tls)) as sending:
        sending.report(lines(1), spans(1))
        await sending.until("sent", {"": 2})
        other = CertificateAuthorityForTests("another")
        await server.stop()
        await server.start(ServerTls(*files.pair("renewed", "collector.example", other)))
        sending.report(lines(1))
        await until(lambda: sending.counted("retries") != {})
        files.write_ca(other)
        await sending.until("sent", {"": 3})
    await server.stop()
    assert server.receiver.wrong == []


# collectors that are not well


@PROTOCOLS
async def test_nobody_there_and_then_somebody(protocol: str) -> None:
    server = OtlpServer(protocol)
    async with Sending(server) as sending:
        sending.report(lines(3), calls(1))
        await until(lambda: sending.counted("retries").get("unreachable", 0) >= 2)
        await server.start()
        await sending.until("sent", {"": 4})
    await server.stop()


@PROTOCOLS
async def test_a_slow_one_is_waited_for_as_long_as_the_timeout(protocol: str) -> None:
    async with serving(protocol) as server:
        server.receiver.open.clear()
        async with Sending(server, timeout="0.1s") as sending:
            sending.report(lines(3))
            await until(lambda: sending.counted("retries").get("timeout", 0) >= 2)
            assert sending.counted("waiting") == {"": 3}
            await sending.close(0.01)
            assert sending.counted("dropped") == {"closing": 3}


async def _hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def _strange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(b"220 mail.example ESMTP\r\n" * 1000)
    writer.close()


async def _endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A yes whose body never ends."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ntransfer-encoding: chunked\r\n\r\n")
    try:
        while True:
            writer.write(b"10000\r\n" + b"\n" * 0x10000 + b"\r\n")
            await writer.drain()
    except OSError:
        writer.transport.abort()


@PROTOCOLS
@pytest.mark.parametrize("behaviour", [_hang_up, _strange])
async def test_who_hangs_up_or_speaks_something_else_is_tried_again(
    protocol: str, behaviour: Callable[..., Any]
) -> None:
    listening = await asyncio.start_server(behaviour, "127.0.0.1", 0)
    server = OtlpServer(protocol)
    server.port = listening.sockets[0].getsockname()[1]
    sending = Sending(server)
    sending.report(lines(3))
    await until(lambda: sending.counted("retries").get("unreachable", 0) >= 1)
    await sending.close(0)
    listening.close()
    await listening.wait_closed()
    assert sending.counted("dropped") == {"closing": 3}


async def test_an_answer_that_does_not_end_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    listening = await asyncio.start_server(_endless, "127.0.0.1", 0)
    server = OtlpServer("http")
    server.port = listening.sockets[0].getsockname()[1]
    async with Sending(server) as sending:
        sending.report(lines(3))
        await sending.until("sent", {"": 3})
    listening.close()
    await listening.wait_closed()
    assert "the collector's answer cannot be read" in capsys.readouterr().out


@PROTOCOLS
async def test_a_handler_that_ends_sends_what_waits_first(protocol: str) -> None:
    async with serving(protocol) as server:
        sending = Sending(server, batchDuration="60s", metricsInterval="60s")
        sending.report(lines(3), spans(2), calls(1))
        assert sending.counted("waiting") == {"": 6}
        await sending.close()
        assert (sending.counted("sent"), server.received()) == ({"": 6}, 6)
        sending.report(lines(3), spans(2), calls(1))
        assert sending.counted("dropped") == {"closed": 6}
        await sending.close()


async def test_an_address_that_leads_nowhere_is_an_error_and_no_crash() -> None:
    server = OtlpServer("grpc")
    sending = Sending(server, endpoint=f"no.such.invalid:{free_port()}")
    sending.report(lines(1))
    await until(lambda: sending.counted("retries") != {})
    await sending.close(0)
    assert sending.counted("dropped") == {"closing": 1}
