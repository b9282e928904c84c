"""Asks the application in place of the kubelet, whose probes Envoy would refuse or answer itself.

The calls come from 127.0.0.6, from which interception leaves them alone, and go to the pod's own address, so that an
application that listens there only is reached.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx

from flotilla_agent.pod.app_probes import GrpcProbe, HttpProbe, Probe, TcpProbe
from flotilla_shared.runtime.lifecycle import Tasks

SOURCE = {4: "127.0.0.6", 6: "::6"}
BODY_BYTES = 10 * 1024
REDIRECTS = 10
HEALTH_CHECK = "/grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"  # HealthCheckResponse{status: SERVING}
# The connection's own, and what the prober decides.
NOT_FORWARDED = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the kubelet is told."""

    status: int
    text: str = ""


class Prober:
    """Runs probes against one pod. `close` when done. A probe never raises: what keeps it from passing is its outcome."""

    def __init__(self, address: str, folder: Path, *, source: str | None = None) -> None:
        """`address` is the pod's; `folder` may be written to; `source` is where the calls come from, `""` for what the
        kernel chooses.
        """
        self._folder = folder
        version = 6 if ":" in address else 4
        self._host = address
        self._source = SOURCE[version] if source is None else source
        transport = httpx.AsyncHTTPTransport(
            local_address=self._source or None,
            verify=_unverified(),
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self._client = httpx.AsyncClient(transport=transport, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def run(self, probe: Probe, headers: Mapping[str, str]) -> Outcome:
        """`headers` are those of the kubelet's request."""
        try:
            async with asyncio.timeout(probe.timeout_seconds):
                return await self._ask(probe, headers)
        except TimeoutError:
            return Outcome(503, f"{probe.where(self._host)} did not answer within {probe.timeout_seconds:g} s")
        except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
            return Outcome(503, f"{probe.where(self._host)} cannot be reached: {error or type(error).__name__}")

    async def _ask(self, probe: Probe, headers: Mapping[str, str]) -> Outcome:
        if isinstance(probe, HttpProbe):
            return await self._http(probe, headers)
        if isinstance(probe, TcpProbe):
            _, writer = await self._connect(probe.host or self._host, probe.port)
            writer.close()
            return Outcome(200)
        return await self._grpc(probe)

    async def _connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(host, port, local_addr=(self._source, 0) if self._source else None)

    async def _http(self, probe: HttpProbe, headers: Mapping[str, str]) -> Outcome:
        passed = {name: value for name, value in headers.items() if name.lower() not in NOT_FORWARDED}
        url = httpx.URL(probe.where(self._host))
        for _ in range(REDIRECTS):
            request = self._client.build_request("GET", url, headers={**passed, **probe.headers, "connection": "close"})
            response = await self._client.send(request, stream=True)
            try:
                target = response.next_request.url if response.next_request else None
                # Only to the same host, like the kubelet; another one's answer says nothing about this pod.
                if target is None or target.host != url.host:
                    return Outcome(response.status_code, await _beginning(response))
                url = target
            finally:
                await response.aclose()
        return Outcome(503, f"{url} redirects more than {REDIRECTS} times")

    async def _grpc(self, probe: GrpcProbe) -> Outcome:
        options = (("grpc.enable_http_proxy", 0),)
        async with self._relay(probe.port) as target, grpc.aio.insecure_channel(target, options) as channel:
            check: Any = channel.unary_unary(HEALTH_CHECK)  # bytes in, bytes out
            try:
                answer: bytes = await check(probe.request(), timeout=probe.timeout_seconds)
            except grpc.aio.AioRpcError as error:
                return Outcome(503, f"{probe.where(self._host)}: {error.code().name} {error.details()}")
        return Outcome(200) if answer[:2] == SERVING else Outcome(503, f"{probe.where(self._host)} is not SERVING")

    @asynccontextmanager
    async def _relay(self, port: int) -> AsyncIterator[str]:
        """A Unix socket that leads to the application's port: grpcio cannot choose where it calls from."""
        tasks = Tasks("probe relay")
        with tempfile.TemporaryDirectory(prefix="probe-", dir=self._folder) as folder:
            path = Path(folder) / "s"
            server = await asyncio.start_unix_server(
                lambda reader, writer: tasks.spawn(self._pass_on(reader, writer, port)), path
            )
            try:
                yield f"unix:{path}"
            finally:
                server.close()
                await tasks.stop()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        try:
            there = await self._connect(self._host, port)
        except OSError:
            writer.close()
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, there[1]))
                group.create_task(_copy(there[0], writer))
        finally:
            for each in (writer, there[1]):
                each.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while content := await reader.read(65536):
            writer.write(content)
            await writer.drain()
    writer.close()


async def _beginning(response: httpx.Response) -> str:
    content = b""
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) >= BODY_BYTES:
            break
    return content[:BODY_BYTES].decode("utf-8", "replace")


def _unverified() -> Any:
    """Like the kubelet: a probe asks whether it lives, and sends nothing secret."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
