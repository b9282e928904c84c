"""Mixer's adapter otlp beside the OpenTelemetry collector's own receiver: what it understands, with TLS, and through outages."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from flotilla_mixer.adapters.otlp.requests import LOGS
from flotilla_mixer.kit.sending import SendError
from flotilla_mixer.testing.otlp_handlers import SPAN, TRACE, Sending, calls, lines, spans, until
from flotilla_mixer.testing.otlp_server import OtlpServer
from flotilla_shared.testing.certificates import CertificateAuthorityForTests
from flotilla_shared.testing.ports import free_port
from tests.interop.build import otlp_receiver
from tests.kube.cluster.errors import NotPossible

pytestmark = [pytest.mark.interop, pytest.mark.timeout(1500)]
LONGEST_LINE = 64 * 1024 * 1024
RETURN_SECONDS = 10.0
OUTAGE_SECONDS, TURN_SECONDS = 10.0, 0.02


@pytest.fixture(scope="session")
def program() -> Path:
    try:
        return otlp_receiver()
    except NotPossible as error:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(error))


class Collector:
    """One process at a time, always on the same ports. What it took before it was stopped stays taken."""

    def __init__(self, program: Path, tls: dict[str, str] | None = None) -> None:
        self.grpc_port, self.http_port = free_port(), free_port()
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self._program = program
        self._tls = {} if tls is None else {"tls": tls}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when it takes connections."""
        ports = {"grpc": self.grpc_port, "http": self.http_port}
        protocols = {name: {"endpoint": f"127.0.0.1:{port}", **self._tls} for name, port in ports.items()}
        self._process = await asyncio.create_subprocess_exec(
            str(self._program),
            json.dumps({"protocols": protocols}),
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
        )
        ready = asyncio.Event()
        self._reading = asyncio.create_task(self._read(self._process, ready))
        async with asyncio.timeout(60):
            await ready.wait()

    async def _read(self, process: asyncio.subprocess.Process, ready: asyncio.Event) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            if line == b"ready\n":
                ready.set()
            else:
                name, _, content = line.partition(b" ")
                self.requests.append((name.decode(), json.loads(content)))

    async def stop(self) -> None:
        """It answers what it has taken, and says all of it before it ends. Safe when it does not run."""
        process, self._process = self._process, None
        if process is not None and self._reading is not None:
            process.send_signal(signal.SIGTERM)
            await process.wait()
            await self._reading

    def params(self, protocol: str, **changes: Any) -> dict[str, Any]:
        plain = "tls" not in changes
        port = self.grpc_port if protocol == "GRPC" else self.http_port
        url = "" if protocol == "GRPC" else "http://" if plain else "https://"
        return {"protocol": protocol, "endpoint": f"{url}127.0.0.1:{port}", "plaintext": plain, **changes}

    def entries(self, name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Resource attributes and entry, of metrics, logs or traces."""
        inner = {"metrics": "metrics", "logs": "logRecords", "traces": "spans"}[name]
        for found, request in self.requests:
            if found == name:
                (resources,) = request.values()
                for resource in resources:
                    (scopes,) = (value for key, value in resource.items() if key.startswith("scope"))
                    for scope in scopes:
                        assert scope["scope"]["name"] == "flotilla.mixer"
                        yield from ((attributes(resource["resource"]), entry) for entry in scope[inner])


def attributes(holder: dict[str, Any]) -> dict[str, Any]:
    return {pair["key"]: next(iter(pair["value"].values())) for pair in holder["attributes"]}


@asynccontextmanager
async def collecting(program: Path, tls: dict[str, str] | None = None) -> AsyncIterator[Collector]:
    found = Collector(program, tls)
    await found.start()
    try:
        yield found
    finally:
        await found.stop()


def sending(collector: Collector, protocol: str = "GRPC", **changes: Any) -> Sending:
    return Sending(OtlpServer(), **(collector.params(protocol) | changes))


@pytest.mark.parametrize("protocol", ["GRPC", "HTTP", "HTTP_JSON"])
@pytest.mark.parametrize("compression", ["GZIP", "NONE"])
async def test_the_collector_understands_everything(program: Path, protocol: str, compression: str) -> None:
    async with collecting(program) as collector:
        async with sending(collector, protocol, compression=compression, resource={"zone": "a"}) as sender:
            sender.report(calls(1, 2), calls(5, code=404), lines(3), spans(2, code=500))
            await sender.until("sent", {"": 8})
        await collector.stop()
        records = list(collector.entries("logs"))
        assert len(records) == 3
        resource, record = records[0]
        assert resource["zone"] == "a"
        assert (record["severityNumber"], record["severityText"], attributes(record)) == (9, "info", {"code": "200"})
        found = list(collector.entries("traces"))
        assert len(found) == 2
        resource, span = found[0]
        assert resource == {"service.name": "ratings", "zone": "a"}
        assert (span["traceId"], span["spanId"], span["kind"], span["status"]) == (TRACE, SPAN, 2, {"code": 2})
        *_, (resource, metric) = collector.entries("metrics")
        assert (metric["name"], metric["sum"]["isMonotonic"], metric["sum"]["aggregationTemporality"]) == (
            "calls",
            True,
            2,
        )
        assert {attributes(point)["code"]: point["asInt"] for point in metric["sum"]["dataPoints"]} == {
            "200": "3",
            "404": "5",
        }


async def test_a_request_that_is_too_large_is_refused_and_told(
    program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """RESOURCE_EXHAUSTED without RetryInfo is not tried again. The adapter's own requests never come near the 4 MiB."""
    async with collecting(program) as collector, sending(collector, batchEntries=10_000, batchDuration="60s") as sender:
        sender.report(lines(10_000))
        await sender.close()
        assert sender.counted("sent") == {"": 10_000}
        link = sender.handler._link
        with pytest.raises(SendError, match=r"RESOURCE_EXHAUSTED.*larger than max") as caught:
            await link.export(LOGS, b"\x0a\x80\x80\x80\x04" + bytes(0x800000))
        assert (caught.value.retry, caught.value.cause) == (False, "refused")
        await link.close()


@pytest.mark.parametrize("protocol", ["GRPC", "HTTP"])
async def test_tls_on_both_sides(
    program: Path, protocol: str, tmp_path: Path, authority: CertificateAuthorityForTests
) -> None:
    ca = tmp_path / "ca.crt"
    ca.write_text(authority.root_pem)
    files: dict[str, tuple[str, str]] = {}
    for name in ("collector", "mixer"):
        made = authority.certificate(f"spiffe://cluster.local/ns/default/sa/{name}", (f"{name}.example",))
        chain, key = tmp_path / f"{name}.crt", tmp_path / f"{name}.key"
        chain.write_bytes(made.chain_pem)
        key.write_bytes(made.key_pem)
        files[name] = (str(chain), str(key))
    server = dict(zip(("cert_file", "key_file"), files["collector"], strict=True)) | {"client_ca_file": str(ca)}
    own = dict(zip(("certificateFile", "keyFile"), files["mixer"], strict=True))
    whole = {"caFile": str(ca), "serverName": "collector.example"}
    async with collecting(program, server) as collector:
        async with Sending(OtlpServer(), **collector.params(protocol, tls=whole | own)) as sender:
            sender.report(lines(2), calls(1))
            await sender.until("sent", {"": 3})
        stranger = Sending(OtlpServer(), **collector.params(protocol, tls=whole))
        stranger.report(lines(2))
        await until(lambda: stranger.counted("retries").get("unreachable", 0) > 0)
        await stranger.close(0)
        assert stranger.counted("dropped") == {"closing": 2}


async def test_a_collector_that_goes_and_comes_back(program: Path) -> None:
    """Restarted under load: each row is with it or counted, and delivery goes on within ten seconds."""
    collector = Collector(program)
    sender = sending(collector, metricsInterval="0.5s", batchDuration="0.2s")
    loop = asyncio.get_running_loop()
    begun, given, back = loop.time(), 0, 0.0
    await collector.start()
    while (passed := loop.time() - begun) < OUTAGE_SECONDS:
        sender.report(lines(25), calls(*[1] * 25))
        given += 25
        await asyncio.sleep(TURN_SECONDS)
        if collector._process is not None and not back and passed > OUTAGE_SECONDS / 5:
            await collector.stop()
        elif collector._process is None and passed > OUTAGE_SECONDS * 3 / 5:
            await collector.start()
            back = loop.time()
            before = len(collector.requests)
    await until(lambda: len(collector.requests) > before, RETURN_SECONDS)
    await sender.close(20)
    await collector.stop()
    dropped = sum(sender.counted("dropped").values())
    print(f"{given} of each, {dropped} dropped, {sender.counted('retries')}")
    assert len(list(collector.entries("logs"))) == given - dropped
    *_, (_, metric) = collector.entries("metrics")
    assert sum(int(point["asInt"]) for point in metric["sum"]["dataPoints"]) == given
